"""Addresses of the internet protocol, versions 4 and 6; those by which a machine names itself are left out."""

import re
from functools import cache
from ipaddress import AddressValueError, IPv4Address, IPv6Address

from mmflow.plugin import CompiledPattern, compile_pattern

_FEWEST_GROUPS = 3
"""Of a shortened version 6: `a::b` is rather a name in a program."""


_NUMBERS = re.compile(r"\d[\d.]*\d")


def found_in(text: str) -> bool:
    """Whether a text has an address."""
    return any(map(_is_version_4, _dotted().find_all(text))) or (
        text.count(":") > 1 and any(map(_is_version_6, _with_colons().find_all(text)))
    )


def _is_version_4(found: str) -> bool:
    try:
        address = IPv4Address(_NUMBERS.findall(found)[0])
    except AddressValueError:
        return False
    return not (address.is_loopback or address.is_unspecified or address == IPv4Address("255.255.255.255"))


def _is_version_6(found: str) -> bool:
    try:
        address = IPv6Address(found)
    except AddressValueError:
        return False
    groups = [group for group in found.split(":") if group]
    is_short = len(groups) < _FEWEST_GROUPS and not (address.is_link_local or address.is_global)
    return not (is_short or address.is_loopback or address.is_unspecified) and any(map(str.isdecimal, found))


@cache
def _dotted() -> CompiledPattern:
    # A letter before it makes it a version, `v1.2.3.4`, and a fifth number an identifier of another kind.
    return compile_pattern(r"(?:\A|[ \n(\[{<,;:=\"'/@])\d+(?:\.\d+)+\b")


@cache
def _with_colons() -> CompiledPattern:
    return compile_pattern(r"\b[0-9A-Fa-f]{1,4}:[0-9A-Fa-f:]{1,35}[0-9A-Fa-f]\b")
