"""What stands in the picture of a plan: its nodes, the lines between them, and the boxes around models."""

import re
from collections.abc import Iterable, Iterator
from pathlib import PurePath
from typing import Any, Literal

import attrs

from mmflow.graph.said import (
    Target,
    degrades,
    limits,
    promises,
    said_of,
    scored_by,
    scorers_of,
    spending,
    targets,
    tests,
    texts,
    using,
)
from mmflow.graph.text import clean
from mmflow.plan import (
    Ask,
    Cascade,
    Experiment,
    Fallback,
    Flow,
    Plan,
    Route,
    Slot,
    Split,
    Step,
    Strategy,
    Tier,
    With,
    signals_of,
)
from mmflow.plugin import Model, Zone

Kind = Literal[
    "flow",
    "route",
    "tier",
    "cascade",
    "fallback",
    "split",
    "experiment",
    "strategy",
    "model",
    "classify",
    "scorer",
    "guard",
    "budget",
]
Style = Literal["goes", "reads", "asks"]
"""A request goes to a target; a target reads what a classifier, scorer or guard says; one of these asks a model."""


@attrs.frozen
class Node:
    """A declaration. `id` is made of ASCII letters, digits and `_`; `lines` say what holds of it."""

    id: str
    kind: Kind
    name: str
    lines: tuple[str, ...] = ()


@attrs.frozen
class Edge:
    """A line from a node to another, by their ids; `lines` are its text: a condition with its number, a share, a place."""

    source: str
    target: str
    lines: tuple[str, ...] = ()
    style: Style = "goes"


@attrs.frozen
class Box:
    """The models of a provider, by the ids of their nodes, and where data goes that is sent there."""

    id: str
    provider: str
    word: str
    zone: Zone
    region: str | None
    models: tuple[str, ...]

    @property
    def title(self) -> str:
        """`provider dc1 (openai_compatible)`."""
        return f"provider {self.provider}" + ("" if self.word == self.provider else f" ({self.word})")

    @property
    def place(self) -> str:
        """`own · eu`."""
        return self.zone if self.region is None else f"{self.zone} · {self.region}"


@attrs.frozen
class Picture:
    """Everything to draw; each node in one place, those that others lead to below those."""

    title: str
    nodes: tuple[Node, ...]
    edges: tuple[Edge, ...]
    boxes: tuple[Box, ...]


def picture(plan: Plan, flow: str | None = None) -> Picture:
    """The picture of a plan's flows, or of one of them: what a request can reach, and nothing else."""
    drawn = _Drawing(plan)
    drawn.flows([each for each in plan.flows.values() if flow in (None, each.name)])
    names = ", ".join(plan.flows) if flow is None else flow
    file = PurePath(plan.file).name
    title = clean(f"{file}: {names}" if file and flow is not None else file or names or "workflow")
    return Picture(title, tuple(drawn.nodes.values()), tuple(drawn.edges), tuple(drawn.boxes()))


_Key = tuple[Kind, str]


class _Drawing:
    """Nodes and edges as they are found, from the flows on; without recursion, since a chain may be of any length."""

    def __init__(self, plan: Plan) -> None:
        self._plan = plan
        self.nodes: dict[_Key, Node] = {}
        self.edges: list[Edge] = []
        self._read: set[Edge] = set()
        self._ids: set[str] = set()
        self._waiting: list[Step] = []

    def flows(self, flows: list[Flow]) -> None:
        for flow in flows:
            self._add("flow", flow.name, promises(flow, self._plan))
        for flow in flows:
            node = self.nodes["flow", flow.name]
            for guard in flow.guards:
                self._line(node, self._guard(guard), style="reads")
            for classifier in self._read_beside(flow):
                self._line(node, self._classifier(classifier), style="reads")
            if self._is_own_route(flow):
                self._draw(node, self._plan.steps[flow.step])
            else:
                self._lead(node, ((), flow.step))
            if flow.budget is not None:
                self._line(node, self._budget(flow.budget), style="reads")
            while self._waiting:
                step = self._waiting.pop()
                self._draw(self.nodes[_kind_of(step), step.name], step)

    def _read_beside(self, flow: Flow) -> dict[str, None]:
        """The classifiers that a flow's cache and prompt read."""
        found = [] if flow.cache is None else [name for test in self._plan.caches[flow.cache].off for name in signals_of(test)]
        arms = () if flow.prompt is None else self._plan.prompts[flow.prompt].arms
        found += [
            each.path for arm in arms for each in arm.parts if isinstance(each, Slot) and each.path in self._plan.classifiers
        ]
        return dict.fromkeys(found)

    def _budget(self, name: str) -> Node:
        budget = self._plan.budgets[name]
        is_known = ("budget", name) in self.nodes
        node = self._add("budget", name, spending(budget))
        for target in () if is_known else degrades(budget):
            self._lead(node, target)
        return node

    def _is_own_route(self, flow: Flow) -> bool:
        return flow.step == flow.name and isinstance(self._plan.steps[flow.step], Route)

    def _draw(self, node: Node, step: Step) -> None:
        fresh = len(self._waiting)
        for target in targets(step):
            self._lead(node, target)
        self._waiting[fresh:] = reversed(self._waiting[fresh:])
        for classifier in dict.fromkeys(name for test in tests(step) for name in signals_of(test)):
            self._line(node, self._classifier(classifier), style="reads")
        if isinstance(step, Tier) and step.scorecard is not None and (by := self._plan.scorecards[step.scorecard].by):
            self._line(node, self._classifier(by), style="reads")
        for scorer in dict.fromkeys((*(name for test in tests(step) for name in scorers_of(test)), *scored_by(step))):
            self._line(node, self._scorer(scorer), style="reads")

    def _lead(self, node: Node, target: Target) -> None:
        """A line to a target; what `with` says of it stands on the line."""
        lines, name = target
        step = self._plan.steps[name]
        while isinstance(step, With):
            lines = (*lines, *limits(step))
            step = self._plan.steps[step.step]
        self._line(node, self._step(step), lines)

    def _step(self, step: Step) -> Node:
        if isinstance(step, Ask):
            return self._model(self._plan.models[step.model])
        flow = self._plan.flows.get(step.name)
        if flow is not None and self._is_own_route(flow) and ("flow", step.name) in self.nodes:
            return self.nodes["flow", step.name]
        key = (_kind_of(step), step.name)
        if key not in self.nodes:
            self._waiting.append(step)
        return self._add(*key, said_of(step))

    def _model(self, model: Model) -> Node:
        return self._add("model", model.name, () if model.id == model.name else (model.id,))

    def _classifier(self, name: str) -> Node:
        known = self._plan.classifiers[name]
        labels = (" < " if known.ordered else ", ").join(known.labels)
        return self._opinion("classify", name, (*using(name, known.word), labels), known.options)

    def _scorer(self, name: str) -> Node:
        known = self._plan.scorers[name]
        return self._opinion("scorer", name, using(name, known.word), known.options)

    def _opinion(self, kind: Kind, name: str, lines: tuple[str, ...], options: dict[str, Any]) -> Node:
        is_known = (kind, name) in self.nodes
        node = self._add(kind, name, lines)
        if not is_known:
            for model in dict.fromkeys(text for text in texts(options) if text in self._plan.models):
                self._line(node, self._model(self._plan.models[model]), ("asks",), "asks")
        return node

    def _guard(self, name: str) -> Node:
        rules = self._plan.guards[name].rules
        is_known = ("guard", name) in self.nodes
        node = self._add("guard", name, tuple(rule.text for rule in rules))
        if not is_known:
            for classifier in dict.fromkeys(each for rule in rules for each in signals_of(rule.test)):
                self._line(node, self._classifier(classifier), style="reads")
        return node

    def _line(self, source: Node, target: Node, lines: Iterable[str] = (), style: Style = "goes") -> None:
        edge = Edge(source.id, target.id, tuple(map(clean, lines)), style)
        # A flow's arms, its cache and its prompt may read the same classifier, which is told once.
        if style != "reads" or edge not in self._read:
            self._read.add(edge)
            self.edges.append(edge)

    def _add(self, kind: Kind, name: str, lines: Iterable[str]) -> Node:
        if (kind, name) not in self.nodes:
            self.nodes[kind, name] = Node(self._fresh(kind, name), kind, clean(name), tuple(map(clean, lines)))
        return self.nodes[kind, name]

    def _fresh(self, kind: str, name: str) -> str:
        plain = candidate = f"{kind}_{re.sub('[^A-Za-z0-9]+', '_', name)}"
        count = 1
        while candidate in self._ids:
            count += 1
            candidate = f"{plain}_{count}"
        self._ids.add(candidate)
        return candidate

    def boxes(self) -> Iterator[Box]:
        """A box for each provider in a place, in the order of their first models."""
        inside: dict[tuple[str, Zone, str | None], list[str]] = {}
        for (kind, name), node in self.nodes.items():
            if kind == "model":
                model = self._plan.models[name]
                inside.setdefault((model.provider, model.zone, model.region), []).append(node.id)
        for (provider, zone, region), models in inside.items():
            word = self._plan.providers[provider].word if provider in self._plan.providers else provider
            place = None if region is None else clean(region)
            yield Box(self._fresh("provider", provider), clean(provider), clean(word), zone, place, tuple(models))


def _kind_of(step: Step) -> Kind:
    return _KINDS[type(step)]


_KINDS: dict[type, Kind] = {
    Route: "route",
    Tier: "tier",
    Cascade: "cascade",
    Fallback: "fallback",
    Split: "split",
    Experiment: "experiment",
    Strategy: "strategy",
}
