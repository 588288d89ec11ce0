"""The picture of a plan: what stands in it, and that each of its forms shows it whole."""

import re
import shutil
import subprocess
from collections import Counter
from pathlib import Path
from random import Random
from typing import Any
from xml.etree import ElementTree

import attrs
import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from plans import all_of, classifier, model, plan_of
from vocabulary import Extended

from mmflow import plan
from mmflow.api import build
from mmflow.graph import Picture, dot, mermaid, picture, svg
from mmflow.graph.spread import spread
from mmflow.graph.text import clean, width_of, wrapped
from mmflow.plan import Plan
from mmflow.source import Source

NASTY = 'a "b" [c] (d) {e} `f` <g> & #h; \\ | end\n%% _i_ *j* — ü 東京 \x00\u202e'


def support() -> Plan:
    """Every kind of step, a judge and a classifier that ask models, a guard, two zones."""
    task = classifier("task", ("code", "math", "other"), ordered=False, unsure="other")
    code = plan.LabelIs("task", ("code",))
    made = plan_of(
        plan.Route("main", (plan.Arm(code, "patient", "task == code"), plan.Arm(plan.Not(code), "main/arm 2", NASTY)), "answer"),
        plan.With("main/arm 2", "mini", deadline_s=18, max_output_tokens=2000),
        plan.Fallback("patient", ("upgrade", "mini"), ("429", "5xx"), retry_times=1),
        plan.Split("upgrade", (plan.Slice(1000, "next"), plan.Slice(9000, "strong"))),
        plan.Cascade("answer", ("fast", "strong"), plan.ScoreIs("quality", ">=", 0.8), "quality >= 0.80"),
        plan.Tier("fast", ("llama", "mini"), "cheapest"),
        models=[
            model("llama", provider="dc1", zone="own", region="eu"),
            model("judge_small", provider="dc1", zone="own", region="eu"),
            *("mini", "strong", "next", "unused"),
        ],
        classifiers=[task, classifier("data", word="sorter", options={"model": "llama"}), classifier("unread")],
        scorers=[plan.Scorer(name="quality", word="judge", options={"model": "judge_small", "rubric": "be strict"})],
        providers=[plan.Provider(name="dc1", word="openai_compatible", zone="own", region="eu")],
        deadline_s=20,
        guards=("residency",),
    )
    test = plan.LabelIs("data", ("high",))
    rule = plan.Rule(test, ((plan.TargetIs("zone", "==", "own"),),), "when data == high -> target.zone == own")
    return replaced(made, file="flows/support.mmf", guards={"residency": plan.Guard("residency", (rule,))})


def replaced(of: Plan, **changes: Any) -> Plan:
    return msgspec.structs.replace(of, **changes)


def compiled(file: Path) -> Plan:
    found = build(Source.from_bytes(file.name, file.read_bytes()), Extended(), {})
    assert found.plan is not None
    return found.plan


def helpdesk() -> Plan:
    """The workflow that the design shows whole."""
    return compiled(Path(__file__).parent / "data" / "support.mmf")


def voting() -> Plan:
    """A strategy over a split, and a budget that puts a tier in its place."""
    made = plan_of(
        plan.Strategy("main", "vote", ("half", "mini"), {}, plan.CallSummary(2, True), ("fine",)),
        plan.Split("half", (plan.Slice(5000, "mini"), plan.Slice(5000, "next"))),
        plan.Tier("cheap", ("mini", "next"), "cheapest"),
        models=["mini", "next"],
        scorers=["fine"],
        budget="purse",
    )
    thresholds = (plan.Threshold(0.8, "alert", NASTY), plan.Threshold(1.0, "degrade", "cheap"))
    budget = plan.Budget(name="purse", limit_microusd=5_000_000, period_s=3600, per="user", thresholds=thresholds)
    return replaced(made, budgets={"purse": budget})


def edges(of: Picture) -> set[tuple[str, str, tuple[str, ...], str]]:
    return {(each.source, each.target, each.lines, each.style) for each in of.edges}


# ---- what stands in it ---------------------------------------------------------------------------------------------------------


def test_arms_and_shares_and_places_stand_on_the_lines() -> None:
    found = edges(picture(support()))
    assert ("flow_main", "fallback_patient", ("1: task == code",), "goes") in found
    assert ("flow_main", "model_mini", (f"2: {clean(NASTY)}", "with deadline 18s, max_output 2k"), "goes") in found
    assert ("flow_main", "cascade_answer", ("else",), "goes") in found
    assert ("fallback_patient", "split_upgrade", ("1",), "goes") in found
    assert ("split_upgrade", "model_next", ("10%",), "goes") in found
    assert ("split_upgrade", "model_strong", ("90%",), "goes") in found
    assert ("tier_fast", "model_llama", (), "goes") in found


def test_who_classifies_judges_and_guards_is_joined_by_other_lines() -> None:
    found = edges(picture(support()))
    assert ("flow_main", "classify_task", (), "reads") in found
    assert ("flow_main", "guard_residency", (), "reads") in found
    assert ("guard_residency", "classify_data", (), "reads") in found
    assert ("cascade_answer", "scorer_quality", (), "reads") in found
    assert ("scorer_quality", "model_judge_small", ("asks",), "asks") in found
    assert ("classify_data", "model_llama", ("asks",), "asks") in found


def test_models_stand_in_the_box_of_their_provider_and_place() -> None:
    boxes = {each.provider: each for each in picture(support()).boxes}
    assert set(boxes["dc1"].models) == {"model_llama", "model_judge_small"}
    assert (boxes["dc1"].title, boxes["dc1"].place) == ("provider dc1 (openai_compatible)", "own · eu")
    assert (boxes["lab"].title, boxes["lab"].place) == ("provider lab", "external")


def test_nodes_say_what_holds_of_them() -> None:
    lines = {each.id: each.lines for each in picture(support()).nodes}
    assert lines["flow_main"] == ("deadline 20s",)
    assert lines["fallback_patient"] == ("on 429, 5xx", "each tried 2 times")
    assert lines["cascade_answer"] == ("accept quality >= 0.80",)
    assert lines["tier_fast"] == ("pick cheapest",)
    assert lines["classify_data"] == ("using sorter", "low < medium < high")
    assert lines["model_mini"] == ("mini-id",)


def test_a_budget_leads_to_what_it_degrades_to() -> None:
    drawn = picture(voting())
    found = {each for each in edges(drawn) if "budget_purse" in each[:2]}
    assert found == {
        ("flow_main", "budget_purse", (), "reads"),
        ("budget_purse", "tier_cheap", ("from 100%",), "goes"),
    }
    lines = next(each.lines for each in drawn.nodes if each.kind == "budget")
    assert lines[0] == "limit $5/hour for each user"
    assert lines[2] == "from 100%: degrade"


def test_a_strategy_says_how_it_calls_and_who_scores() -> None:
    drawn = picture(voting())
    assert ("strategy_main", "scorer_fine", (), "reads") in edges(drawn)
    assert "up to 2 calls, at once" in next(each.lines for each in drawn.nodes if each.kind == "strategy")


def test_the_flow_says_what_it_promises_and_uses() -> None:
    drawn = picture(helpdesk())
    (flow,) = (each for each in drawn.nodes if each.kind == "flow")
    for line in (
        "p95 3s of first_token",
        "cache answers: 1h, scope user",
        "not kept while data == confidential",
        "prompt voice",
        "output reply: json, schemas/reply.json, retry(1)",
    ):
        assert line in flow.lines
    assert ("experiment_sonnet_upgrade", "scorer_quality", (), "reads") in edges(drawn)
    assert ("experiment_sonnet_upgrade", "model_sonnet_next", ("10%",), "goes") in edges(drawn)
    # Arms and the cache read the same classifier.
    read = [each for each in drawn.edges if each.style == "reads"]
    assert len(read) == len(set(read))


def test_what_no_request_reaches_is_left_out() -> None:
    names = {each.name for each in picture(support()).nodes}
    assert {"mini", "task"} <= names
    assert not {"unused", "unread"} & names


def test_one_flow_is_drawn_with_what_it_reaches() -> None:
    both = replaced(
        support(),
        flows={**support().flows, "small": plan.Flow(name="small", step="upgrade")},
    )
    small = picture(both, "small")
    assert {each.id for each in small.nodes} == {"flow_small", "split_upgrade", "model_next", "model_strong"}
    assert small.title == "support.mmf: small"
    assert [each.id for each in picture(both).nodes].count("split_upgrade") == 1


def test_a_flow_and_its_own_table_are_one_node() -> None:
    kinds = Counter(each.kind for each in picture(support()).nodes)
    assert (kinds["flow"], kinds["route"]) == (1, 0)


def test_names_that_differ_in_signs_only_get_different_ids() -> None:
    drawn = picture(plan_of(plan.Tier("t", ("a-b", "a+b")), models=["a-b", "a+b"]))
    assert [each.id for each in drawn.nodes] == ["flow_main", "tier_t", "model_a_b", "model_a_b_2"]


# ---- Mermaid and DOT -----------------------------------------------------------------------------------------------------------

MERMAID = """\
flowchart LR
  flow_main(["flow main<br>deadline 1m"])
  cascade_c[/"cascade c<br>accept quality #62;= 0.5"/]
  scorer_quality(("scorer quality<br>using judge"))
  subgraph provider_lab["provider lab<br>zone external"]
    model_a["model a<br>a-id"]
  end
  subgraph provider_dc["provider dc<br>zone own"]
    model_end["model end<br>end-id"]
  end
  flow_main --> cascade_c
  cascade_c -->|"1"| model_a
  cascade_c -->|"2<br>with temperature 0.5"| model_end
  scorer_quality -.->|"asks"| model_a
  cascade_c -.-> scorer_quality
  classDef own stroke-width:4px
  classDef external stroke-width:1px,stroke-dasharray:6 4
  class provider_lab external
  class provider_dc own
  linkStyle 3 stroke-dasharray:1 5
"""
DOT = """\
digraph mmflow {
  graph [label="main", labelloc=t, rankdir=LR, fontname="sans-serif", charset="UTF-8"]
  node [fontname="sans-serif"]
  edge [fontname="sans-serif", fontsize=11]
  flow_main [label="flow main\\ndeadline 1m", shape=box, style=rounded, penwidth=2]
  subgraph cluster_provider_lab {
    graph [label="provider lab\\nzone external", labeljust=l, style="dashed"]
    model_a [label="model a\\na-id", shape=box]
    model_b [label="model b\\nb-id", shape=box]
  }
  flow_main -> model_a [label="1: request.meta(\\"a&amp;b\\") == \\"c\\\\d\\""]
  flow_main -> model_b [label="else"]
}
"""


def judged() -> Plan:
    return plan_of(
        plan.Cascade("c", ("a", "c/step 2"), plan.ScoreIs("quality", ">=", 0.5), "quality >= 0.5"),
        plan.With("c/step 2", "end", temperature=0.5),
        models=["a", model("end", provider="dc", zone="own")],
        scorers=[plan.Scorer(name="quality", word="judge", options={"model": "a"})],
    )


def quoted() -> Plan:
    test = plan.RequestIs("meta.a&b", "==", "c\\d")
    return plan_of(plan.Route("main", (plan.Arm(test, "a", 'request.meta("a&b") == "c\\d"'),), "b"), models=["a", "b"])


def test_mermaid_is_as_it_was() -> None:
    assert mermaid(picture(judged())) == MERMAID


def test_dot_is_as_it_was() -> None:
    assert dot(picture(quoted())) == DOT


def test_a_judge_and_a_zone_are_told_apart_in_dot() -> None:
    text = dot(picture(judged()))
    assert 'scorer_quality -> model_a [label="asks", style=dotted, penwidth=2]' in text
    assert "cascade_c -> scorer_quality [style=dashed, arrowhead=odot]" in text
    assert 'graph [label="provider dc\\nzone own", labeljust=l, style="solid, bold"]' in text


def test_mermaid_holds_no_sign_that_it_would_read() -> None:
    for label in re.findall(r'"(.*?)"', mermaid(picture(support()))):
        assert not re.search(r'["`<>&\\*\[\](){}|]', label.replace("<br>", "")), label


def test_mermaid_makes_no_list_of_a_line() -> None:
    arms = (plan.Arm(plan.RequestIs("tokens", "<", 5), "a", "x " * 20 + "- 1. y"),)
    text = mermaid(picture(plan_of(plan.Route("main", arms, "a"), models=["a"])))
    assert not re.search(r'(<br>|")([-+*]|\d+[.)]) ', text)


def test_long_conditions_are_wrapped() -> None:
    condition = " and ".join(f"request.tokens > {n}" for n in range(40))
    drawn = picture(plan_of(plan.Route("main", (plan.Arm(plan.RequestIs("tokens", ">", 1), "a", condition),), "a"), models=["a"]))
    for text, line_break in ((mermaid(drawn), "<br>"), (dot(drawn), "\\n")):
        labels = re.findall(r'"([^"]*)"', text)
        assert max(len(line.replace("#62;", ">")) for label in labels for line in label.split(line_break)) <= 40


@pytest.mark.skipif(shutil.which("dot") is None, reason="Graphviz is not installed")
@pytest.mark.parametrize("make", [support, judged, quoted])
def test_graphviz_reads_our_dot(make: Any) -> None:
    done = subprocess.run(["dot", "-Tplain"], input=dot(picture(make())).encode(), capture_output=True, check=True)
    assert done.stderr == b""
    assert done.stdout.count(b"\nnode ") == len(picture(make()).nodes)


# ---- SVG -----------------------------------------------------------------------------------------------------------------------

SVG = "{http://www.w3.org/2000/svg}"


@attrs.frozen
class Box:
    """A rectangle of an SVG, with the class of what it belongs to."""

    kind: str
    left: float
    top: float
    right: float
    bottom: float

    def meets(self, other: "Box") -> bool:
        return self.left < other.right and other.left < self.right and self.top < other.bottom and other.top < self.bottom

    def holds(self, other: "Box") -> bool:
        sides = (self.left <= other.left, other.right <= self.right, self.top <= other.top, other.bottom <= self.bottom)
        return all(sides)


def box(rect: ElementTree.Element, kind: str) -> Box:
    x, y, width, height = (float(rect.get(name, "0")) for name in ("x", "y", "width", "height"))
    return Box(kind, x, y, x + width, y + height)


def parts(text: str) -> tuple[ElementTree.Element, list[Box], list[Box], list[Box]]:
    """The document; boxes of nodes, of texts on lines, and of providers."""
    root = ElementTree.fromstring(text)
    drawing = next(each for each in root.iter(f"{SVG}g") if each.get("transform"))
    groups = [(each, (each.get("class") or "").split()) for each in drawing.iter(f"{SVG}g")]
    nodes = [box(each.findall(f"{SVG}rect")[0], classes[1]) for each, classes in groups if "node" in classes]
    boxes = [box(each.findall(f"{SVG}rect")[0], classes[1]) for each, classes in groups if "box" in classes]
    chips = [box(each, "chip") for each in drawing.iter(f"{SVG}rect") if each.get("class") == "chip"]
    return root, nodes, chips, boxes


def assert_legible(drawn: Picture) -> None:
    root, nodes, chips, boxes = parts(svg(drawn))
    assert len(nodes) == len(drawn.nodes)
    assert len(boxes) == len(drawn.boxes)
    assert len(chips) == sum(bool(each.lines) for each in drawn.edges)
    lines = [each for each in root.iter(f"{SVG}path") if (each.get("class") or "").startswith("line")]
    keys = len({each.style for each in drawn.edges})
    assert len(lines) == len(drawn.edges) + keys
    apart = [*nodes, *chips]
    assert not [(one, other) for n, one in enumerate(apart) for other in apart[:n] if one.meets(other)]
    assert not [(one, other) for n, one in enumerate(boxes) for other in boxes[:n] if one.meets(other)]
    assert not [(one, other) for one in boxes for other in apart if one.meets(other) and not one.holds(other)]
    framed = [
        each
        for each in root.iter(f"{SVG}g")
        if (each.get("class") or "").startswith("box") and each.find(f"{SVG}text") is not None
    ]
    assert len(framed) == len(boxes)
    for group in framed:
        outer, *inner = [box(each, "tag") for each in group.findall(f"{SVG}rect")]
        assert all(outer.holds(each) for each in inner)
    assert sum(one.holds(other) for one in boxes for other in nodes) == sum(each.kind == "model" for each in nodes)
    margin, heading = 24, 40
    paper = Box(
        "paper", -margin, -heading, float(root.get("width", "0")) - margin, float(root.get("height", "0")) - margin - heading
    )
    assert all(paper.holds(each) for each in (*apart, *boxes))


@pytest.mark.parametrize("make", [support, judged, quoted, helpdesk, voting])
def test_nothing_covers_anything_in_an_svg(make: Any) -> None:
    assert_legible(picture(make()))


def test_texts_fit_into_their_boxes() -> None:
    root, *_ = parts(svg(picture(support())))
    nodes = [each for each in root.iter(f"{SVG}g") if (each.get("class") or "").startswith(("node", "box"))]
    assert nodes
    sizes = {"kind": 10.5, "name": 14.0}
    for each in nodes:
        if (rect := each.find(f"{SVG}rect")) is None or rect.get("x") is None:
            continue
        for text in each.findall(f"{SVG}text"):
            style = text.get("class") or ""
            bold = style in ("name", "provider", "place")
            end = float(text.get("x", "0")) + width_of(text.text or "", sizes.get(style, 12.0), bold=bold)
            assert end <= box(rect, "").right, text.text


def test_an_svg_stands_alone_and_tells_what_it_shows() -> None:
    text = svg(picture(support()))
    root = ElementTree.fromstring(text)
    assert not re.search(r"<script|href|@import|url\((?!#)|<image|<foreignObject|\son\w+=", text)
    assert "prefers-color-scheme:dark" in text
    assert root.get("role") == "img"
    title, desc = root.find(f"{SVG}title"), root.find(f"{SVG}desc")
    assert title is not None
    assert desc is not None
    assert title.text == "support.mmf"
    assert "flow main goes to fallback patient (1: task == code)." in (desc.text or "")
    assert "provider dc1 (openai_compatible), zone own · eu, has llama, judge_small." in (desc.text or "")
    ids = [each.get("id") for each in root.iter() if each.get("id")]
    assert len(ids) == len(set(ids))


def test_zones_differ_by_more_than_colour() -> None:
    root, _, _, boxes = parts(svg(picture(support())))
    assert {each.kind for each in boxes} == {"own", "external"}
    said = {each.text for each in root.iter(f"{SVG}text")}
    assert {"zone own · eu", "zone external"} <= said
    style = next(root.iter(f"{SVG}style")).text or ""
    assert re.search(r"\.box\.external rect\{[^}]*stroke-dasharray", style)


def test_every_form_is_the_same_for_the_same_plan() -> None:
    for form in (mermaid, dot, svg):
        assert form(picture(support())) == form(picture(plan.decode(plan.encode(support()))))


def test_a_long_chain_is_drawn() -> None:
    count = 150
    steps = [plan.Fallback(f"s{n}", (f"s{n + 1}" if n + 1 < count else "a", "b"), ("429",)) for n in range(count)]
    drawn = picture(plan_of(*steps, models=["a", "b"]))
    assert len(drawn.nodes) == count + 3
    assert len(ElementTree.fromstring(svg(drawn))) > 0


# ---- any plan ------------------------------------------------------------------------------------------------------------------


def any_plan(seed: int) -> Plan:
    """A plan in which steps lead to any that come after them, with names and texts of any characters."""
    random = Random(seed)
    names = [f"s{n}{random.choice(('', NASTY, ' end', '_', '日本'))}" for n in range(random.randint(1, 9))]
    places = [("lab", "external", None), ("dc", "own", "eu"), ("lab", "own", None), (NASTY, "external", NASTY)]
    models = []
    for n in range(random.randint(1, 6)):
        provider, zone, region = random.choice(places)
        models.append(model(f"m{n}", provider=provider, zone=zone, region=region))
    scorers = [plan.Scorer(name="judge", word="judge", options={"model": models[-1].name})]
    classifiers = [classifier("c0"), classifier("c1", options={"deep": [{"model": models[0].name}]})]
    steps: list[plan.Step] = []
    for n, name in enumerate(names):
        below = [*names[n + 1 :], *(each.name for each in models)]

        def some(below: list[str] = below, name: str = name) -> tuple[str, ...]:
            targets = random.choices(below, k=random.randint(1, 5))
            if random.random() < 0.3:
                steps.append(plan.With(f"{name}/x{len(steps)}", targets[0], deadline_s=3))
                targets[0] = steps[-1].name
            return tuple(targets)

        match random.randint(0, 6):
            case 5:
                steps.append(plan.Experiment(name, tuple(plan.Slice(100, each) for each in some()), "user", "judge"))
            case 6:
                steps.append(all_of(name, some(), parallel=random.random() < 0.5, scorer="judge"))
            case 0:
                steps.append(plan.Tier(name, tuple(random.choices([each.name for each in models], k=3)), "listed"))
            case 1:
                arms = [
                    plan.Arm(plan.LabelIs(random.choice(("c0", "c1")), ("low",)), each, random.choice((NASTY, "x", NASTY * 4)))
                    for each in some()
                ]
                steps.append(plan.Route(name, tuple(arms), random.choice((None, random.choice(below)))))
            case 2:
                test = plan.All((plan.ScoreIs("judge", ">", 0.5), plan.LabelIs("c1", ("low",))))
                steps.append(plan.Cascade(name, some(), test, NASTY))
            case 3:
                steps.append(plan.Fallback(name, some(), ("429",)))
            case _:
                steps.append(plan.Split(name, tuple(plan.Slice(100, each) for each in some())))
    made = plan_of(*steps, models=models, scorers=scorers, classifiers=classifiers)
    flows = {each: plan.Flow(name=each, step=each) for each in random.sample(names, random.randint(1, len(names)))}
    return replaced(made, flows=flows)


def targets_of(step: plan.Step) -> tuple[str, ...]:
    match step:
        case plan.Tier(models=found) | plan.Cascade(steps=found) | plan.Fallback(steps=found) | plan.Strategy(steps=found):
            return found
        case plan.Route(arms=arms, otherwise=otherwise):
            return (*(each.step for each in arms), *((otherwise,) if otherwise is not None else ()))
        case plan.Split(slices=slices) | plan.Experiment(slices=slices):
            return tuple(each.step for each in slices)
        case plan.With(step=inner):
            return (inner,)
        case _:
            return ()


@settings(max_examples=40, deadline=None, derandomize=True)
@given(st.integers(0, 10**6))
def test_every_step_and_model_stands_once_and_every_arm_has_a_line(seed: int) -> None:
    of = any_plan(seed)
    reached, waiting = set(), [each.step for each in of.flows.values()]
    while waiting:
        if (name := waiting.pop()) not in reached:
            reached.add(name)
            waiting.extend(targets_of(of.steps[name]))
    drawn = picture(of)
    assert len({each.id for each in drawn.nodes}) == len(drawn.nodes)
    bare = {name for name in reached if not isinstance(of.steps[name], plan.With)}
    entered = {each.name for each in of.flows.values() if isinstance(of.steps[each.step], plan.Route)}
    asked = {
        model
        for declared in (*of.scorers.values(), *of.classifiers.values())
        for model in re.findall(r"m\d", str(declared.options))
    }
    due = Counter(clean(name) for name in bare | {each for each in asked if clean(each) in {n.name for n in drawn.nodes}})
    due.update(clean(name) for name in of.flows if name not in entered)
    opinions = {"classify", "scorer", "guard"}
    assert Counter(each.name for each in drawn.nodes if each.kind not in opinions) == due
    leaving = sum(len(targets_of(of.steps[name])) for name in bare)
    assert sum(each.style == "goes" for each in drawn.edges) == leaving + len(of.flows) - len(entered)
    assert_legible(drawn)
    for each in mermaid(drawn).splitlines():
        assert each.count('"') in (0, 2)


# ---- texts and places ----------------------------------------------------------------------------------------------------------


def test_a_text_is_in_one_line_and_visible() -> None:
    assert clean("a\nb\x00\u202e\ud800 é 日") == "a b\\x00\\u202e\\ud800 é 日"


def test_a_long_word_is_broken() -> None:
    assert wrapped("x" * 25, 10) == ["x" * 10, "x" * 10, "x" * 5]
    assert wrapped("", 10) == [""]


@given(st.lists(st.tuples(st.floats(-100, 100), st.floats(0.1, 9), st.floats(0, 20)), min_size=1, max_size=12))
def test_places_keep_their_steps(items: list[tuple[float, float, float]]) -> None:
    wanted, weights, steps = ([each[n] for each in items] for n in range(3))
    found = spread(wanted, weights, steps)
    assert all(other - one >= step - 1e-6 for one, other, step in zip(found, found[1:], steps[1:], strict=False))


def test_places_are_as_near_as_they_can_be() -> None:
    assert spread([0, 0], [1, 1], [0, 10]) == [-5, 5]
    assert spread([0, 50], [1, 1], [0, 10]) == [0, 50]
    assert spread([0, 0], [9, 1], [0, 10]) == [-1, 9]


def test_the_pictures_of_the_workflows_of_the_project_are_legible() -> None:
    files = sorted((Path(__file__).parents[1] / "workflows").glob("*.mmf"))
    assert files
    for file in files:
        assert_legible(picture(compiled(file)))
