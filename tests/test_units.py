"""Quantities: what is written reads back the same, and what is written wrong is answered with what was meant."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mmflow.units import (
    _MEANT,
    Budget,
    Duration,
    Money,
    Price,
    Quantity,
    Rate,
    Score,
    Share,
    StatusClass,
    Tokens,
    UnitError,
    coerce,
    describe,
    parse_quantity,
    text_of,
)

# Each type over the values that the language can write.
LARGEST = 10**15
amounts = st.integers(0, LARGEST)
periods_s = st.sampled_from([1, 60, 3600, 86_400, 604_800, 2_592_000])
QUANTITIES: dict[str, st.SearchStrategy[Quantity]] = {
    "whole numbers": st.integers(-LARGEST, LARGEST),
    "durations in microseconds": st.integers(0, 10**9).map(lambda us: Duration(us / 1e6)),
    "durations in seconds": st.integers(0, 10**9).map(Duration),
    "tokens": st.integers(0, LARGEST).map(Tokens),
    "money": amounts.map(Money),
    "prices": amounts.map(Price),
    "shares": st.integers(0, 100_000).map(lambda thousandths: Share(thousandths / 1000 / 100)),
    "budgets": st.builds(Budget, amounts, st.one_of(periods_s, st.integers(1, 10**7))),
    "rates": st.builds(Rate, st.integers(0, LARGEST), periods_s),
    "error classes": st.sampled_from(["4xx", "5xx"]).map(StatusClass),
}


@pytest.mark.parametrize("name", QUANTITIES)
@given(data=st.data())
def test_the_text_of_a_value_reads_back_as_the_value(name: str, data: st.DataObject) -> None:
    value = data.draw(QUANTITIES[name])
    text = text_of(value)
    back = coerce(parse_quantity(text), type(value))
    assert (back, type(back)) == (value, type(value)), text


@given(st.integers(-(10**9), 10**9), st.integers(0, 6))
def test_the_text_of_a_decimal_number_reads_back_as_the_number(digits: int, places: int) -> None:
    number = digits / 10**places
    back = parse_quantity(text_of(number))
    assert type(back) in (int, float)
    assert back == number


@given(st.text(max_size=12))
def test_any_text_is_a_quantity_or_a_unit_error(text: str) -> None:
    _quantity_or_error(text)


@given(st.from_regex(r"-?\$?[0-9][0-9A-Za-z_.]{0,6}%?(/[0-9]{0,3}[A-Za-z][0-9A-Za-z_]{0,3}){0,2}", fullmatch=True))
def test_whatever_the_lexer_takes_for_a_quantity_is_one_or_a_unit_error(text: str) -> None:
    _quantity_or_error(text)


def _quantity_or_error(text: str) -> None:
    try:
        value = parse_quantity(text)
    except UnitError:
        return
    assert describe(value)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("800ms", Duration(0.8)),
        ("1h30m", Duration(5400)),
        ("7d", Duration(604_800)),
        ("250us", Duration(0.00025)),
        ("8k", Tokens(8_000)),
        ("128Ki", Tokens(131_072)),
        ("1.5M", Tokens(1_500_000)),
        ("2G", Tokens(2_000_000_000)),
        ("$0.02", Money(20_000)),
        ("$1_000", Money(1_000_000_000)),
        ("$3/1M", Price(3_000_000)),
        ("$3/M", Price(3_000_000)),
        ("$0.002/1k", Price(2_000_000)),
        ("$0.000003/token", Price(3_000_000)),
        ("$50/day", Budget(50_000_000, 86_400)),
        ("$5/12h", Budget(5_000_000, 43_200)),
        ("500/min", Rate(500, 60)),
        ("2M/min", Rate(2_000_000, 60)),
        ("12.5%", Share(0.125)),
        ("5xx", StatusClass("5xx")),
        ("1_000", 1000),
        ("1_000.5", 1000.5),
        ("1_0k", Tokens(10_000)),
        ("2e3", 2000.0),
        ("2E-3", 0.002),
        ("-3", -3),
        ("-0.5", -0.5),
        ("9" * 15, int("9" * 15)),
        ("9" * 12 + "k", Tokens(999_999_999_999_000)),
        ("$999999999.999999", Money(999_999_999_999_999)),
    ],
)
def test_a_quantity_is_typed_by_its_unit(text: str, value: Quantity) -> None:
    found = parse_quantity(text)
    assert (found, type(found)) == (value, type(value))


@pytest.mark.parametrize("unit", _MEANT)
def test_a_unit_that_people_write_gets_the_one_that_they_meant(unit: str) -> None:
    with pytest.raises(UnitError) as caught:
        parse_quantity(f"20{unit}")
    assert caught.value.message == f"`{unit}` is not a unit"
    fix = re.fullmatch(r"write `(.*)`", caught.value.help or "")
    assert fix is not None
    parse_quantity(fix[1])


@pytest.mark.parametrize(
    ("text", "message", "help"),
    [
        ("-3s", "`-3s` is negative", "start at 0"),
        ("-$3", "`-$3` is negative", "start at 0"),
        ("1%%", "is not a share", "10%"),
        ("5/fortnight", "`fortnight` is not a period", "`min`"),
        ("$3/cow", "neither tokens nor a period", "$3/1M"),
        ("$3/0k", "a price for no tokens", "$3/1M"),
        ("$3/0day", "no time", "$50/day"),
        ("$1.2.3", "not an amount of money", "$0.02"),
        ("12parsec", "not a quantity", "`ms s m h d`"),
    ],
)
def test_a_quantity_that_cannot_be_read_says_what_to_write(text: str, message: str, help: str) -> None:
    with pytest.raises(UnitError) as caught:
        parse_quantity(text)
    assert message in caught.value.message
    assert help in (caught.value.help or "")


ENDLESS = [
    "1" * 5000,
    "1" * 50,
    "1" * 20 + "k",
    "$" + "1" * 20,
    "$1/" + "9" * 20 + "day",
    "1" * 20 + "s",
    "1" * 5000 + "k",
    "$" + "1" * 5000,
    "1" * 400 + "s",
    "1" * 400 + "%",
    "1e999",
    "1" * 5000 + "/min",
    "$1/" + "1" * 5000 + "k",
]


@pytest.mark.parametrize("text", ENDLESS)
def test_a_number_beyond_all_measure_is_refused(text: str) -> None:
    with pytest.raises(UnitError, match=r"too (large|long)"):
        parse_quantity(text)


COERCED: list[tuple[str, type, str]] = [
    ("20", Duration, "write `20ms` or `20s`"),
    ("20M", Duration, "minutes are `20m`"),
    ("20m", Tokens, "millions are `20M`"),
    ("0.5", Money, "write `$0.5`"),
    ("3", Price, "write `$3/1M`"),
    ("$3", Price, "write `$3/1M`"),
    ("$50", Budget, "write `$50/day`"),
    ("10", Share, "write `10%`"),
    ("85%", Score, "write `0.85`"),
]


@pytest.mark.parametrize(("text", "wanted", "help"), COERCED)
def test_a_value_of_another_type_gets_the_fix(text: str, wanted: type, help: str) -> None:
    with pytest.raises(UnitError) as caught:
        coerce(parse_quantity(text), wanted)
    assert help in (caught.value.help or "")


@pytest.mark.parametrize(
    ("text", "wanted"),
    [("2s", Money), ("$3", Duration), ("1.5", Tokens), ("-5", Tokens), ("1.5", Score), ("5xx", int), ("1.5", int)],
)
def test_a_value_that_has_no_fix_says_what_is_due(text: str, wanted: type) -> None:
    with pytest.raises(UnitError, match=r"^expected "):
        coerce(parse_quantity(text), wanted)


@pytest.mark.parametrize(
    ("text", "wanted", "value"),
    [("0", Score, Score(0)), ("1", Score, Score(1)), ("500", Tokens, Tokens(500)), ("8k", int, 8000), ("3", float, 3.0)],
)
def test_a_plain_number_serves_where_no_unit_is_due(text: str, wanted: type, value: Quantity) -> None:
    found = coerce(parse_quantity(text), wanted)
    assert (found, type(found)) == (value, wanted)
