"""`mmflow plugins schema`: all that a file may say, as data, from the classes that run."""

import json
from typing import Any, Literal

import msgspec
import pytest
from cli import Shell

from mmflow.check.kinds import KINDS, TARGET_KINDS
from mmflow.options import File, Name, Pattern, ProviderName, Secret, fields_of, option, options
from mmflow.plugin import ProviderWord, ScorerWord
from mmflow.registry import Registry
from mmflow.registry.entry_points import EntryPoint
from mmflow.schema import Schema, schema_of, written
from mmflow.units import Duration, Money, Price, Score


@options
class Tree:
    """A record that may hold itself."""

    name: Name = option(doc="its name")
    below: "Tree | None" = option(None, doc="what is under it")


@options
class RichOptions:
    """One of everything."""

    key: Secret = option(doc="the key", env="RICH_KEY")
    tape: File = option(doc="the tape")
    other: ProviderName | None = option(None, doc="another provider")
    note: str = option('a "quoted"\nline', doc="a note")
    stop: Pattern = option(Pattern(r"\d+"), doc="where to stop")
    pause: Duration = option(Duration(0.2), doc="how long to wait")
    costs: Price = option(Price(3_000_000), doc="what it costs")
    most: Money = option(Money(20_000), doc="the most")
    after: Duration | Literal["p95"] = option("p95", doc="when to go on")
    bars: tuple[Score, ...] = option((Score(0.5), Score(0.75)), doc="the bars")
    tree: Tree | None = option(None, doc="a tree")


def nothing(*_: object) -> Any:
    raise AssertionError("a schema makes nothing")


@pytest.fixture
def rich() -> Schema:
    """The schema with one plugin, which has a field of every type."""
    words = [ProviderWord("rich", RichOptions, nothing), ScorerWord("tidy", Tree, nothing, scale="rubric")]
    return schema_of(Registry.of({"acme.rich": words}))


def test_json_is_one_object_of_the_documented_shape(mmflow: Shell) -> None:
    done = mmflow("plugins", "schema", "--json")
    assert (done.code, done.err) == (0, "")
    found = msgspec.json.decode(done.out, type=Schema)
    assert found.schema == 1
    assert set(json.loads(done.out)) == {"schema", "mmflow", "kinds", "words", "broken"}
    assert set(found.words) == {"provider", "classifier", "scorer", "pick", "strategy", "cache"}
    assert "sim" in found.words["provider"]
    assert found.words["classifier"]["keywords"].use == "classify x using keywords"


def test_every_kind_has_the_fields_of_its_class_with_their_documentation(mmflow: Shell) -> None:
    found = msgspec.json.decode(mmflow("plugins", "schema", "--json").out, type=Schema)
    assert set(found.kinds) == set(KINDS)
    for name, kind in KINDS.items():
        shown = found.kinds[name]
        assert list(shown.fields) == [field.name for field in fields_of(kind.fields)]
        assert shown.doc
        assert all(field.doc and field.type.text for field in shown.fields.values())
        assert shown.arms == kind.arms
        assert shown.is_target == (name in TARGET_KINDS)
        assert shown.using is None or shown.using.kind in found.words


def test_a_default_reads_as_a_file_has_it(mmflow: Shell) -> None:
    kinds = json.loads(mmflow("plugins", "schema", "--json").out)["kinds"]
    default = {f"{kind}.{name}": field["default"] for kind, of in kinds.items() for name, field in of["fields"].items()}
    assert default["flow.deadline"] == "1m"
    assert default["fallback.on"] == "[429, 5xx, timeout, connect, overloaded]"
    assert default["split.sticky"] == "request.user"
    assert default["classify.input"] == "last_user(2)"
    assert default["provider.zone"] == "external"
    assert default["tier.pick"] == "listed"
    assert default["model.price"] is None


def test_a_plugin_says_all_of_its_fields(rich: Schema) -> None:
    word = rich.words["provider"]["acme.rich"]
    assert (word.doc, word.use, word.plugin) == ("One of everything.", "provider x using acme.rich", "acme.rich")
    fields = word.fields
    assert (fields["key"].type.type, fields["key"].env, fields["key"].required) == ("secret", "RICH_KEY", False)
    assert fields["tape"].required
    assert fields["other"].type.kinds == ("provider",)
    assert fields["pause"].type.type == "duration"
    assert "ms" in fields["pause"].type.units
    assert "20s" in fields["pause"].type.examples
    assert {name: field.default for name, field in fields.items() if field.default} == {
        "note": '"a \\"quoted\\"\\nline"',
        "stop": r'"\d+"',
        "pause": "200ms",
        "costs": "$3/1M",
        "most": "$0.02",
        "after": "p95",
        "bars": "[0.5, 0.75]",
    }
    assert rich.words["scorer"]["acme.rich.tidy"].scale == "rubric"


def test_a_record_inside_itself_ends(rich: Schema) -> None:
    tree = rich.words["provider"]["acme.rich"].fields["tree"].type
    assert tree.fields is not None
    again = tree.fields["below"].type
    assert (again.type, again.name, again.fields) == ("record", "Tree", None)


def test_a_value_inside_a_record_is_written_in_full() -> None:
    assert written({"code": (Pattern("a|b"),), "wait": Duration(90)}) == '{ code = ["a|b"], wait = 1m30s }'


def test_a_broken_plugin_is_listed_with_its_reason() -> None:
    entries = [
        EntryPoint("acme", "acme_is_not_here", "acme-llm", "2.0"),
        EntryPoint("sim", "mmflow_plugins.providers.sim", "mmflow", "0"),
    ]
    found = schema_of(Registry(entries))
    assert list(found.words["provider"]) == ["sim"]
    (broken,) = found.broken
    assert (broken.plugin, broken.distribution, broken.version) == ("acme", "acme-llm", "2.0")
    assert "cannot be imported" in broken.problem
    assert broken.help


def test_for_people_it_lists_kinds_fields_and_words(mmflow: Shell) -> None:
    done = mmflow("plugins", "schema")
    assert done.code == 0
    assert "flow NAME: An entry point." in done.out
    assert "  deadline: a duration such as `800ms`, `20s` or `1h30m`; by default 1m" in done.out
    assert "latency.p95: " in done.out
    assert "classify x using keywords" in done.out
    assert "when CONDITION -> TARGET" in done.out
