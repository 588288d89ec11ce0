"""National numbers of persons, each by the rules of its country.

| country        | number                                   | what is checked                                           |
|----------------|------------------------------------------|-----------------------------------------------------------|
| United States  | SSN, ITIN                                | the parts that are given out; in one piece only if called so |
| United Kingdom | National Insurance number                | the letters that are given out                            |
| Germany        | Steuer-Identifikationsnummer             | check digit (ISO 7064), which digits repeat               |
| France         | NIR (sécurité sociale)                   | key (97), month                                           |
| Spain          | DNI, NIE                                 | letter (23)                                               |
| Italy          | codice fiscale                           | check letter                                              |
| Netherlands    | BSN                                      | eleven test; only if called so                            |
| Belgium        | rijksregisternummer                      | check digits (97), date                                   |
| Switzerland    | AHV/AVS                                  | check digit (EAN-13), prefix 756                          |
| Poland         | PESEL                                    | check digit, date                                         |
| Sweden         | personnummer                             | check digit (Luhn), date                                  |
| Finland        | henkilötunnus                            | check character (31), date                                |
| Brazil         | CPF                                      | both check digits; in one piece only if called so         |
| China          | 居民身份证                               | check character (ISO 7064), date                          |
| India          | Aadhaar                                  | check digit (Verhoeff); grouped 4-4-4, or called so       |
| Canada         | SIN                                      | check digit (Luhn); only if called so                     |
"""

from collections.abc import Callable
from datetime import date
from functools import cache

from mmflow.plugin import CompiledPattern, compile_pattern
from mmflow_plugins.private_data.card import luhn

_BETWEEN = r"[ \n.\-]?"


def found_in(text: str) -> bool:
    """Whether a text has such a number."""
    if not _any().matches(text):
        return False
    return any(holds(_bare(found)) for pattern, holds in _rules() for found in pattern.find_all(text))


def _bare(found: str) -> str:
    """The number in capitals, without what stands between its parts; words before it are still there."""
    return "".join(filter(str.isalnum, found)).upper()


def _is_ssn(digits: str) -> bool:
    area, group, serial = digits[-9:-6], digits[-6:-4], digits[-4:]
    if area[0] == "9":
        return 50 <= int(group) <= 99 and group not in ("66", "67", "68", "69", "89", "93")  # an ITIN
    return area not in ("000", "666") and group != "00" and serial != "0000" and len(set(digits[-9:])) > 1


def _is_nino(text: str) -> bool:
    return text[:2] not in ("BG", "GB", "NK", "KN", "TN", "NT", "ZZ")


def _is_steuer_id(digits: str) -> bool:
    repeats = sorted(digits[:10].count(each) for each in set(digits[:10]))
    if repeats[-1] not in (2, 3) or repeats[:-1] != [1] * (len(repeats) - 1):
        return False
    product = 10
    for each in digits[:10]:
        product = ((int(each) + product) % 10 or 10) * 2 % 11
    return (11 - product) % 10 == int(digits[10])


def _is_nir(text: str) -> bool:
    number = int(text[:13].replace("2A", "19").replace("2B", "18"))  # Corsica's departments
    return 97 - number % 97 == int(text[13:])


def _is_dni(text: str) -> bool:
    number = text[:-1].translate(str.maketrans("XYZ", "012"))
    return "TRWAGMYFPDXBNJZSQVHLCKE"[int(number) % 23] == text[-1]


_ODD = dict(
    zip(
        "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ",
        (
            1,
            0,
            5,
            7,
            9,
            13,
            15,
            17,
            19,
            21,
            1,
            0,
            5,
            7,
            9,
            13,
            15,
            17,
            19,
            21,
            2,
            4,
            18,
            20,
            11,
            3,
            6,
            8,
            12,
            14,
            16,
            10,
            22,
            25,
            24,
            23,
        ),
        strict=True,
    )
)


def _is_codice_fiscale(text: str) -> bool:
    odd = sum(_ODD[each] for each in text[:15:2])
    even = sum(int(each) if each.isdecimal() else ord(each) - ord("A") for each in text[1:15:2])
    return chr(ord("A") + (odd + even) % 26) == text[15]


def _is_bsn(digits: str) -> bool:
    digits = digits[-9:]
    total = sum(int(each) * weight for each, weight in zip(digits, (9, 8, 7, 6, 5, 4, 3, 2, -1), strict=True))
    return total % 11 == 0 and digits != "000000000"


def _is_belgian(digits: str) -> bool:
    is_right = any(97 - int(century + digits[:9]) % 97 == int(digits[9:]) for century in ("", "2"))
    return is_right and _is_day(2000, int(digits[2:4]) % 20, int(digits[4:6]))


def _is_ahv(digits: str) -> bool:
    total = sum(int(each) * (1, 3)[at % 2] for at, each in enumerate(digits))
    return total % 10 == 0


def _is_pesel(digits: str) -> bool:
    total = sum(int(each) * weight for each, weight in zip(digits, (1, 3, 7, 9, 1, 3, 7, 9, 1, 3, 1), strict=True))
    century, month = divmod(int(digits[2:4]), 20)
    year = (1900, 2000, 2100, 2200, 1800)[century] + int(digits[:2])
    return total % 10 == 0 and _is_day(year, month, int(digits[4:6]))


def _is_personnummer(digits: str) -> bool:
    digits = digits[-10:]
    # A coordination number has the day and 60.
    return luhn(digits) and _is_day(2000, int(digits[2:4]), int(digits[4:6]) % 60)


def _is_henkilotunnus(text: str) -> bool:
    number = int(text[:6] + text[-4:-1])
    return "0123456789ABCDEFHJKLMNPRSTUVWXY"[number % 31] == text[-1] and _is_day(2000, int(text[2:4]), int(text[:2]))


def _is_cpf(digits: str) -> bool:
    digits = digits[-11:]
    if len(set(digits)) == 1:
        return False
    return all(
        sum(int(each) * (n + 1 - at) for at, each in enumerate(digits[:n])) * 10 % 11 % 10 == int(digits[n]) for n in (9, 10)
    )


def _is_chinese(text: str) -> bool:
    total = sum(int(each) * pow(2, 17 - at, 11) for at, each in enumerate(text[:17]))
    return "10X98765432"[total % 11] == text[17] and _is_day(int(text[6:10]), int(text[10:12]), int(text[12:14]))


_TURNED = [list(range(10)), [1, 5, 7, 6, 2, 8, 3, 0, 9, 4]]
for _ in range(6):
    _TURNED.append([_TURNED[-1][each] for each in _TURNED[1]])


def _is_aadhaar(digits: str) -> bool:
    """The check digit of Verhoeff: products in the symmetries of a pentagon."""
    digits, check = digits[-12:], 0
    for at, each in enumerate(reversed(digits)):
        turned = _TURNED[at % 8][int(each)]
        if check < 5:
            check = (check + turned) % 5 if turned < 5 else 5 + (check + turned - 5) % 5
        else:
            check = 5 + (check - 5 - turned) % 5 if turned < 5 else (check - turned) % 5
    return check == 0


def _is_sin(digits: str) -> bool:
    return luhn(digits[-9:]) and len(set(digits[-9:])) > 1


def _is_day(year: int, month: int, day: int) -> bool:
    """Whether there is such a day; of a year without its century, take a leap year."""
    try:
        date(year, month, day)
    except ValueError:
        return False
    return True


_CALLED = r"[^\d\n]{0,20}"
_RULES: tuple[tuple[str, Callable[[str], bool]], ...] = (
    (r"\d{3}-\d{2}-\d{4}|\d{3} \d{2} \d{4}|\d{3}\.\d{2}\.\d{4}", _is_ssn),
    (rf"(?i:ssn|social security(?: number| no)?|itin|taxpayer id){_CALLED}\d{{3}}{_BETWEEN}\d{{2}}{_BETWEEN}\d{{4}}", _is_ssn),
    (
        rf"[A-CEGHJ-PR-TW-Za-ceghj-pr-tw-z][A-CEGHJ-NPR-TW-Za-ceghj-npr-tw-z]{_BETWEEN}(?:\d\d{_BETWEEN}){{3}}[A-Da-d]",
        _is_nino,
    ),
    (rf"[1-9]\d{_BETWEEN}\d{{3}}{_BETWEEN}\d{{3}}{_BETWEEN}\d{{3}}", _is_steuer_id),
    (
        rf"[1-478]{_BETWEEN}\d\d{_BETWEEN}(?:0[1-9]|1[0-2]|[2-9]\d){_BETWEEN}(?:\d\d|2[ABab]){_BETWEEN}\d{{3}}{_BETWEEN}\d{{3}}"
        rf"{_BETWEEN}\d\d",
        _is_nir,
    ),
    (r"(?:\d{8}|\d{2}\.\d{3}\.\d{3}|[XYZxyz][ \-]?\d{7})(?:-?[A-Za-z]|[ ][A-Z])", _is_dni),
    (
        rf"(?i:[A-Z]{{3}}{_BETWEEN}[A-Z]{{3}}{_BETWEEN}[0-9LMNP-V]{{2}}[ABCDEHLMPRST][0-9LMNP-V]{{2}}{_BETWEEN}[A-Z][0-9LMNP-V]{{3}}"
        rf"{_BETWEEN}[A-Z])",
        _is_codice_fiscale,
    ),
    (rf"(?i:bsn|burgerservicenummer|sofinummer){_CALLED}\d{{4}}{_BETWEEN}\d{{2}}{_BETWEEN}\d{{3}}", _is_bsn),
    (r"\d\d\.?\d\d\.?\d\d[ \-]?\d{3}[ .\-]?\d\d", _is_belgian),
    (rf"756{_BETWEEN}\d{{4}}{_BETWEEN}\d{{4}}{_BETWEEN}\d\d", _is_ahv),
    (r"\d{4}[0-3]\d{6}", _is_pesel),
    (r"(?:\d\d)?\d\d[01]\d[0-9]\d[\-+]\d{4}", _is_personnummer),
    (r"[0-3]\d[01]\d{3}[\-+A-FU-Ya-fu-y]\d{3}[0-9A-Ya-y]", _is_henkilotunnus),
    (r"\d{3}\.\d{3}\.\d{3}-\d\d", _is_cpf),
    (rf"(?i:cpf){_CALLED}\d{{3}}{_BETWEEN}\d{{3}}{_BETWEEN}\d{{3}}{_BETWEEN}\d\d", _is_cpf),
    (r"[1-9]\d{5}(?:19|20)\d{9}[\dXx]", _is_chinese),
    (r"[2-9]\d{3} \d{4} \d{4}|[2-9]\d{3}-\d{4}-\d{4}", _is_aadhaar),
    (rf"(?i:aadhaar|aadhar|आधार){_CALLED}[2-9]\d{{3}}{_BETWEEN}\d{{4}}{_BETWEEN}\d{{4}}", _is_aadhaar),
    (
        rf"(?i:sin|social insurance(?: number| no)?|numéro d'assurance sociale|nas){_CALLED}(?:\d{{3}}{_BETWEEN}){{2}}\d{{3}}",
        _is_sin,
    ),
)
_BEFORE, _AFTER = r"(?:\A|[^\w.,+])", r"\b"


@cache
def _rules() -> tuple[tuple[CompiledPattern, Callable[[str], bool]], ...]:
    return tuple((compile_pattern(f"{_BEFORE}(?:{pattern}){_AFTER}"), holds) for pattern, holds in _RULES)


@cache
def _any() -> CompiledPattern:
    """One pass over texts that have nothing of the kind."""
    return compile_pattern(f"{_BEFORE}(?:{'|'.join(pattern for pattern, _ in _RULES)}){_AFTER}")
