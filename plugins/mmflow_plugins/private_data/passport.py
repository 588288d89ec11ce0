"""Passports: the second line of the machine-readable zone (ICAO 9303, three check digits), or a number that is called one."""

from functools import cache

from mmflow.plugin import CompiledPattern, compile_pattern

_WEIGHTS = (7, 3, 1)
_FEWEST_DIGITS = 4


def found_in(text: str) -> bool:
    """Whether a text has a passport's number."""
    return any(map(_is_zone, _zones().find_all(text))) or any(map(_is_number, _named().find_all(text)))


def _is_number(found: str) -> bool:
    """Whether what is called a number is one."""
    return sum(map(str.isdecimal, found)) >= _FEWEST_DIGITS


def _is_zone(line: str) -> bool:
    """Whether the check digits of number, birth and expiry are right."""
    return all(_check(line[start:end]) == int(line[end]) for start, end in ((0, 9), (13, 19), (21, 27)))


def _check(field: str) -> int:
    return sum((0 if each == "<" else int(each, 36)) * _WEIGHTS[at % 3] for at, each in enumerate(field)) % 10


@cache
def _zones() -> CompiledPattern:
    return compile_pattern(r"[A-Z0-9<]{9}\d[A-Z<]{3}\d{7}[MFX<]\d{7}")


@cache
def _named() -> CompiledPattern:
    words = r"passport|reisepass|passeport|pasaporte|passaporto|passaporte|paspoort"
    number = r"number|no|nr|num|nummer|numéro|número|numero|n°|is|ist|es|est"
    return compile_pattern(
        rf"(?:{words})(?:nummer)?(?: (?:{number})){{0,3}}[.:#°]{{0,2}} {{0,3}}"
        r"[A-Z]{0,3} ?\d[A-Z0-9]{5,9}\b",
        ignore_case=True,
    )
