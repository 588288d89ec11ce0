"""Text made ready for detectors: digits, dashes and spaces of any script in their plain form, what is invisible left out."""

import re
from unicodedata import decimal

_DIGIT = re.compile(r"[^\D0-9]")
_DASHES = "\u00ad\u2010\u2011\u2012\u2013\u2014\u2015\u2043\u2212\ufe58\ufe63"
_SPACES = "\t\u00a0\u1680\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200a\u202f\u205f\u3000"
_LINES = "\v\f\x85\u2028\u2029"
_INVISIBLE = "\u200b\u200c\u200d\u200e\u200f\u2060\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069\ufeff"
_PLAIN = (
    {ord(each): "-" for each in _DASHES}
    | {ord(each): " " for each in _SPACES}
    | {ord(each): "\n" for each in _LINES}
    | {ord(each): None for each in _INVISIBLE}
    | {full: chr(full - 0xFEE0) for full in range(0xFF01, 0xFF5F)}
)
_SEPARATORS = re.compile(r"[ \n.-]+")


def ready(text: str) -> str:
    """The text in its plain form, in linear time: `４１１１‑１１１１` becomes `4111-1111`."""
    if not text.isascii():
        text = _DIGIT.sub(lambda digit: str(decimal(digit[0])), text.translate(_PLAIN))
    return text.replace("\t", " ").replace("\r\n", "\n").replace("\r", "\n")


def groups_of(number: str) -> list[str]:
    """The parts of a number that is written with spaces, dashes, dots or line breaks."""
    return _SEPARATORS.split(number)
