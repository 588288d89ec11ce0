"""The parser's tables: computed by lark from the grammar once, then kept as plain data in the user's cache."""

import contextlib
import hashlib
import json
import os
import stat
import sys
import threading
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import attrs

if TYPE_CHECKING:
    from lark import Lark
    from lark.grammar import Rule, Symbol, Terminal

_FORMAT = 2  # raise it when the layout of the cached data changes


@attrs.frozen
class Production:
    """What a reduction does: take `length` values, make one of them.

    `picks` says which values count, in order: `j` one value, `~j` the members of a list, None an absent optional part.
    `maker` names the method that makes the node; it is None for a helper rule, whose value is the bare list of its parts, and
    `passes` says that the only part is the value.
    """

    symbol: str
    length: int
    picks: tuple[int | None, ...]
    maker: str | None
    passes: bool


@attrs.frozen
class Tables:
    """An LALR(1) automaton and the terminals that it reads.

    `actions[state][symbol]` is the next state, or `~p` to reduce by production `p`. `terminals` are pairs of a name and a
    regular expression in the order in which they are tried; `words` maps keywords to their terminals.
    """

    start: int
    end: int
    actions: list[dict[str, int]]
    productions: list[Production]
    terminals: list[tuple[str, str]]
    ignored: frozenset[str]
    words: dict[str, str]


def grammar_path() -> Path:
    """The grammar file: inside the installed package, or in the repository beside it."""
    package = Path(__file__).resolve().parent.parent
    installed = package / "grammars" / "mmf.lark"
    return installed if installed.is_file() else package.parent / "grammars" / "mmf.lark"


@cache
def tables() -> Tables:
    """The tables of the grammar, from the cache where it holds them."""
    grammar = grammar_path().read_bytes()
    # The data is not executable and depends on nothing but the grammar, so neither lark's nor Python's version is in the key.
    key = hashlib.sha256(b"%d\n%s" % (_FORMAT, grammar)).hexdigest()
    folder = _cache_folder()
    path = folder / f"grammar-{key[:32]}.json" if folder else None
    if path and (data := _load(path)):
        return _thaw(data)
    data = _compute(grammar.decode())
    if path:
        _store(path, data)
    return _thaw(data)


# ---- the cache ----------------------------------------------------------------------------------------------------------


def _cache_folder() -> Path | None:
    """The user's cache folder, or None where there is none that only they can write."""
    base = os.environ.get("XDG_CACHE_HOME") or ""
    try:
        folder = (Path(base) if os.path.isabs(base) else Path.home() / ".cache") / "mmflow"
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        return folder if _is_private(folder.stat()) else None
    except (OSError, RuntimeError):  # RuntimeError: no home folder can be found
        return None


def _is_private(status: os.stat_result) -> bool:
    return sys.platform == "win32" or (status.st_uid == os.getuid() and not status.st_mode & stat.S_IWOTH)


def _load(path: Path) -> Any:
    """The data of a cache file; None where it is missing, not ours, cut short or altered."""
    try:
        with path.open("rb") as file:
            if not _is_private(os.fstat(file.fileno())):
                return None
            digest, _, body = file.read().partition(b"\n")
    except OSError:
        return None
    return json.loads(body) if digest == hashlib.sha256(body).hexdigest().encode() else None


def _store(path: Path, data: dict[str, Any]) -> None:
    """Write a cache file in one step, so that another process sees all of it or nothing; a failure does not matter."""
    body = json.dumps(data, separators=(",", ":")).encode()
    draft = path.with_suffix(f".{os.getpid()}-{threading.get_ident()}")
    try:
        draft.touch(mode=0o600, exist_ok=False)
        draft.write_bytes(hashlib.sha256(body).hexdigest().encode() + b"\n" + body)
        os.replace(draft, path)
    except OSError:
        with contextlib.suppress(OSError):
            draft.unlink(missing_ok=True)


def _thaw(data: dict[str, Any]) -> Tables:
    return Tables(
        start=data["start"],
        end=data["end"],
        actions=data["actions"],
        productions=[Production(s, n, tuple(picks), maker, passes) for s, n, picks, maker, passes in data["productions"]],
        terminals=[(name, pattern) for name, pattern in data["terminals"]],
        ignored=frozenset(data["ignored"]),
        words=data["words"],
    )


# ---- the computation ----------------------------------------------------------------------------------------------------


def _compute(grammar: str) -> dict[str, Any]:
    from lark import Lark
    from lark.parsers.lalr_analysis import Shift

    lark = Lark(grammar, parser="lalr", lexer="contextual", maybe_placeholders=True)
    table = lark.parser.parser._parse_table
    counts = _part_counts(lark.rules)
    numbers = {rule: number for number, rule in enumerate(lark.rules)}
    places = _numbered(table.start_states["start"], table.states, Shift)
    actions: list[dict[str, int]] = [{} for _ in places]
    for state, place in places.items():
        for symbol, (action, argument) in sorted(table.states[state].items()):
            actions[place][str(symbol)] = places[argument] if action is Shift else ~numbers[argument]
    return {
        "start": places[table.start_states["start"]],
        "end": places[table.end_states["start"]],
        "actions": actions,
        "productions": [_production(rule, counts) for rule in lark.rules],
        **_terminals(lark),
    }


def _numbered(start: int, states: dict[int, dict[str, tuple[Any, Any]]], shift: Any) -> dict[int, int]:
    """The states in the order in which they are met from the start, for lark's own numbers differ from run to run."""
    places = {start: 0}
    for state in (queue := [start]):
        for _, (action, argument) in sorted(states[state].items()):
            if action is shift and argument not in places:
                places[argument] = len(places)
                queue.append(argument)
    return places


def _part_counts(rules: "list[Rule]") -> dict[str, int | None]:
    """How many parts each helper rule (its name begins with `_`) always has: 0, 1, or None for a list of them."""
    counts: dict[str, int | None] = {}

    def count(name: str) -> int | None:
        if not name.startswith("_"):
            return 1
        if name not in counts:
            counts[name] = 0  # what a rule adds to itself, where it repeats
            alternatives = [rule.expansion for rule in rules if rule.origin.name == name]
            repeats = any(symbol.name == name for expansion in alternatives for symbol in expansion)
            totals = {total(expansion) for expansion in alternatives}
            counts[name] = 0 if totals == {0} else 1 if totals == {1} and not repeats else None
        return counts[name]

    def total(expansion: "Sequence[Symbol]") -> int | None:
        parts = [(0 if _is_dropped(symbol) else 1) if symbol.is_term else count(symbol.name) for symbol in expansion]
        return None if None in parts else sum(part or 0 for part in parts)

    for rule in rules:
        count(rule.origin.name)
    return counts


def _is_dropped(symbol: "Symbol") -> bool:
    """Is a terminal only there to be read, such as a bracket?"""
    return bool(cast("Terminal", symbol).filter_out)


def _production(rule: "Rule", counts: dict[str, int | None]) -> list[Any]:
    absent = rule.options.empty_indices
    gaps = [len(run) for run in "".join(str(int(each)) for each in absent).split("0")] if any(absent) else []
    picks: list[int | None] = []
    for index, symbol in enumerate(rule.expansion):
        picks += [None] * (gaps[index] if gaps else 0)
        if symbol.is_term:
            if not _is_dropped(symbol):
                picks.append(index)
        elif counts.get(symbol.name, 1) == 1:
            picks.append(index)
        elif counts[symbol.name] is None:
            picks.append(~index)
    picks += [None] * (gaps[-1] if gaps else 0)
    name = str(rule.origin.name)
    is_helper = name.startswith("_")
    one = len(picks) == 1 and picks[0] is not None and picks[0] >= 0
    passes = one and (rule.options.expand1 or (is_helper and counts[name] == 1))
    return [name, len(rule.expansion), picks, None if is_helper else name, passes]


def _terminals(lark: "Lark") -> dict[str, Any]:
    from lark.lexer import PatternStr

    literals = [each for each in lark.terminals if isinstance(each.pattern, PatternStr)]
    words = {each.pattern.value: each.name for each in literals if each.pattern.value.isidentifier()}
    others = [t for t in lark.terminals if t.name not in words.values()]
    others.sort(key=lambda t: (-t.priority, -t.pattern.max_width, -len(t.pattern.value), t.name))
    return {
        "terminals": [[t.name, t.pattern.to_regexp()] for t in others],
        "ignored": sorted(lark.ignore_tokens),
        "words": words,
    }
