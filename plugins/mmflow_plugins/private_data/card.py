"""Numbers of payment cards: the prefixes and lengths of the networks, and the check digit of ISO/IEC 7812 (Luhn).

Written in one piece, in groups as they stand on cards (4-4-4-4, 4-6-5, 4-6-4, 4-4-4-4-3), or in groups that are all of one
length. Known are Visa (16 and 19 digits), Mastercard, American Express, Diners Club, Discover, JCB, UnionPay, Maestro, Mir and
RuPay. A tenth of random numbers that begin and are grouped like a card pass as one.
"""

import re
from functools import cache

from mmflow.plugin import CompiledPattern, compile_pattern
from mmflow_plugins.private_data.text import groups_of

_NETWORKS = re.compile(
    r"4\d{15}(?:\d{3})?|5[1-5]\d{14}|(?:222[1-9]|22[3-9]\d|2[3-6]\d\d|27[01]\d|2720)\d{12}|3[47]\d{13}"
    r"|3(?:0[0-5]\d|095|[689]\d\d)\d{10}|35(?:2[89]|[3-8]\d)\d{12}|6(?:011|4[4-9]\d|5\d\d)\d{12}|62\d{14,17}"
    r"|(?:60\d\d|8[12]\d\d|508[5-9])\d{12}|220[0-4]\d{12,15}|(?:5018|5020|5038|5893|6304|6759|676[1-3])\d{8,15}"
)
_FRACTION = re.compile(r"\b\d++\.\d{7,}+")
_DOUBLED = {digit: sum(divmod(2 * int(digit), 10)) for digit in "0123456789"}
_SHORTEST, _LONGEST = 12, 19

# Lengths of groups, a character each.
_SHAPES = ("4444", "44443", "44442", "44441", "4443", "465", "464", "88")


def found_in(text: str) -> bool:
    """Whether a text has a card's number."""
    return any(map(_has_card, _runs().find_all(text)))


def is_card(digits: str) -> bool:
    """Whether digits are a card's number."""
    return _NETWORKS.fullmatch(digits) is not None and len(set(digits)) > 1 and luhn(digits)


def luhn(digits: str) -> bool:
    """Whether the last digit is right by the formula of Luhn."""
    return (sum(map(int, digits[::-2])) + sum(map(_DOUBLED.__getitem__, digits[-2::-2]))) % 10 == 0


def _has_card(run: str) -> bool:
    groups = groups_of(_FRACTION.sub(" ", run).strip())
    if len({len(each) for each in groups[:-1]}) <= 1 and len(groups[-1]) <= len(groups[0]):
        whole = "".join(groups)
        if len(whole) <= _LONGEST and is_card(whole):
            return True
    lengths = "".join(chr(ord("0") + min(len(each), 2 * _LONGEST)) for each in groups)
    for at, group in enumerate(groups):
        if _SHORTEST <= len(group) <= _LONGEST and is_card(group):
            return True
        if lengths.startswith(_SHAPES, at) and any(
            lengths.startswith(shape, at) and is_card("".join(groups[at : at + len(shape)])) for shape in _SHAPES
        ):
            return True
    return False


@cache
def _runs() -> CompiledPattern:
    """Digits with what may stand between them, as many as the shortest number has."""
    return compile_pattern(rf"\b\d(?:[ \n.\-]{{0,3}}\d){{{_SHORTEST - 1},}}\b")
