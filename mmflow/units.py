"""Quantities of the language: text such as `800ms`, `$3/1M`, `10%` to a typed value, and back."""

import re
from collections.abc import Callable
from typing import ClassVar

import attrs

MICROUSD_PER_USD = 1_000_000
TOKENS_PER_PRICE = 1_000_000


class Duration(float):
    """Seconds."""

    due: ClassVar = "a duration such as `800ms`, `20s` or `1h30m`"


class Money(int):
    """Micro-dollars."""

    due: ClassVar = "money such as `$0.02`"


class Price(int):
    """Micro-dollars for a million tokens."""

    due: ClassVar = "a price such as `$3/1M`"


class Share(float):
    """A share of a whole, 0..1."""

    due: ClassVar = "a share such as `10%`"


class Score(float):
    """A score, probability or quality, 0..1."""

    due: ClassVar = "a score from 0 to 1 such as `0.85`"


class Tokens(int):
    """A number of tokens."""

    due: ClassVar = "a number of tokens such as `8k`"


@attrs.frozen
class Budget:
    """Money in a period: micro-dollars each `period_s` seconds."""

    amount_microusd: int
    period_s: int

    due: ClassVar = "a budget such as `$50/day`"


@attrs.frozen
class Rate:
    """A number of things each `period_s` seconds."""

    count: int
    period_s: int

    due: ClassVar = "a rate such as `500/min`"


class StatusClass(str):
    """A class of HTTP statuses: `4xx`, `5xx`."""

    due: ClassVar = "an error class such as `429`, `5xx` or `timeout`"


Number = int | float
Quantity = Duration | Money | Price | Share | Tokens | Budget | Rate | StatusClass | int | float


@attrs.define(init=False)
class UnitError(ValueError):
    """A quantity that cannot be read, or is not of the type that is due."""

    message: str
    help: str | None

    def __init__(self, message: str, help: str | None = None) -> None:
        super().__init__(message)
        self.message, self.help = message, help


_DURATIONS_S = {"us": 1e-6, "ms": 1e-3, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0, "w": 604800.0}
_COUNTS = {"": 1, "k": 1_000, "M": 1_000_000, "G": 1_000_000_000, "Ki": 1024, "Mi": 1024**2}
_PERIODS_S = {"s": 1, "sec": 1, "second": 1, "min": 60, "m": 60, "minute": 60, "h": 3600, "hour": 3600}
_PERIODS_S |= {"d": 86_400, "day": 86_400, "w": 604_800, "week": 604_800, "month": 2_592_000}

UNITS: dict[type, tuple[str, ...]] = {
    Duration: tuple(_DURATIONS_S),
    Tokens: tuple(filter(None, _COUNTS)),
    Money: ("$",),
    Price: ("$", *(f"/1{unit}" for unit in _COUNTS if unit), "/token"),
    Budget: ("$", *(f"/{unit}" for unit in _PERIODS_S)),
    Rate: tuple(f"/{unit}" for unit in _PERIODS_S),
    Share: ("%",),
}
"""What is written beside the number, by type; a type that is not here has no unit."""

_NUMBER = re.compile(r"-?\d[\d_]*(?:\.\d+)?(?:[eE]-?\d+)?")
_DURATION = re.compile(r"(?:\d+(?:\.\d+)?(?:us|ms|s|m|h|d|w))+")
_DURATION_PART = re.compile(r"(\d+(?:\.\d+)?)(us|ms|s|m|h|d|w)")
_COUNT = re.compile(r"(\d[\d_]*(?:\.\d+)?)(k|M|G|Ki|Mi)")
_RATE = re.compile(r"(\d[\d_]*(?:\.\d+)?)(k|M|G|Ki|Mi|)/([a-z]+)")
_MONEY = re.compile(r"\$(\d[\d_]*(?:\.\d+)?)(?:/(\d*)([A-Za-z]+))?")
_NUMBER_AND_WORD = re.compile(r"(-?\$?\d[\d_.]*)([A-Za-z]\w*)")

# The mistakes that people make with units, and what they meant.
_MEANT = {"K": "k", "B": "G", "min": "m", "mins": "m", "minutes": "m", "minute": "m", "sec": "s", "secs": "s"}
_MEANT |= {"seconds": "s", "second": "s", "S": "s", "msec": "ms", "MS": "ms", "mss": "ms", "hours": "h", "hour": "h"}
_MEANT |= {"hr": "h", "H": "h", "days": "d", "day": "d", "weeks": "w", "week": "w", "millis": "ms", "m1": "M"}
_MEANT |= {"mil": "M", "mio": "M", "million": "M", "thousand": "k", "kb": "k", "ki": "Ki", "KB": "k", "tokens": ""}


def _scaled(digits: str, factor: int) -> int:
    """An exact whole number of `digits` × `factor`, rounded half up past the point."""
    whole, _, fraction = digits.replace("_", "").partition(".")
    value = int(whole) * factor
    if fraction:
        value += (int(fraction) * factor * 2 + 10 ** len(fraction)) // (2 * 10 ** len(fraction))
    return value


_LONGEST = 60
_LARGEST = 10**15  # in seconds, tokens, micro-dollars: what a plan's JSON holds, and floats hold exactly


def parse_quantity(text: str) -> Quantity:
    """The typed value of a quantity as written; a number without a unit is an `int` or a `float`.

    Raises `UnitError` with a fix where one can be guessed.
    """
    if len(text) > _LONGEST:
        raise UnitError(f"`{text[:12]}…` is too long for a quantity", f"write at most {_LONGEST} characters")
    value = _parsed(text)
    match value:
        case Budget(amount_microusd=first, period_s=second) | Rate(count=first, period_s=second):
            numbers: tuple[float, ...] = (first, second)
        case StatusClass():
            numbers = ()
        case _:
            numbers = (value,)
    if any(abs(number) > _LARGEST for number in numbers):
        raise UnitError(f"`{text}` is too large", "no such quantity is met in practice; is its unit the one you mean?")
    return value


def _parsed(text: str) -> Quantity:
    if _NUMBER.fullmatch(text):
        digits = text.replace("_", "")
        return int(digits) if digits.lstrip("-").isdigit() else float(digits)
    if text.startswith("-"):
        raise UnitError(f"`{text}` is negative", "quantities with a unit start at 0")
    if text.startswith("$"):
        return _money(text)
    if text.endswith("%"):
        if _NUMBER.fullmatch(text[:-1]):
            return Share(float(text[:-1].replace("_", "")) / 100)
        raise UnitError(f"`{text}` is not a share", "write a number before `%`: `10%`")
    if _DURATION.fullmatch(text):
        return Duration(sum(_seconds(n, _DURATIONS_S[unit]) for n, unit in _DURATION_PART.findall(text)))
    if match := _COUNT.fullmatch(text):
        return Tokens(_scaled(match[1], _COUNTS[match[2]]))
    if re.fullmatch(r"[1-5]xx", text):
        return StatusClass(text)
    if match := _RATE.fullmatch(text):
        if match[3] in _PERIODS_S:
            return Rate(_scaled(match[1], _COUNTS[match[2]]), _PERIODS_S[match[3]])
        raise UnitError(f"`{match[3]}` is not a period", "periods are `s`, `min`, `hour`, `day`, `week`, `month`")
    if (match := _NUMBER_AND_WORD.fullmatch(text)) and match[2] in _MEANT:
        raise UnitError(f"`{match[2]}` is not a unit", f"write `{match[1]}{_MEANT[match[2]]}`")
    raise UnitError(f"`{text}` is not a quantity", "units are `ms s m h d`, `k M Ki`, `%`, `$…`, `$…/1M`, `…/min`")


def _seconds(digits: str, unit_s: float) -> float:
    """The float nearest to `digits` × `unit_s`: by whole numbers, so that 2.631ms is 0.002631."""
    whole, _, fraction = digits.partition(".")
    scaled, parts = int(whole + fraction), int("1" + "0" * len(fraction))
    return scaled * int(unit_s) / parts if unit_s >= 1 else scaled / (parts * round(1 / unit_s))


def _money(text: str) -> Quantity:
    match = _MONEY.fullmatch(text)
    if not match:
        raise UnitError(f"`{text}` is not an amount of money", "write `$0.02`, `$3/1M` or `$50/day`")
    amount = _scaled(match[1], MICROUSD_PER_USD)
    per, unit = match[2], match[3]
    if unit is None:
        return Money(amount)
    if unit in _COUNTS:
        tokens = int(per or 1) * _COUNTS[unit]
        if tokens == 0:
            raise UnitError(f"`{text}` is a price for no tokens", "write `$3/1M`")
        return Price((amount * TOKENS_PER_PRICE * 2 + tokens) // (2 * tokens))
    if unit in _PERIODS_S:
        if int(per or 1) == 0:
            raise UnitError(f"`{text}` is a budget for no time", "write `$50/day`")
        return Budget(amount, int(per or 1) * _PERIODS_S[unit])
    if unit in ("token", "tokens"):
        return Price(amount * TOKENS_PER_PRICE)
    raise UnitError(f"`{unit}` is neither tokens nor a period", "write `$3/1M` (a price) or `$50/day` (a budget)")


def coerce(value: Quantity, wanted: type) -> Quantity:
    """The value as the wanted type; `UnitError` with the fix where it is of another one."""
    if type(value) is wanted:
        return value
    if isinstance(value, int | float) and type(value) in (int, float):
        if (convert := _FROM_NUMBER.get(wanted)) and (typed := convert(value)) is not None:
            return typed
        if wanted is Duration:
            raise UnitError(f"a duration needs a unit, `{value}` has none", f"write `{value}ms` or `{value}s`")
        if wanted is Money:
            raise UnitError(f"money needs a sign, `{value}` has none", f"write `${value}`")
        if wanted is Price:
            raise UnitError(f"a price needs a unit, `{value}` has none", f"write `${value}/1M`")
        if wanted is Share:
            raise UnitError(f"a share needs a unit, `{value}` has none", f"write `{value}%`")
        if wanted is Budget:
            raise UnitError(f"a budget needs a sign and a period, `{value}` has none", f"write `${value}/day`")
    if wanted is Rate and type(value) in (int, Tokens):
        raise UnitError(f"a rate is for a period, `{text_of(value)}` has none", f"write `{text_of(value)}/min`")
    if wanted is Budget and isinstance(value, Rate):
        raise UnitError(f"a budget is of money, `{text_of(value)}` has no sign", f"write `${text_of(value)}`")
    if wanted is Rate and isinstance(value, Budget):
        raise UnitError(f"a rate is of things, `{text_of(value)}` is money", f"write `{text_of(value)[1:]}`")
    if wanted is float and isinstance(value, int) and type(value) is int:
        return float(value)
    if wanted is int and type(value) is Tokens:
        return int(value)
    if wanted is Duration and type(value) is Tokens:
        raise UnitError("`M` is million and `k` is thousand, not a time", "minutes are `20m`, seconds `20s`")
    if wanted is Tokens and type(value) is Duration and value % 60 == 0:
        raise UnitError("`m` is minutes", f"millions are `{int(value // 60)}M`")
    if wanted is Score and type(value) is Share:
        raise UnitError("a score is written from 0 to 1, not in percent", f"write `{value:g}`")
    if wanted is Price and type(value) is Money:
        raise UnitError("a price is for a number of tokens", f"write `{text_of(value)}/1M`")
    if wanted is Budget and type(value) is Money:
        raise UnitError("a budget is for a period", f"write `{text_of(value)}/day`")
    due = getattr(wanted, "due", {int: "a whole number", float: "a number"}.get(wanted, wanted.__name__))
    raise UnitError(f"expected {due}, got {describe(value)}")


def _score(value: Number) -> Score | None:
    return Score(value) if 0 <= value <= 1 else None


def _tokens(value: Number) -> Tokens | None:
    return Tokens(value) if value >= 0 and value == int(value) else None


_FROM_NUMBER: dict[type, Callable[[Number], Quantity | None]] = {Score: _score, Tokens: _tokens}


def describe(value: object) -> str:
    """What a value is, in words: `the duration 800ms`."""
    if isinstance(value, bool):
        return f"`{str(value).lower()}`"
    names = {Duration: "the duration", Money: "the amount", Price: "the price", Share: "the share", Tokens: "the count"}
    names |= {Budget: "the budget", Rate: "the rate", StatusClass: "the error class", Score: "the score"}
    names |= {int: "the number", float: "the number", str: "the string"}
    name = names.get(type(value))
    return f"{name} `{text_of(value)}`" if name else f"{value!r}"


def text_of(value: object) -> str:
    """A quantity in the shortest text that reads back as the same value."""
    match value:
        case Duration():
            return _duration_text(value)
        case Share():
            return f"{_plain(value * 100)}%"
        case Price():
            return f"${_dollars(value)}/1M"
        case Money():
            return f"${_dollars(value)}"
        case Budget(amount_microusd=amount, period_s=period_s):
            return f"${_dollars(amount)}/{_period_text(period_s)}"
        case Rate(count=count, period_s=period_s):
            return f"{_count_text(count)}/{_period_text(period_s)}"
        case Tokens():
            return _count_text(value)
        case bool():
            return str(value).lower()
        case float():
            return _plain(value)
        case _:
            return str(value)


def _plain(value: float) -> str:
    """A float without an exponent or trailing zeros, exact to 12 significant digits."""
    text = f"{float(f'{value:.12g}'):.12f}".rstrip("0").rstrip(".")
    return text or "0"


def _dollars(microusd: int) -> str:
    whole, rest = divmod(abs(microusd), MICROUSD_PER_USD)
    return f"{'-' if microusd < 0 else ''}{whole}.{rest:06}".rstrip("0").rstrip(".")


def _duration_text(seconds: float) -> str:
    if seconds and seconds < 1:
        if seconds < 0.001:
            return f"{_plain(seconds * 1e6)}us"
        return f"{_plain(seconds * 1000)}ms"
    if seconds < 60 or seconds != int(seconds):
        return f"{_plain(seconds)}s"
    parts, rest = [], int(seconds)
    for unit, size_s in (("d", 86400), ("h", 3600), ("m", 60), ("s", 1)):
        if rest >= size_s:
            parts.append(f"{rest // size_s}{unit}")
            rest %= size_s
    return "".join(parts)


def _count_text(count: int) -> str:
    for suffix, size in (("G", 10**9), ("M", 10**6), ("k", 10**3)):
        if count >= size and count % (size // 10) == 0:
            whole, tenths = divmod(count // (size // 10), 10)
            return f"{whole}.{tenths}{suffix}" if tenths else f"{whole}{suffix}"
    return str(count)


def _period_text(period_s: int) -> str:
    names = {1: "s", 60: "min", 3600: "hour", 86_400: "day", 604_800: "week", 2_592_000: "month"}
    if period_s in names:
        return names[period_s]
    for size, name in sorted(names.items(), reverse=True):
        if period_s % size == 0:
            return f"{period_s // size}{name}"
    return f"{period_s}s"
