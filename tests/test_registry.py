"""The registry: how words are found among what is installed, and how everything that can be wrong with a plugin is told."""

import subprocess
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest

from mmflow.check.kinds import KINDS as BLOCKS
from mmflow.options import fields_of
from mmflow.plugin import API_VERSION, CacheWord, PickWord, ScorerWord, StrategyWord, hook, options
from mmflow.registry import Plugin, Registry
from mmflow.registry.entry_points import scan
from mmflow.registry.loading import FIELDS_OF_THE_LANGUAGE, BrokenPlugin
from mmflow.vocabulary import WordError, WordKind


@options
class NoOptions:
    """Nothing to say."""


def nothing(*_: object) -> Any:
    raise AssertionError("a registry makes nothing")


STRATEGY = """
from mmflow.plugin import PickWord, hook

def keep(candidates, random):
    return candidates

@hook
def mmflow_strategies():
    return [PickWord(name, keep, "Keeps the order.") for name in {names}]
"""


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of installed packages; what is imported from it is forgotten afterwards."""
    site = tmp_path / "site"
    site.mkdir()
    monkeypatch.syspath_prepend(str(site))
    before = dict(sys.modules)
    monkeypatch.setattr(sys, "modules", before)
    return site


def install(
    site: Path, distribution: str, version: str, plugins: dict[str, str], code: dict[str, str] | None = None, suffix: str = "dist"
) -> None:
    """Lay a distribution into a folder as an installer does: `plugins` are its entry points, `code` its modules."""
    folder = site / f"{distribution.replace('-', '_')}-{version}.{suffix}-info"
    folder.mkdir()
    entries = "\n".join(f"{name} = {module}" for name, module in plugins.items())
    (folder / "entry_points.txt").write_text(
        f"[console_scripts]\nx = y:z\n\n[mmflow]\n# ours\n{entries}\n\n[other]\nno = nothing\n"
    )
    metadata = f"Metadata-Version: 2.4\nName: {distribution}\nVersion: {version}\n\nName: a line of the readme\n"
    (folder / ("METADATA" if suffix == "dist" else "PKG-INFO")).write_text(metadata)
    for module, text in (code or {}).items():
        (site / f"{module}.py").write_text(text)


def only(site: Path) -> Registry:
    return Registry.scan([str(site)])


def refused(registry: Registry, word: str, kind: WordKind = "pick") -> WordError:
    with pytest.raises(WordError) as caught:
        registry.find(kind, word)
    return caught.value


def plugin(registry: Registry, name: str) -> Plugin:
    return next(each for each in registry.plugins() if each.name == name)


# ---- names ----------------------------------------------------------------------------------------------------------------


def test_a_word_of_the_plugins_own_name_is_written_alone_and_others_after_it(site: Path) -> None:
    install(site, "acme-flow", "1.0", {"acme.order": "acme_order"}, {"acme_order": STRATEGY.format(names=["order", "reverse"])})
    registry = only(site)
    assert registry.known("pick") == ("acme.order", "acme.order.reverse")
    assert registry.find("pick", "acme.order").name == "order"
    assert registry.find("pick", "acme.order.reverse").name == "reverse"
    assert registry.origin("pick", "acme.order.reverse").version == "1.0"
    assert refused(registry, "acme.order.order").help == "did you mean `acme.order`?"
    assert refused(registry, "order").reason == "unknown"


def test_finding_a_word_imports_no_other_plugin(site: Path) -> None:
    modules = {f"{name}_module": STRATEGY.format(names=[name]) for name in ("first", "second")}
    install(site, "two", "1", {"first": "first_module", "second": "second_module"}, modules)
    registry = only(site)
    assert "first_module" not in sys.modules
    registry.find("pick", "first")
    assert "first_module" in sys.modules
    assert "second_module" not in sys.modules


def test_an_entry_point_may_name_an_object_in_its_module_and_an_extra(site: Path) -> None:
    code = STRATEGY.format(names=["deep"]).replace(
        "@hook\ndef mmflow_strategies():", "class it:\n  @staticmethod\n  @hook\n  def mmflow_strategies():"
    )
    install(
        site, "deep", "1", {"deep": "deep_module:it [fast]"}, {"deep_module": code.replace("\n    return [", "\n      return [")}
    )
    assert only(site).find("pick", "deep").name == "deep"


def test_a_misspelt_word_is_answered_with_the_near_one(site: Path) -> None:
    install(site, "a", "1", {"alphabetical": "a_module"}, {"a_module": STRATEGY.format(names=["alphabetical"])})
    error = refused(only(site), "alfabetical")
    assert (error.reason, error.help) == ("unknown", "did you mean `alphabetical`?")
    assert error.message == "no installed plugin brings the pick `alfabetical`"


def test_a_misspelt_word_of_a_known_plugin_is_answered_with_what_it_brings(site: Path) -> None:
    install(site, "acme", "1.2", {"acme": "acme_module"}, {"acme_module": STRATEGY.format(names=["zigzag", "acme"])})
    error = refused(only(site), "acme.other")
    assert error.message == "the plugin `acme` (acme 1.2) has no pick `acme.other`"
    assert error.help == "it brings `acme` (a pick), `acme.zigzag` (a pick)"


def test_a_word_of_another_kind_is_told_with_its_use(site: Path) -> None:
    install(site, "a", "1", {"alphabetical": "a_module"}, {"a_module": STRATEGY.format(names=["alphabetical"])})
    error = refused(only(site), "alphabetical", "provider")
    assert error.message == "`alphabetical` is a pick, not a provider"
    assert error.help == "it is used as `pick = alphabetical`"


def test_an_unknown_word_without_a_near_one_says_where_to_look(site: Path) -> None:
    assert "`mmflow plugins`" in (refused(only(site), "quux").help or "")


# ---- owners ---------------------------------------------------------------------------------------------------------------


def test_two_distributions_with_one_name_are_an_error_for_that_name_only(site: Path) -> None:
    modules = {"mine": STRATEGY.format(names=["order"]), "yours": STRATEGY.format(names=["order", "free"])}
    install(site, "mine", "1.0", {"order": "mine"}, modules)
    install(site, "yours", "2.5", {"order": "yours", "free": "yours"})
    registry = only(site)
    error = refused(registry, "order")
    assert error.reason == "ambiguous"
    assert error.message in ("`order` is claimed by mine 1.0 and yours 2.5", "`order` is claimed by yours 2.5 and mine 1.0")
    assert (error.help or "").startswith("uninstall ")
    assert registry.find("pick", "free").name == "free"
    assert registry.known("pick") == ("free", "free.order")
    assert [each.status for each in registry.plugins()] == ["ok", "ambiguous", "ambiguous"]


def test_a_path_that_two_plugins_could_mean_is_ambiguous(site: Path) -> None:
    modules = {"a_module": STRATEGY.format(names=["b"]), "ab_module": STRATEGY.format(names=["b"])}
    install(site, "first", "1", {"a": "a_module"}, modules)
    install(site, "second", "2", {"a.b": "ab_module"})
    error = refused(only(site), "a.b")
    assert error.reason == "ambiguous"
    assert error.message == "`a.b` is claimed by second 2 and first 1"
    assert only(site).known("pick") == ()


def test_nobody_is_told_to_uninstall_mmflow(site: Path) -> None:
    modules = {"mine": STRATEGY.format(names=["sim"])}
    install(site, "mmflow", "0.1", {"sim": "mine"}, modules)
    install(site, "impostor", "3", {"sim": "mine"})
    assert refused(only(site), "sim").help == "uninstall `impostor`"


def test_a_distribution_that_is_found_twice_counts_once_and_the_first_wins(site: Path, tmp_path: Path) -> None:
    later = tmp_path / "later"
    later.mkdir()
    install(site, "acme-flow", "2.0", {"order": "order_module"}, {"order_module": STRATEGY.format(names=["order"])})
    install(later, "Acme.Flow", "1.0", {"order": "order_module"}, suffix="egg")
    registry = Registry.scan([str(site), str(later), str(site)])
    assert registry.origin("pick", "order").version == "2.0"
    assert len(registry.plugins()) == 1


def test_of_two_versions_in_one_folder_the_newer_counts(site: Path) -> None:
    for version in ("0.9", "0.10"):
        install(site, "acme", version, {"order": "order_module"}, {"order_module": STRATEGY.format(names=["order"])})
    (site / "acme-0.10.dist-info").rename(site / "acme-0.10.0.dist-info")
    assert only(site).origin("pick", "order").version == "0.10"


def test_what_pip_is_about_to_delete_and_what_cannot_be_read_is_passed_over(site: Path, tmp_path: Path) -> None:
    install(site, "acme", "1", {"order": "order_module"}, {"order_module": STRATEGY.format(names=["order"])})
    (site / "acme-1.dist-info").rename(site / "~cme-1.dist-info")
    (site / "half-1.dist-info").mkdir()
    (site / "half-1.dist-info" / "entry_points.txt").write_bytes(b"[mmflow]\n\xff = x\n")
    assert Registry.scan([str(site), str(tmp_path / "missing")]).plugins() == ()


def test_a_plugin_inside_an_archive_is_found(site: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    install(site, "packed", "1.5", {"order": "packed_module"}, {"packed_module": STRATEGY.format(names=["order"])})
    archive = tmp_path / "application.pyz"
    with zipfile.ZipFile(archive, "w") as opened:
        for file in site.rglob("*"):
            if file.is_file():
                opened.write(file, file.relative_to(site))
                file.unlink()
    monkeypatch.syspath_prepend(str(archive))
    registry = Registry.scan([str(archive)])
    assert registry.find("pick", "order").name == "order"
    assert registry.origin("pick", "order").version == "1.5"


# ---- broken plugins -------------------------------------------------------------------------------------------------------

PRELUDE = """
from mmflow.plugin import CacheWord, Calls, ClassifierWord, PickWord, ScorerWord, StrategyWord, hook, option, options
"""
SCORERS = "@hook\ndef mmflow_scorers(): "
PICKS = "@hook\ndef mmflow_strategies(): "
BROKEN = {
    "a missing dependency": ("import not_there", "cannot be imported (ModuleNotFoundError: No module named 'not_there')"),
    "an error at import": ("1 / 0", "cannot be imported (ZeroDivisionError: division by zero)"),
    "an exit at import": ("raise SystemExit(3)", "cannot be imported (SystemExit: 3)"),
    "a syntax error": ("def (", "cannot be imported (SyntaxError"),
    "a newer API": (f"MMFLOW_API = {API_VERSION + 1}", f"needs plugin API {API_VERSION + 1}, and this mmflow has {API_VERSION}"),
    "no hook": ("x = 1", "has no hook"),
    "a forgotten mark": ("def mmflow_scorers(): return []", "has a function `mmflow_scorers` that is no hook"),
    "a misspelt hook": ("@hook\ndef mmflow_scorer(): return []", "has the unknown hook `mmflow_scorer`"),
    "a hook with parameters": ("@hook\ndef mmflow_scorers(x): return []", "has a hook with parameters"),
    "a hook that raises": (SCORERS + "yield {}['k']", "fails in `mmflow_scorers` (KeyError: 'k')"),
    "a hook that returns nothing": (SCORERS + "pass", "returns nothing from `mmflow_scorers`"),
    "a hook that returns one word": (PICKS + "return PickWord('x', len, '')", "returns a PickWord from `mmflow_strategies`"),
    "a word that is none": (SCORERS + "return [{}]", "returns a dict in `mmflow_scorers`"),
    "a word of another kind": (SCORERS + "return [PickWord('x', len, '')]", "returns a PickWord in `mmflow_scorers`"),
    "a word that no file can write": (PICKS + "return [PickWord('bro-ken', len, '')]", "brings a word 'bro-ken'"),
    "a word twice": (PICKS + "return [PickWord('x', len, '')] * 2", "brings the pick `x` twice"),
    "a word that nothing makes": (
        "@options\nclass O: pass\n" + SCORERS + "return [ScorerWord('x', O, None)]",
        "brings `x`, which is made by None",
    ),
    "options that are none": (
        "class O: pass\n" + SCORERS + "return [ScorerWord('x', O, O)]",
        "has the options `O`, which is not an options class",
    ),
    "a field that the language has": (
        "@options\nclass O:\n    unsure: int = option(doc='')\n"
        "@hook\ndef mmflow_classifiers(): return [ClassifierWord('x', O, O)]",
        "has a field `unsure` in `x`, which every classifier has already",
    ),
    "a type that the language does not know": (
        "@options\nclass O:\n    x: complex = option(doc='')\n" + SCORERS + "return [ScorerWord('x', O, O)]",
        "fails in `mmflow_scorers` (TypeError: O.x: the language has no type for <class 'complex'>",
    ),
    "a strategy with a field that the language has": (
        "@options\nclass O:\n    of: int = option(doc='')\n" + PICKS + "return [StrategyWord('x', O, O)]",
        "has a field `of` in `x`, which every strategy has already",
    ),
    "a strategy whose summary is no function": (
        "@options\nclass O: pass\n" + PICKS + "return [StrategyWord('x', O, O, Calls(2))]",
        "brings `x`, whose `calls` is Calls(most=2",
    ),
    "a cache with fields that the language has": (
        "@options\nclass O:\n    ttl: int = option(doc='')\n    zone: str = option(doc='')\n"
        "@hook\ndef mmflow_caches(): return [CacheWord('x', O, O)]",
        "has a field `ttl`, `zone` in `x`, which every cache has already",
    ),
    "a strategy among the caches": (
        "@options\nclass O: pass\n@hook\ndef mmflow_caches(): return [StrategyWord('x', O, O)]",
        "returns a StrategyWord in `mmflow_caches`",
    ),
    "such a type inside a record": (
        "@options\nclass I:\n    x: complex = option(doc='')\n"
        "@options\nclass O:\n    i: tuple[I, ...] | None = option(None, doc='')\n" + SCORERS + "return [ScorerWord('x', O, O)]",
        "(TypeError: I.x:",
    ),
}


@pytest.mark.parametrize("case", BROKEN)
def test_a_broken_plugin_is_set_aside_with_the_reason_and_stops_nothing_else(site: Path, case: str) -> None:
    code, reason = BROKEN[case]
    install(
        site,
        "bad",
        "0.3",
        {"broken": "broken_module"},
        {"broken_module": PRELUDE + code, "good_module": STRATEGY.format(names=["good"])},
    )
    install(site, "good", "1", {"good": "good_module"})
    registry = only(site)
    error = refused(registry, "broken")
    assert error.reason == "broken"
    assert error.message.startswith("the plugin `broken` (bad 0.3) ")
    assert reason in error.message
    assert error.help
    assert "\n" not in error.message
    assert registry.find("pick", "good").name == "good"
    assert registry.known("pick") == ("good",)
    assert plugin(registry, "broken").status == "broken"
    assert plugin(registry, "broken").problem == error.message


@pytest.mark.parametrize(("kind", "block"), [(kind.word, name) for name, kind in BLOCKS.items() if kind.word])
def test_every_field_of_the_language_is_kept_from_plugins(kind: WordKind, block: str) -> None:
    assert {field.name for field in fields_of(BLOCKS[block].fields)} <= FIELDS_OF_THE_LANGUAGE[kind]


def test_one_hook_brings_orders_of_a_tier_and_strategies() -> None:
    order = PickWord("same", lambda candidates, random: candidates, "")
    strategy = StrategyWord("same", NoOptions, lambda options, host: SimpleNamespace())
    registry = Registry.of({"acme": SimpleNamespace(mmflow_strategies=hook(lambda: [order, strategy]))})
    assert registry.find("pick", "acme.same") is order
    assert registry.find("strategy", "acme.same") is strategy
    assert plugin(registry, "acme").words == {"pick": ("acme.same",), "strategy": ("acme.same",)}


def test_a_strategy_is_no_order_of_a_tier_and_each_is_told_with_its_use() -> None:
    words = [StrategyWord("rush", NoOptions, nothing), CacheWord("attic", NoOptions, nothing)]
    registry = Registry.of({"acme": words})
    error = refused(registry, "acme.rush", "pick")
    assert error.message == "`acme.rush` is a strategy, not a pick"
    assert error.help == "it is used as `strategy x using acme.rush`"
    error = refused(registry, "acme.attic", "strategy")
    assert error.message == "`acme.attic` is a cache, not a strategy"
    assert error.help == "it is used as `cache x using acme.attic`"


def test_the_place_in_the_plugins_code_is_known(site: Path) -> None:
    install(site, "bad", "1", {"broken": "broken_module"}, {"broken_module": "\n\nimport not_there_at_all\n"})
    assert plugin(only(site), "broken").where == f"{site / 'broken_module.py'}:3"


def test_an_import_of_what_this_mmflow_lacks_points_to_versions(site: Path) -> None:
    install(site, "bad", "1", {"broken": "broken_module"}, {"broken_module": "from mmflow.plugin import NotYetThere\n"})
    assert refused(only(site), "broken").help == "it may be made for another version of mmflow: upgrade both"


def test_a_name_that_no_workflow_can_write_is_refused(site: Path) -> None:
    install(site, "bad", "1", {"my-plugin": "good_module"}, {"good_module": STRATEGY.format(names=["good"])})
    assert "has a name that no workflow can write" in (plugin(only(site), "my-plugin").problem or "")


def test_an_interrupt_while_a_plugin_is_imported_passes_through(site: Path) -> None:
    install(site, "slow", "1", {"slow": "slow_module"}, {"slow_module": "raise KeyboardInterrupt"})
    with pytest.raises(KeyboardInterrupt):
        only(site).plugins()


def test_what_a_plugin_prints_does_not_reach_standard_output(site: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code = "print('at import')\n" + STRATEGY.format(names=["loud"]).replace(
        "    return [", "    print('in a hook')\n    return ["
    )
    install(site, "loud", "1", {"loud": "loud_module"}, {"loud_module": code})
    only(site).find("pick", "loud")
    out, err = capsys.readouterr()
    assert (out, err) == ("", "at import\nin a hook\n")


def test_a_message_of_a_plugin_is_one_line_without_controls_and_short(site: Path) -> None:
    install(site, "bad", "1", {"broken": "broken_module"}, {"broken_module": "raise ValueError('a\\n\\x1b[31mb' + 'c' * 5000)"})
    message = refused(only(site), "broken").message
    assert "ValueError: a [31mbccc" in message
    assert len(message) < 300


# ---- given words ------------------------------------------------------------------------------------------------------------


def _module(**attributes: Callable[..., object]) -> ModuleType:
    module = ModuleType("given")
    vars(module).update(attributes)
    return module


def test_a_registry_of_given_modules_and_words_needs_nothing_installed() -> None:
    @hook
    def mmflow_scorers() -> list[ScorerWord]:
        return [ScorerWord("mine", NoOptions, lambda options, host: SimpleNamespace())]

    word = PickWord("yours", lambda candidates, random: candidates, "")
    registry = Registry.of({"mine": _module(mmflow_scorers=mmflow_scorers), "yours": [word]})
    assert registry.find("scorer", "mine").name == "mine"
    assert registry.find("pick", "yours") is word
    assert refused(registry, "sim", "provider").reason == "unknown"


def test_a_given_module_that_is_wrong_is_told_at_once() -> None:
    with pytest.raises(BrokenPlugin, match="has no hook"):
        Registry.of({"mine": _module()})


# ---- what is installed here -------------------------------------------------------------------------------------------------


def test_the_installed_registry_is_looked_up_once() -> None:
    assert Registry.installed() is Registry.installed()


def test_the_bundled_plugins_are_announced_by_mmflow() -> None:
    names = {entry.name for entry in scan() if entry.distribution == "mmflow"}
    assert {"openai", "sim", "tape", "keywords", "judge", "cheapest"} <= names


def test_looking_for_plugins_does_not_import_importlib_metadata() -> None:
    code = "import sys; from mmflow.registry import Registry; Registry.installed(); print('importlib.metadata' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "False\n"
