"""Turns a plugin's module into its words, or says why it cannot be used."""

import contextlib
import importlib
import os
import re
import sys
import traceback
from collections.abc import Iterable, Iterator, Mapping
from functools import reduce
from pathlib import Path

import pluggy

from mmflow.diagnostics import did_you_mean
from mmflow.options import Either, FieldType, ListOf, MapOf, RecordOf, fields_of
from mmflow.plugin import (
    API_VERSION,
    CacheWord,
    ClassifierWord,
    Hooks,
    PickWord,
    ProviderWord,
    ScorerWord,
    StrategyWord,
    Word,
)
from mmflow.vocabulary import WordKind

Words = Mapping[tuple[WordKind, str], Word]

HOOKS: dict[str, tuple[type[Word], ...]] = {
    "mmflow_providers": (ProviderWord,),
    "mmflow_classifiers": (ClassifierWord,),
    "mmflow_scorers": (ScorerWord,),
    "mmflow_strategies": (StrategyWord, PickWord),
    "mmflow_caches": (CacheWord,),
}
"""The words that each hook may return."""
KIND_OF: dict[type, WordKind] = {
    ProviderWord: "provider", ClassifierWord: "classifier", ScorerWord: "scorer", PickWord: "pick", StrategyWord: "strategy",
    CacheWord: "cache",
}  # fmt: skip
FIELDS_OF_THE_LANGUAGE: dict[WordKind, frozenset[str]] = {
    "provider": frozenset({"zone", "region", "timeout", "without_key", "limits"}),
    "classifier": frozenset({"labels", "confidence", "unsure", "input", "timeout"}),
    "scorer": frozenset(),
    "pick": frozenset(),
    "strategy": frozenset({"of"}),
    "cache": frozenset({"ttl", "scope", "zone"}),
}
"""Fields that a block has whatever it is `using`: a word's own would never be filled."""
NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_PATH = re.compile(rf"{NAME.pattern}(?:\.{NAME.pattern})*")


class BrokenPlugin(Exception):
    """A plugin that is set aside: `reason` reads on after its name, `where` is the place in its code where that is known."""

    def __init__(self, reason: str, *, help: str | None = None, where: str | None = None) -> None:
        super().__init__(reason)
        self.reason, self.help, self.where = reason, help, where


def load(name: str, module: str) -> Words:
    """Import the module (`package.module` or `package.module:attribute`) of the plugin `name` and ask it for its words.

    Raises `BrokenPlugin`. What the plugin prints goes to standard error, for standard output belongs to answers.
    """
    if not _PATH.fullmatch(name):
        raise BrokenPlugin(
            "has a name that no workflow can write",
            help="name the entry point with letters, digits and `_`, a dot between words: `acme.judge`",
        )
    path, _, attribute = module.partition(":")
    with contextlib.redirect_stdout(sys.stderr), _guard("cannot be used"):
        with _guard("cannot be imported"):
            plugin: object = importlib.import_module(path.strip())
            plugin = reduce(getattr, filter(None, attribute.strip().split(".")), plugin)
        return words_of(plugin)


def words_of(plugin: object) -> Words:
    """The words that a module (or any object) with hooks brings. Raises `BrokenPlugin`."""
    version = getattr(plugin, "MMFLOW_API", 1)
    if not isinstance(version, int) or version > API_VERSION:
        raise BrokenPlugin(f"needs plugin API {version}, and this mmflow has {API_VERSION}", help="upgrade mmflow")
    manager = pluggy.PluginManager("mmflow")
    manager.add_hookspecs(Hooks)
    for name in dir(plugin):
        if name not in HOOKS and manager.parse_hookimpl_opts(plugin, name) is not None:
            meant = did_you_mean(name, HOOKS)
            raise BrokenPlugin(f"has the unknown hook `{name}`", help=f"did you mean `{meant}`?" if meant else "upgrade mmflow")
    try:
        manager.register(plugin)
    except pluggy.PluginValidationError as error:
        raise BrokenPlugin("has a hook with parameters", help="a hook has none") from error
    words: dict[tuple[WordKind, str], Word] = {}
    for hook, classes in HOOKS.items():
        caller = getattr(manager.hook, hook)
        if caller.get_hookimpls():
            with _guard(f"fails in `{hook}`"):
                for word in _listed(hook, caller(), classes):
                    kind = _validated(hook, word, classes)
                    if (kind, word.name) in words:
                        raise BrokenPlugin(f"brings the {kind} `{word.name}` twice")
                    words[kind, word.name] = word
        elif hasattr(plugin, hook):
            raise BrokenPlugin(f"has a function `{hook}` that is no hook", help=f"mark `{hook}` with `@hook`")
    if not manager.get_hookcallers(plugin):
        raise BrokenPlugin("has no hook", help=f"define one of {', '.join(f'`{hook}`' for hook in HOOKS)}, marked `@hook`")
    return words


def _listed(hook: str, results: list[object], classes: tuple[type[Word], ...]) -> list[Word]:
    """What a hook returned, as a list. pluggy drops a None and wraps the rest."""
    returned = results[0] if results else None
    if not isinstance(returned, Iterable):
        what = "nothing" if returned is None else f"a {type(returned).__name__}"
        raise BrokenPlugin(f"returns {what} from `{hook}`", help=_due(classes))
    return list(returned)


def _due(classes: tuple[type[Word], ...]) -> str:
    return f"return a list of {' and '.join(f'`{cls.__name__}`' for cls in classes)}"


def _validated(hook: str, word: Word, classes: tuple[type[Word], ...]) -> WordKind:
    """The kind of a word that a hook may return."""
    if not isinstance(word, classes):
        what = f"the class {word.__name__}" if isinstance(word, type) else f"a {type(word).__name__}"
        raise BrokenPlugin(f"returns {what} in `{hook}`", help=_due(classes))
    kind = KIND_OF[next(cls for cls in classes if isinstance(word, cls))]
    if not isinstance(word.name, str) or not NAME.fullmatch(word.name):
        raise BrokenPlugin(f"brings a word {word.name!r}", help="a word has letters, digits and `_`, and starts with no digit")
    make = word.pick if isinstance(word, PickWord) else word.make
    if not callable(make):
        raise BrokenPlugin(f"brings `{word.name}`, which is made by {make!r}", help="give a class or a function")
    if isinstance(word, StrategyWord) and not (word.calls is None or callable(word.calls)):
        message = f"brings `{word.name}`, whose `calls` is {word.calls!r}"
        raise BrokenPlugin(message, help="give a function from the options and the number of targets to `Calls`")
    if not isinstance(word, PickWord):
        _validate_options(word.options, set())
        if taken := FIELDS_OF_THE_LANGUAGE[kind] & {field.name for field in fields_of(word.options)}:
            names = ", ".join(f"`{name}`" for name in sorted(taken))
            raise BrokenPlugin(f"has a field {names} in `{word.name}`, which every {kind} has already", help="rename it")
    return kind


def _validate_options(cls: type, seen: set[type]) -> None:
    """Ask for every field once, those of records too, so that a wrong type shows here and not in somebody's workflow."""
    if not isinstance(cls, type) or not hasattr(cls, "__attrs_attrs__"):
        name = getattr(cls, "__name__", repr(cls))
        raise BrokenPlugin(f"has the options `{name}`, which is not an options class", help=f"mark `{name}` with `@options`")
    if cls in seen:
        return
    seen.add(cls)
    for field in fields_of(cls):
        for record in _records(field.type):
            _validate_options(record, seen)


def _records(type_: FieldType) -> Iterable[type]:
    match type_:
        case RecordOf(options=cls):
            yield cls
        case ListOf(item=inner) | MapOf(value=inner):
            yield from _records(inner)
        case Either(types=types):
            for each in types:
                yield from _records(each)


@contextlib.contextmanager
def _guard(what: str) -> Iterator[None]:
    """Make a `BrokenPlugin` of whatever a plugin's code raises."""
    try:
        yield
    except (BrokenPlugin, KeyboardInterrupt):
        raise
    # A stranger's code may raise anything, `SystemExit` too, and must not end the command that only looks at it.
    except BaseException as error:
        help: str | None = None
        if isinstance(error, ImportError) and (error.name or "").partition(".")[0] == "mmflow":
            help = "it may be made for another version of mmflow: upgrade both"
        raise BrokenPlugin(f"{what} ({_said(error)})", help=help, where=_where(error)) from error


def _said(error: BaseException) -> str:
    """An exception in one line, without control characters, cut at 200."""
    text = "".join(char if char.isprintable() else " " for char in str(error))
    text = " ".join(text.split())
    text = text if len(text) <= 200 else f"{text[:199]}…"
    return f"{type(error).__name__}: {text}" if text else type(error).__name__


def _where(error: BaseException) -> str | None:
    """The file and line in the plugin's code, the innermost that is not of mmflow, pluggy or Python's importer."""
    if isinstance(error, SyntaxError) and error.filename:
        return f"{error.filename}:{error.lineno}"
    mmflow = str(Path(__file__).parents[1]) + os.sep
    own = (mmflow, str(Path(pluggy.__file__).parent), importlib.__file__, "<frozen")
    frames = [frame for frame in traceback.extract_tb(error.__traceback__) if not frame.filename.startswith(own)]
    return f"{frames[-1].filename}:{frames[-1].lineno}" if frames else None
