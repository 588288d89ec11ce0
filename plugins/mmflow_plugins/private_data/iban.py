"""International bank account numbers: the country's length, and the check digits of ISO 13616 (97-10)."""

import re

_LENGTHS = {
    "AD": 24, "AE": 23, "AL": 28, "AT": 20, "AZ": 28, "BA": 20, "BE": 16, "BG": 22, "BH": 22, "BI": 27, "BR": 29, "BY": 28,
    "CH": 21, "CR": 22, "CY": 28, "CZ": 24, "DE": 22, "DJ": 27, "DK": 18, "DO": 28, "EE": 20, "EG": 29, "ES": 24, "FI": 18,
    "FK": 18, "FO": 18, "FR": 27, "GB": 22, "GE": 22, "GI": 23, "GL": 18, "GR": 27, "GT": 28, "HR": 21, "HU": 28, "IE": 22,
    "IL": 23, "IQ": 23, "IS": 26, "IT": 27, "JO": 30, "KW": 30, "KZ": 20, "LB": 28, "LC": 32, "LI": 21, "LT": 20, "LU": 20,
    "LV": 21, "LY": 25, "MC": 27, "MD": 24, "ME": 22, "MK": 19, "MN": 20, "MR": 27, "MT": 31, "MU": 30, "NI": 28, "NL": 18,
    "NO": 15, "OM": 23, "PK": 24, "PL": 28, "PS": 29, "PT": 25, "QA": 29, "RO": 24, "RS": 22, "RU": 33, "SA": 24, "SC": 31,
    "SD": 18, "SE": 24, "SI": 19, "SK": 24, "SM": 27, "SO": 23, "ST": 25, "SV": 28, "TL": 23, "TN": 24, "TR": 26, "UA": 29,
    "VA": 22, "VG": 24, "XK": 20, "YE": 30,
}  # fmt: skip
_START = re.compile(rf"\b(?:{'|'.join(_LENGTHS)})[ -]?[0-9]{{2}}")
_BETWEEN = r"[ \n.-]{0,2}"
_WHOLE = {
    length: re.compile(rf"[A-Z]{{2}}[ -]?[0-9]{{2}}(?:{_BETWEEN}[A-Z0-9]){{{length - 4}}}(?![A-Z0-9])")
    for length in set(_LENGTHS.values())
}
_IN_BETWEEN = re.compile(r"[ \n.-]")


def found_in(text: str) -> bool:
    """Whether a text has an IBAN, in one piece or in groups, in capitals or not."""
    text = text.upper()
    for start in _START.finditer(text):
        written = _WHOLE[_LENGTHS[text[start.start() : start.start() + 2]]].match(text, start.start())
        if written is not None and is_iban(_IN_BETWEEN.sub("", written[0])):
            return True
    return False


def is_iban(text: str) -> bool:
    """Whether capitals and digits are an IBAN."""
    if _LENGTHS.get(text[:2]) != len(text) or not text[2:4].isdecimal():
        return False
    return int("".join(str(int(each, 36)) for each in text[4:] + text[:4])) % 97 == 1
