"""Telephone numbers: international ones, usual national forms, and any digits that the words before them call a number.

International: `+` or `00`, a country's code, 8 to 15 digits. National: North American (3-3-4, the separators written), British,
German, French, Spanish and Italian ones with a leading 0 or in their usual groups, Chinese mobiles. A number in one piece without
a leading `+` or 0 is found only after a word such as "phone", "call", "Telefon", "Handy", "portable", "móvil", "cellulare".
"""

import re
from functools import cache

from mmflow.plugin import CompiledPattern, compile_pattern

_BEFORE = r"(?:^ ?|[^\w+.,/$€£#=\- ]|\D )"
_INTERNATIONAL = r"(?:\+|00)[1-9](?:[ .\-/]{0,2}(?:\(0?\)|\(?\d\)?)){7,14}(?:[^\w]|\z)"
_NATIONAL = (
    r"\(\d{3}\)[ .\-]{0,2}\d{3}[ .\-]\d{4}",  # (415) 555-2671
    r"(?:1[ .\-])?[1-9]\d{2}-\d{3}-\d{4}|(?:1[ .\-])?[1-9]\d{2}\.\d{3}\.\d{4}|(?:1[ .\-])?[1-9]\d{2} \d{3}[ \-]\d{4}",
    r"0[1-9](?:[ .\-]\d{2}){4}",  # 01 42 68 53 00
    r"0[67]\d{8}|07\d{3} ?\d{6}|07\d{3} \d{3} \d{3}|01[567]\d{8,9}",  # mobiles
    r"\(0\d{2,5}\) ?\d{3,4}[ \-]?\d{3,8}|0[1-9]\d{1,4}[ /\-]\d{3,4}[ \-]?\d{3,5}|0[1-9]\d{1,4}/\d{5,8}",  # 030 1234567
    r"1[3-9]\d{9}|1[3-9]\d[ \-]\d{4}[ \-]\d{4}",  # 138 0013 8000
    r"[67]\d{2} \d{3} \d{3}|[679]\d{2}(?: \d{2}){3}",  # 612 345 678
)
_NAMED = (
    r"(?:tele?(?:ph?one?|fono?)?|phone|mobile|cell(?:ulare|phone)?|handy|mobil|fax|whatsapp|portable|m[oó]vil|celular"
    r"|call me|reach me|ring me|numero di telefono|电话|手机|電話)"
    r"(?: (?:number|no|nr|nummer|at|on|is|ist|unter|au|al|es|est|è)){0,3}[.:：#]{0,2}"
    r"[ \n]{0,3}\(?\d(?:[ .\-/()]{0,2}\d){6,14}\b"
)
_DATE = re.compile(r"\d{4}[-./ ]\d{1,2}[-./ ]\d{1,2}")


def found_in(text: str) -> bool:
    """Whether a text has a telephone number."""
    return _numbers().matches(text) or any(_DATE.search(each) is None for each in _named().find_all(text))


@cache
def _numbers() -> CompiledPattern:
    national = "|".join(_NATIONAL)
    return compile_pattern(rf"(?m){_BEFORE}(?:{_INTERNATIONAL}|(?:{national})(?:[.,]?(?:[^\w.,/%\-]|$)|[.,;\-]\D))")


@cache
def _named() -> CompiledPattern:
    return compile_pattern(rf"(?:\A|[^\pL])(?:{_NAMED})", ignore_case=True)
