"""The installed plugins and their words: found once, imported only when a word of theirs is asked for."""

from collections.abc import Iterable, Mapping, Sequence
from functools import cache, cached_property
from typing import Literal, get_args

import attrs

from mmflow.diagnostics import did_you_mean
from mmflow.plugin import Word
from mmflow.registry.entry_points import EntryPoint, scan
from mmflow.registry.loading import KIND_OF, BrokenPlugin, Words, load, words_of
from mmflow.vocabulary import Installed, WordError, WordKind

KINDS: tuple[WordKind, ...] = get_args(WordKind)
USE: dict[WordKind, str] = {
    "provider": "provider x using {}",
    "classifier": "classify x using {}",
    "scorer": "scorer x using {}",
    "pick": "pick = {}",
    "strategy": "strategy x using {}",
    "cache": "cache x using {}",
}
"""How a word of each kind is used in a file."""


@attrs.frozen
class Plugin:
    """An installed plugin. `words` are as a file writes them; `problem` says why it is set aside, `where` in its code."""

    name: str
    distribution: str
    version: str
    module: str
    words: Mapping[WordKind, tuple[str, ...]]
    status: Literal["ok", "broken", "ambiguous"] = "ok"
    problem: str | None = None
    help: str | None = None
    where: str | None = None


@attrs.define(slots=False)
class _Owner:
    """A distribution's claim on a name, loaded when first asked."""

    entry: EntryPoint
    given: Words | None = None

    @cached_property
    def contents(self) -> Words | BrokenPlugin:
        if self.given is not None:
            return self.given
        try:
            return load(self.entry.name, self.entry.module)
        except BrokenPlugin as broken:
            return broken

    @property
    def words(self) -> Words:
        return {} if isinstance(self.contents, BrokenPlugin) else self.contents

    def __str__(self) -> str:
        return f"{self.entry.distribution} {self.entry.version}"


class Registry:
    """The words of a set of plugins, by kind and by their path in the language; a `Vocabulary`."""

    def __init__(self, entries: Iterable[EntryPoint]) -> None:
        self._owners: dict[str, list[_Owner]] = {}
        for entry in entries:
            self._owners.setdefault(entry.name, []).append(_Owner(entry))

    @classmethod
    def installed(cls) -> "Registry":
        """The plugins of the installed distributions; looked up once in a process."""
        return _installed()

    @classmethod
    def scan(cls, path: Sequence[str] | None = None) -> "Registry":
        """The plugins of the distributions along `path` (default `sys.path`), looked up anew."""
        return cls(scan(path))

    @classmethod
    def of(cls, plugins: Mapping[str, object], *, beside_installed: bool = False) -> "Registry":
        """A registry of exactly these, by plugin name: each a module with hooks, or a list of words.

        For tests and for programs that bring their own words; with `beside_installed` the other installed ones are there, too.
        Raises `BrokenPlugin`.
        """
        registry = cls.scan() if beside_installed else cls(())
        for name, plugin in plugins.items():
            if isinstance(plugin, list | tuple):
                words: Words = {(KIND_OF[type(word)], word.name): word for word in plugin}
            else:
                words = words_of(plugin)
            entry = EntryPoint(name, getattr(plugin, "__name__", name), "given", "0")
            registry._owners[name] = [_Owner(entry, words)]
        return registry

    def find(self, kind: WordKind, word: str) -> Word:
        """The word. Imports only the plugins whose name fits. Raises `WordError`."""
        return self._owner(kind, word).words[kind, word.rpartition(".")[2]]

    def origin(self, kind: WordKind, word: str) -> EntryPoint:
        """The distribution and version that a word comes from. Raises `WordError`."""
        return self._owner(kind, word).entry

    def kinds(self, word: str) -> tuple[WordKind, ...]:
        """The kinds of which there is such a word: none where it is unknown. Imports only the plugins whose name fits.

        Raises `WordError` where its plugin is broken or has two owners.
        """
        return tuple(kind for kind in KINDS if self._claimant(kind, word))

    def known(self, kind: WordKind) -> tuple[str, ...]:
        """Every word of the kind that can be used, sorted; imports every plugin."""
        paths = {path for each in self._usable() for of, path in _paths(each) if of == kind}
        return tuple(sorted(path for path in paths if self._has(kind, path)))

    def plugin(self, path: str) -> Installed | None:
        """The plugin of that name, or of the word at that path; None where there is none, or two claim it. Imports nothing."""
        for owners, _ in self._claims(path):
            entry = owners[0].entry
            return Installed(entry.name, entry.distribution, entry.version) if len(owners) == 1 else None
        return None

    def plugins(self) -> tuple[Plugin, ...]:
        """Every plugin, those that are set aside too, by name; imports them all."""
        return tuple(self._described(owner, owners) for _, owners in sorted(self._owners.items()) for owner in owners)

    def _owner(self, kind: WordKind, word: str) -> _Owner:
        owner = self._claimant(kind, word)
        if owner is None:
            raise self._unknown(kind, word)
        return owner

    def _claimant(self, kind: WordKind, word: str) -> _Owner | None:
        claims = self._claims(word)
        having = [owners[0] for owners, name in claims if len(owners) == 1 and (kind, name) in owners[0].words]
        if len(having) > 1:
            raise _two_owners(word, having)
        if having:
            return having[0]
        for owners, _ in claims:
            if len(owners) > 1:
                raise _two_owners(owners[0].entry.name, owners)
            if isinstance(owners[0].contents, BrokenPlugin):
                raise _broken(owners[0], owners[0].contents)
        return None

    def _claims(self, word: str) -> list[tuple[list[_Owner], str]]:
        """The owners of the plugins that a path may belong to, with the word's name in each."""
        return [(owners, name) for plugin, name in _candidates(word) if (owners := self._owners.get(plugin))]

    def _usable(self) -> list[_Owner]:
        return [owners[0] for owners in self._owners.values() if len(owners) == 1]

    def _has(self, kind: WordKind, word: str) -> bool:
        try:
            self.find(kind, word)
        except WordError:
            return False
        return True

    def _described(self, owner: _Owner, owners: list[_Owner]) -> Plugin:
        entry = owner.entry
        words: dict[WordKind, tuple[str, ...]] = {}
        for kind, path in sorted(_paths(owner)):
            words[kind] = (*words.get(kind, ()), path)
        problem: WordError | None = None
        where = None
        if len(owners) > 1:
            problem = _two_owners(entry.name, owners)
        elif isinstance(owner.contents, BrokenPlugin):
            problem, where = _broken(owner, owner.contents), owner.contents.where
        plugin = Plugin(entry.name, entry.distribution, entry.version, entry.module, words)
        if problem is None:
            return plugin
        status: Literal["broken", "ambiguous"] = "ambiguous" if len(owners) > 1 else "broken"
        return attrs.evolve(plugin, status=status, problem=problem.message, help=problem.help, where=where)

    def _unknown(self, kind: WordKind, word: str) -> WordError:
        for other in KINDS:
            if other != kind and word in self.known(other):
                help = f"it is used as `{USE[other].format(word)}`"
                return WordError("unknown", f"`{word}` is a {other}, not a {kind}", help)
        known = self.known(kind)
        prefix, _, name = word.rpartition(".")
        repeated = prefix.rpartition(".")[2] == name and prefix in known
        meant = prefix if repeated else did_you_mean(word, known)
        suggestion = f"did you mean `{meant}`?" if meant else None
        if claims := self._claims(word):
            owner = claims[0][0][0]
            brought = ", ".join(f"`{path}` (a {of})" for of, path in sorted(_paths(owner))) or "no word"
            missing = f"the plugin `{owner.entry.name}` ({owner}) has no {kind} `{word}`"
            return WordError("unknown", missing, suggestion or f"it brings {brought}")
        missing = f"no installed plugin brings the {kind} `{word}`"
        return WordError("unknown", missing, suggestion or "install its plugin; `mmflow plugins` lists those that are here")


@cache
def _installed() -> Registry:
    return Registry.scan()


def _candidates(word: str) -> list[tuple[str, str]]:
    """The plugins that may own a path, with the word's name in each: `a.b` is `b` of the plugin `a.b`, or of `a`."""
    prefix, _, name = word.rpartition(".")
    # A plugin's word of its own name is written without repeating it, so `a.b.b` is nothing of `a.b`.
    return [(word, name)] + ([(prefix, name)] if prefix and prefix.rpartition(".")[2] != name else [])


def _paths(owner: _Owner) -> list[tuple[WordKind, str]]:
    plugin = owner.entry.name
    own = plugin.rpartition(".")[2]
    return [(kind, plugin if name == own else f"{plugin}.{name}") for kind, name in owner.words]


def _two_owners(name: str, owners: Sequence[_Owner]) -> WordError:
    named = " and ".join(map(str, owners))
    spare = " or ".join(f"`{each.entry.distribution}`" for each in owners if each.entry.distribution != "mmflow")
    return WordError("ambiguous", f"`{name}` is claimed by {named}", f"uninstall {spare}")


def _broken(owner: _Owner, broken: BrokenPlugin) -> WordError:
    message = f"the plugin `{owner.entry.name}` ({owner}) {broken.reason}"
    distribution = owner.entry.distribution
    general = "reinstall mmflow" if distribution == "mmflow" else f"upgrade `{distribution}` or uninstall it"
    return WordError("broken", message, broken.help or general)
