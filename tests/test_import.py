"""`import`: a file's names mean in a program what they mean in the file, and its mistakes are told once, in their place."""

import posixpath
from pathlib import Path

import pytest
from cli import Shell, mmflow
from hypothesis import given as any_of
from hypothesis import strategies as st

from mmflow.api import load
from mmflow.build import Build, ParamError, build
from mmflow.check import check
from mmflow.diagnostics import Diagnostic
from mmflow.plan import Cascade, Plan, Route, Tier, With
from mmflow.plugin import Request
from mmflow.registry import Registry
from mmflow.report import summary
from mmflow.runtime.events import Event
from mmflow.runtime.executor import Executor
from mmflow.runtime.simulate import Scripted, reply, run_virtual
from mmflow.source import Source
from mmflow.syntax.parse import parse

__all__ = ["mmflow"]

LIBRARY = """mmflow 1
param bar = 0.5
let limit = 2k
provider dc1 using sim { zone = own }
model base { provider = openai, id = "gpt-4o-mini", family = llama }
model llama { provider = dc1, id = "llama", price = free }
tier fast { models = [llama, base], pick = cheapest }
classify complexity using heuristic { labels = low < medium < high, unsure = up }
scorer long using length { min = 3 }
let hard = complexity == high and request.tokens > limit
cascade answer { steps = [fast, base], accept = long >= bar, allow = [late_first_token("judged")] }
flow demo { else -> nonsense }
"""

TAPE = """mmflow 1
provider t using tape { from = file("t.json") }
model m { provider = t, id = "m", price = free }
"""


def built(files: dict[str, str], at: str = "main.mmf", **params: str) -> Build:
    """A program whose files are in memory."""
    reads: list[str] = []

    def read(path: str) -> Source:
        reads.append(path)
        if path not in files:
            raise FileNotFoundError(2, "No such file or directory", path)
        return Source(path, files[path])

    made = build(
        Source(at, files[at]), Registry.installed(), {name.replace("__", "."): text for name, text in params.items()}, read
    )
    assert len(reads) == len(set(reads)), "each file is read once"
    return made


def plan_of(main: str, *, libs: dict[str, str] | None = None, **params: str) -> Plan:
    made = built({"main.mmf": main, "lib.mmf": LIBRARY, **(libs or {})}, **params)
    assert made.diagnostics == ()
    assert made.plan is not None
    return made.plan


def found(main: str, **libs: str) -> list[Diagnostic]:
    files = {f"{name}.mmf": text for name, text in {"lib": LIBRARY, **libs}.items()}
    return list(built({"main.mmf": main, **files}).diagnostics)


def one(main: str, **libs: str) -> Diagnostic:
    (diagnostic,) = found(main, **libs)
    return diagnostic


def main_of(body: str, imports: str = 'import "lib.mmf" as lib\n') -> str:
    return f"mmflow 1\n{imports}{body}"


# ---- names ------------------------------------------------------------------------------------------------------------------


def test_a_target_of_an_imported_file_is_named_by_the_import() -> None:
    plan = plan_of(main_of("flow main { when request.has_tools -> lib.fast with { deadline = 2s }, else -> lib.answer }"))
    assert plan.steps["lib.fast"] == Tier("lib.fast", ("lib.llama", "lib.base"), "cheapest")
    assert isinstance(plan.steps["lib.answer"], Cascade)
    assert plan.steps["lib.answer"].steps == ("lib.fast", "lib.base")
    with_ = next(step for step in plan.steps.values() if isinstance(step, With))
    assert (with_.step, with_.deadline_s) == ("lib.fast", 2.0)
    assert plan.models["lib.llama"].provider == "lib.dc1"


def test_every_place_that_takes_a_reference_takes_an_imported_one() -> None:
    plan = plan_of(
        main_of("""
model mine { provider = lib.dc1, id = "mine", price = free }
model next like lib.base { id = "gpt-4o" }
tier both { models = [mine, lib.llama] }
scorer judged using judge { model = lib.llama }
cascade steps { steps = [lib.fast, next], accept = lib.long >= lib.bar and judged >= 0.5, allow = [late_first_token("judged")] }
fallback safe { try = [steps, lib.answer] }
split shares { 10% -> lib.base, else -> safe }
route table { when lib.hard -> both, else -> shares }
flow main {
  when lib.complexity in [low, medium] and request.tokens <= lib.limit -> lib.base
  else -> table
}
""")
    )
    assert plan.models["mine"].zone == "own"
    assert (plan.models["next"].family, plan.models["next"].provider) == ("llama", "openai")
    assert plan.scorers["judged"].options["model"] == "lib.llama"
    assert plan.steps["safe"].steps == ("steps", "lib.answer")  # type: ignore[union-attr]  # a fallback
    main, table, steps = plan.steps["main"], plan.steps["table"], plan.steps["steps"]
    assert isinstance(main, Route)
    assert isinstance(table, Route)
    assert isinstance(steps, Cascade)
    assert main.arms[0].text == "lib.complexity in [low, medium] and request.tokens <= 2k"
    assert steps.text == "lib.long >= 0.5 and judged >= 0.5"
    assert set(plan.classifiers) == {"lib.complexity"}


def test_a_word_of_a_library_is_not_taken_for_the_name_that_it_looks_like() -> None:
    library = """mmflow 1
model code { provider = sim, id = "c", price = free, family = code, quality = 0.5 }
classify task using keywords { patterns = { code = ["stack"] }, labels = [code, other], unsure = code }
tier own { models = [code] }
route r { when task == code -> code, when task in [other] -> own }
"""
    plan = plan_of(main_of("flow main { else -> lib.r }"), libs={"lib.mmf": library})
    assert plan.classifiers["lib.task"].labels == ("code", "other")
    assert plan.classifiers["lib.task"].unsure == "code"
    assert plan.models["lib.code"].family == "code"


def test_files_do_not_see_the_names_of_those_that_import_them() -> None:
    library = "mmflow 1\nroute r { when task == code -> cheap, else -> chea }"
    main = main_of("""
model cheap { provider = openai, id = "gpt-4o-mini" }
classify task using keywords { patterns = { code = ["stack"] }, labels = [code, other], unsure = other }
flow main { when task == code -> cheap, else -> lib.r }
""")
    missing = found(main, lib=library)
    assert [(each.code, each.span.text, each.span.source.path) for each in missing] == [
        ("unknown-name", name, "lib.mmf") for name in ("task", "cheap", "chea")
    ]
    assert not any("did you mean" in (each.help or "") for each in missing)


def test_the_same_name_in_two_files_is_two_declarations() -> None:
    other = LIBRARY.replace('id = "llama"', 'id = "other"')
    imports = 'import "lib.mmf" as a\nimport "other.mmf" as b\n'
    body = 'model llama { provider = sim, id = "own", price = free }\ntier all { models = [llama, a.llama, b.llama] }\n'
    plan = plan_of(main_of(body + "flow main { else -> all }", imports), libs={"other.mmf": other})
    assert [plan.models[name].id for name in ("llama", "a.llama", "b.llama")] == ["own", "llama", "other"]


def test_a_provider_of_one_file_is_not_the_plugin_that_another_means() -> None:
    library = 'mmflow 1\nmodel m { provider = openai, id = "gpt-4o-mini" }'
    main = main_of("""
provider openai { zone = own, url = "http://127.0.0.1:1/v1" }
model m { provider = openai, id = "gpt-4o" }
flow main { when request.has_tools -> m, else -> lib.m }
""")
    plan = plan_of(main, libs={"lib.mmf": library})
    assert (plan.models["m"].zone, plan.models["lib.m"].zone) == ("own", "external")
    assert plan.providers[plan.models["lib.m"].provider].word == "openai"
    assert plan.models["lib.m"].prices is not None


def test_an_alias_of_a_plugin_holds_in_its_own_file() -> None:
    library = 'mmflow 1\nuse openai as vendor\nmodel m { provider = vendor, id = "gpt-4o-mini" }'
    assert plan_of(main_of("flow main { else -> lib.m }"), libs={"lib.mmf": library}).models["lib.m"].provider == "openai"
    refused = one(
        main_of('model n { provider = vendor, id = "x" }\nflow main { when request.has_tools -> n, else -> lib.m }'), lib=library
    )
    assert (refused.code, refused.span.text) == ("unknown-word", "vendor")


def test_a_guard_of_a_library_holds_in_the_program() -> None:
    library = """mmflow 1
provider dc1 using sim { zone = own }
model inside { provider = dc1, id = "i", price = free }
classify data using keywords { patterns = { secret = ["card"] }, labels = public < secret, unsure = up }
guard residency { when data >= secret -> target.zone == own and target.provider == dc1 }
"""
    body = 'model out {{ provider = openai, id = "gpt-4o" }}\nflow main {{ guards = [lib.residency]\n {arm}else -> out }}'
    assert found(main_of(body.format(arm="when lib.data >= secret -> lib.inside, ")), lib=library) == []
    assert one(main_of(body.format(arm="when lib.data == public -> lib.inside, ")), lib=library).code == "guard-broken"


@pytest.mark.parametrize("fact", ["provider == openai", 'provider == "openai"', 'provider in [openai, "dc1"]', "name == inside"])
def test_a_fact_of_a_guard_means_what_it_means_in_its_file(fact: str) -> None:
    library = f"""mmflow 1
provider dc1 using sim {{ zone = own }}
guard own {{ when true -> target.{fact} }}
model inside {{ provider = openai, id = "gpt-4o" }}
"""
    imposter = """
provider openai using sim { }
model inside { provider = openai, id = "x", price = free }
flow main { guards = [lib.own]
  when request.has_tools -> lib.inside
  else -> inside
}"""
    diagnostics = found(main_of(imposter), lib=library)
    assert {each.code for each in diagnostics} <= {"guard-broken", "unknown-name"}
    assert any(each.severity == "error" for each in diagnostics)


# ---- files --------------------------------------------------------------------------------------------------------------------


def test_names_go_through_two_files_step_by_step() -> None:
    outer, imports = 'mmflow 1\nimport "lib.mmf" as inner\ntier own { models = [inner.llama] }', 'import "a.mmf" as a\n'
    main = main_of("flow main { when request.has_tools -> a.own, else -> a.inner.fast }", imports)
    assert plan_of(main, libs={"a.mmf": outer}).steps["a.own"] == Tier("a.own", ("a.inner.llama",))
    refused = one(main.replace("a.inner.fast", "a.fast"), a=outer)
    assert (refused.code, refused.span.text) == ("unknown-name", "a.fast")


def test_a_file_that_is_imported_twice_is_one_set_of_declarations() -> None:
    libs = {"sub/a.mmf": 'mmflow 1\nimport "../lib.mmf" as base\ntier own { models = [base.llama] }'}
    imports = 'import "sub/a.mmf" as a\nimport "lib.mmf" as lib\nimport "./sub/../lib.mmf" as again\n'
    body = "flow main { when request.has_tools -> a.own, when request.has_images -> again.fast, else -> lib.fast }"
    plan = plan_of(main_of(body, imports), libs=libs)
    assert set(plan.models) == {"lib.llama", "lib.base"}
    assert plan.steps["a.own"] == Tier("a.own", ("lib.llama",))


def test_a_path_is_relative_to_the_file_that_has_it() -> None:
    files = {
        "flows/main.mmf": main_of("flow main { else -> a.own }", 'import "../common/a.mmf" as a\n'),
        "common/a.mmf": 'mmflow 1\nimport "deep/b.mmf" as b\ntier own { models = [b.m] }',
        "common/deep/b.mmf": TAPE,
    }
    plan = built(files, "flows/main.mmf").plan
    assert plan is not None
    assert plan.providers["a.b.t"].options["from"] == "../common/deep/t.json"
    absolute = {posixpath.join("/x", path): text for path, text in files.items()}
    plan = built(absolute, "/x/flows/main.mmf").plan
    assert plan is not None
    assert plan.providers["a.b.t"].options["from"] == "../common/deep/t.json"


def test_an_absolute_path_is_as_good() -> None:
    files = {
        "main.mmf": main_of("flow main { else -> lib.m }", 'import "/etc/mmflow/lib.mmf" as lib\n'),
        "/etc/mmflow/lib.mmf": TAPE,
    }
    plan = built(files).plan
    assert plan is not None
    assert plan.providers["lib.t"].options["from"] == "/etc/mmflow/t.json"


def test_flows_of_a_library_are_left_out() -> None:
    assert set(plan_of(main_of("flow main { else -> lib.fast }")).flows) == {"main"}
    assert one(main_of("flow main { when request.has_tools -> lib.demo, else -> lib.fast }")).code == "unknown-name"


def test_a_library_may_have_more_than_is_used_and_an_import_may_not() -> None:
    assert found(main_of("flow main { else -> lib.llama }")) == []
    unused = one(main_of('model m { provider = openai, id = "gpt-4o" }\nflow main { else -> m }'))
    assert (unused.code, unused.span.text, unused.span.source.path) == ("unused", "lib", "main.mmf")


def test_a_parameter_of_a_library_has_its_default_or_is_given_by_its_name() -> None:
    main = main_of("flow main { else -> lib.answer }")
    assert plan_of(main).params == {"lib.bar": "0.5"}
    plan = plan_of(main, lib__bar="0.75")
    assert plan.params == {"lib.bar": "0.75"}
    assert plan.steps["lib.answer"].text == "long >= 0.75"  # type: ignore[union-attr]  # a cascade
    with pytest.raises(ParamError, match=r"no parameter `bar`"):
        plan_of(main, bar="0.75")


def test_a_name_given_to_a_parameter_of_a_library_is_one_of_the_library() -> None:
    library = LIBRARY + "param first = llama\nfallback chosen { try = [first, base] }\n"
    main = main_of("flow main { else -> lib.chosen }")
    given_ = plan_of(main, libs={"lib.mmf": library}, lib__first="fast")
    assert given_.steps["lib.chosen"].steps == ("lib.fast", "lib.base")  # type: ignore[union-attr]  # a fallback


# ---- mistakes -----------------------------------------------------------------------------------------------------------------


def test_a_file_that_is_not_there_is_told_at_the_import_alone() -> None:
    main = main_of(
        """
model near like gone.base { id = "x" }
flow main { deadline = gone.most
  when gone.task == code -> gone.fast
  when gone.hard -> near
  else -> gone.a.b with { deadline = gone.t }
}""",
        'import "gone.mmf" as gone\n',
    )
    diagnostic = one(main)
    assert (diagnostic.code, diagnostic.span.text) == ("unreadable-import", '"gone.mmf"')
    assert "no such file" in diagnostic.message
    assert "`gone.mmf`" in (diagnostic.help or "")


def test_each_import_of_a_file_that_is_not_there_is_told() -> None:
    imports = 'import "gone.mmf" as gone\nimport "a.mmf" as a\n'
    main = main_of("flow main { when request.has_tools -> a.t, else -> gone.x }", imports)
    diagnostics = found(main, a='mmflow 1\nimport "gone.mmf" as x\ntier t { models = [x.m] }')
    assert [each.code for each in diagnostics] == ["unreadable-import", "unreadable-import"]
    assert [each.span.source.path for each in diagnostics] == ["a.mmf", "main.mmf"]


def test_nothing_is_fetched() -> None:
    diagnostic = one(main_of("flow main { else -> lib.x }", 'import "https://example.org/lib.mmf" as lib\n'))
    assert "nothing is fetched" in (diagnostic.help or "")


def test_the_mistakes_of_a_library_are_told_once_in_their_place_and_in_its_words() -> None:
    library = LIBRARY.replace("[llama, base]", "[lama, base]")
    imports = 'import "lib.mmf" as lib\nimport "a.mmf" as a\n'
    body = "flow main { when request.has_tools -> a.own, else -> lib.fast }"
    diagnostic = one(main_of(body, imports), lib=library, a='mmflow 1\nimport "lib.mmf" as l\ntier own { models = [l.llama] }')
    assert (diagnostic.code, str(diagnostic.span)) == ("unknown-name", "lib.mmf:7:23")
    assert diagnostic.message.startswith("nothing here is called `lama`")


def test_a_misspelt_name_of_a_library_gets_its_nearest() -> None:
    assert one(main_of("flow main { else -> lib.fst }")).help == "did you mean `lib.fast`?"
    assert one(main_of("flow main { deadline = lib.limt, else -> lib.fast }")).help == "did you mean `lib.limit`?"
    assert "lib.NAME" in (one(main_of("flow main { when request.has_tools -> lib.fast, else -> lib }")).help or "")


def test_a_name_of_another_kind_is_refused_as_in_one_file() -> None:
    assert one(main_of("flow main { else -> lib.complexity }")).code == "wrong-type"
    assert one(main_of("flow main { deadline = lib.fast, else -> lib.fast }")).code == "wrong-type"
    assert one(main_of("flow main { deadline = lib.bar, else -> lib.fast }")).code == "wrong-type"
    assert one(main_of("flow main { when lib.complexity == hihg -> lib.fast, else -> lib.base }")).code == "unknown-label"
    assert one(main_of("flow main { when lib.fast == high -> lib.fast, else -> lib.base }")).code == "wrong-type"


def test_a_syntax_error_of_a_library_is_told_there_and_its_missing_names_are_not() -> None:
    diagnostics = found(
        main_of("flow main { when request.has_tools -> lib.fast, else -> lib.broken }"), lib=LIBRARY + "tier { {\n"
    )
    assert {each.span.source.path for each in diagnostics} == {"lib.mmf"}


def test_an_import_takes_its_name() -> None:
    twice = found(main_of('model lib { provider = openai, id = "gpt-4o" }\nflow main { else -> lib.fast }'))
    assert [each.code for each in twice] == ["duplicate-name"]
    assert "reserved-word" in [
        each.code for each in found(main_of("flow main { else -> request.fast }", 'import "lib.mmf" as request\n'))
    ]


def test_a_circle_of_imports_is_told_with_the_way() -> None:
    libs = {"a": 'mmflow 1\nimport "b.mmf" as b\ntier t { models = [b.m] }'}
    libs["b"] = 'mmflow 1\nimport "a.mmf" as a\nmodel m { provider = openai, id = "gpt-4o-mini" }\ntier u { models = [a.t] }'
    diagnostic = one(main_of("flow main { else -> a.t }", 'import "a.mmf" as a\n'), **libs)
    assert (diagnostic.code, str(diagnostic.span)) == ("cycle", "b.mmf:2:8")
    assert "a.mmf -> b.mmf -> a.mmf" in diagnostic.message


def test_a_file_that_imports_itself_is_a_circle() -> None:
    body = 'model m { provider = openai, id = "gpt-4o" }\nflow main { else -> m }'
    assert "main.mmf -> main.mmf" in one(main_of(body, 'import "./main.mmf" as me\n')).message


def test_a_chain_of_a_thousand_files_ends() -> None:
    files = {f"{n}.mmf": f'mmflow 1\nimport "{n + 1}.mmf" as next\ntier t {{ models = [next.m] }}' for n in range(1000)}
    files["1000.mmf"] = 'mmflow 1\nmodel m { provider = openai, id = "gpt-4o-mini" }'
    files["999.mmf"] += "\nmodel m like next.m { }"
    made = built({"main.mmf": main_of("flow main { else -> a.t }", 'import "998.mmf" as a\n'), **files})
    assert made.diagnostics == ()
    long = built({"main.mmf": main_of("flow main { else -> a.t }", 'import "0.mmf" as a\n'), **files})
    assert {each.code for each in long.diagnostics} == {"unknown-name"}


def test_a_file_that_is_checked_by_itself_reads_no_other() -> None:
    parsed = parse(Source("main.mmf", main_of("flow main { else -> lib.x }")))
    assert [each.code for each in check(parsed.file, Registry.installed()).diagnostics] == ["unreadable-import"]


NAMES = st.sampled_from(["main", "a", "b", "c", "gone"])


@any_of(st.dictionaries(NAMES, st.lists(st.tuples(NAMES, NAMES, NAMES), max_size=3), max_size=5))
def test_any_tangle_of_imports_gets_diagnostics(tangle: dict[str, list[tuple[str, str, str]]]) -> None:
    files = {"main.mmf": "mmflow 1"}
    for name, imports in tangle.items():
        lines = [
            f'import "{path}.mmf" as {alias}_\ntier t_{alias} {{ models = [{alias}_.{wanted}, {alias}_.b_.m] }}'
            for path, alias, wanted in imports
        ]
        files[f"{name}.mmf"] = "\n".join(["mmflow 1", 'model m { provider = openai, id = "gpt-4o-mini" }', *lines])
    files.pop("gone.mmf", None)
    made = built(files)
    places = [(each.code, each.span.source.path, each.span.start, each.message) for each in made.diagnostics]
    assert len(places) == len(set(places))


# ---- on the disk, and at run time -------------------------------------------------------------------------------------------


def write(folder: Path, name: str, text: str) -> Path:
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


async def test_a_flow_that_imports_is_loaded_and_answers(tmp_path: Path) -> None:
    write(tmp_path, "lib/lib.mmf", LIBRARY)
    main = write(tmp_path, "main.mmf", main_of("flow main { else -> lib.llama }", 'import "lib/lib.mmf" as lib\n'))
    async with load(main) as flow:
        answer = await flow.run("Why is the sky blue?")
    assert answer.model == "lib.llama"


def test_the_path_of_a_call_has_the_full_names() -> None:
    plan = plan_of(main_of("flow main { else -> lib.answer }"))
    script = Scripted({"lib.llama": [reply("a")], "lib.base": [reply("a long answer")]})

    async def run() -> tuple[Event, ...]:
        executor = Executor(plan, Registry.installed(), folder=Path(), providers=dict.fromkeys(plan.providers, script))
        result = await executor.run("main", Request.of("Why?"))
        done = summary(result.reply, result.events)
        assert [each.path for each in done.calls] == [
            "main/lib.answer/step 1/lib.fast/lib.llama",
            "main/lib.answer/step 2/lib.base",
        ]
        return result.events

    run_virtual(run())


def test_links_to_one_file_are_one_file(tmp_path: Path) -> None:
    write(tmp_path, "lib.mmf", LIBRARY)
    (tmp_path / "link.mmf").symlink_to("lib.mmf")
    text = main_of(
        "flow main { when request.has_tools -> a.fast, else -> b.fast }", 'import "lib.mmf" as a\nimport "link.mmf" as b\n'
    )
    made = build(Source(str(tmp_path / "main.mmf"), text), Registry.installed())
    assert made.plan is not None
    assert set(made.plan.models) == {"a.llama", "a.base"}


def test_a_link_to_its_own_folder_is_a_circle(tmp_path: Path) -> None:
    (tmp_path / "again").symlink_to(".")
    main = write(tmp_path, "main.mmf", 'mmflow 1\nimport "again/main.mmf" as again\n')
    made = build(Source(str(main), main.read_text()), Registry.installed())
    assert [each.code for each in made.diagnostics] == ["cycle"]


@pytest.mark.parametrize("path", ["/dev/zero", ".", "", "a\\u0000b", "n" * 5000, "big.mmf"])
def test_what_is_no_file_of_a_sensible_size_is_told(path: str, tmp_path: Path) -> None:
    write(tmp_path, "big.mmf", "mmflow 1\n" + "#" * 1_000_000)
    text = f'mmflow 1\nimport "{path}" as lib\n'
    made = build(Source(str(tmp_path / "main.mmf"), text), Registry.installed())
    assert [each.code for each in made.diagnostics] == ["unreadable-import"]


def test_commands_read_what_is_imported(mmflow: Shell) -> None:
    mmflow.write("lib/lib.mmf", LIBRARY)
    mmflow.write("flows/main.mmf", main_of("flow main { else -> lib.llama }", 'import "../lib/lib.mmf" as lib\n'))
    assert mmflow("check", "flows/main.mmf").code == 0
    assert '"lib.llama"' in mmflow("plan", "--json", "flows/main.mmf").out
    assert mmflow("run", "flows/main.mmf", "Why?").code == 0
    piped = main_of("flow main { else -> lib.llama }", 'import "lib/lib.mmf" as lib\n')
    assert mmflow("check", "-", stdin=piped.encode()).code == 0
    mmflow.write("lib/lib.mmf", LIBRARY + "teir x { }\n")
    done = mmflow("check", "flows/main.mmf")
    assert done.code == 1
    assert "--> lib/lib.mmf:13:1" in done.out
