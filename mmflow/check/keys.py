"""Keys that stand in a file: strings that are written like one, wherever they stand, and headers that carry one."""

import re
from collections.abc import Iterable, Iterator, Sequence

import attrs

from mmflow.check.imports import Module
from mmflow.check.scope import UNKNOWN_VARIABLE
from mmflow.check.types import secret_in_file
from mmflow.diagnostics import Diagnostic
from mmflow.source import Span
from mmflow.syntax import nodes

# The forms of the vendors' keys, each with a digit, for words may be joined by dashes as well; and a password in a URL.
_KEY = re.compile(
    r"\b(?:sk|pk|rk)-(?=[\w-]*\d)[\w-]{16,}|\b(?:gsk_|xai-|hf_|ghp_|AIza|AKIA)(?=\w*\d)\w{16,}"
    r"|\b(?:Bearer|Basic)\s+(?=\S*\d)[\w.~+/=-]{16,}|://[^/\s:@]+:[^/\s@]+@"
)
_HEADERS = frozenset({"authorization", "proxy_authorization", "x_api_key", "api_key", "cookie"})


def secrets_in_file(file: nodes.File) -> Iterator[Diagnostic]:
    """`secret-in-file` for each string that is a key by its look, or by the header that it stands in."""
    for span in dict.fromkeys(_keys(file.items)):
        yield secret_in_file(span, UNKNOWN_VARIABLE, "key = ")


def with_secrets(found: Sequence[Diagnostic], modules: Iterable[Module]) -> list[Diagnostic]:
    """What was found and the keys in the files, each told once: that a field refuses it as well goes without saying."""
    told = {span for each in found if each.code == "secret-in-file" for span in (each.span, *(note.span for note in each.notes))}
    more = [each for module in modules for each in secrets_in_file(module.file) if each.span not in told]
    spans = {each.span for each in more}
    return [*(each for each in found if each.code != "out-of-range" or each.span not in spans), *more]


def _keys(part: object) -> Iterator[Span]:
    match part:
        case nodes.String(value=value, span=span) | nodes.Text(value=value, span=span):
            if _KEY.search(value):
                yield span
        case tuple():
            for each in part:
                yield from _keys(each)
        case nodes.Attr(name=name, value=nodes.String(span=span)) if name.lower() in _HEADERS:
            yield span
        case _ if attrs.has(type(part)) and not isinstance(part, Span):
            for each in attrs.astuple(part, recurse=False):  # type: ignore[arg-type]  # the guard says so
                yield from _keys(each)
