"""Dates of birth: a date that the words before it call one, in English, German, French, Spanish, Italian, Portuguese or Dutch."""

from functools import cache

from mmflow.plugin import CompiledPattern, compile_pattern

_WORDS = (
    r"date of birth|birth ?date|birthday|\bd\.?o\.?b\b\.?|\bborn|geboren|geburtsdatum|geburtstag|\bgeb\."
    r"|n[ée]e?\(?e?\)? le|date de naissance|fecha de nacimiento|nacid[oa]"
    r"|data di nascita|nat[oa] il|data de nascimento|nascid[oa]|geboortedatum"
)
_MONTHS = (
    r"(?:jan|feb|fév|mar|mär|maa|apr|avr|abr|may|mai|mei|mag|jun|juin|giu|jul|juil|lug|aug|aoû|ago|sep|set|oct|okt|oct|ott|out|nov"
    r"|dec|dez|déc|dic)\pL{0,7}"
)
_DATE = (
    r"\d{1,4}[./\-]\d{1,2}[./\-]\d{2,4}"
    rf"|\d{{1,2}}(?:st|nd|rd|th|\.|er|º)? ?(?:of |de )?{_MONTHS}\.?,? ?(?:de )?\d{{4}}"
    rf"|{_MONTHS}\.? \d{{1,2}}(?:st|nd|rd|th)?,? \d{{4}}"
)


def found_in(text: str) -> bool:
    """Whether a text tells when somebody was born."""
    return _told().matches(text)


@cache
def _told() -> CompiledPattern:
    return compile_pattern(rf"(?:{_WORDS})[^\d\n]{{0,20}}(?:\n ?)?(?:{_DATE})", ignore_case=True)
