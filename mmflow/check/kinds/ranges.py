"""Ranges: what a value of the right type must still be."""

from datetime import date

from mmflow.units import Budget, Rate, Share


def above_zero(value: float) -> None:
    if value <= 0:
        raise ValueError("it must be above 0")


def at_least_one(value: int) -> None:
    if value < 1:
        raise ValueError("it must be at least 1")


def up_to_ten_times(value: int) -> None:
    if not 0 <= value <= 10:
        raise ValueError("0 to 10 times")


def not_negative(value: float) -> None:
    if value < 0:
        raise ValueError("it must not be below 0")


def some_in_a_period(value: Rate) -> None:
    if value.count < 1:
        raise ValueError("it must be at least 1")


def some_money(value: Budget) -> None:
    if value.amount_microusd < 1:
        raise ValueError("it must be above $0")


def above_half(value: Share) -> None:
    if not 0.5 <= value < 1:
        raise ValueError("it must be from 50% to below 100%")


def up_to_two(value: float) -> None:
    if not 0 <= value <= 2:
        raise ValueError("a temperature is from 0 to 2")


def iso_date(value: str) -> None:
    try:
        is_date = date.fromisoformat(value).isoformat() == value
    except ValueError:
        is_date = False
    if not is_date:
        raise ValueError('write a date such as `"2026-01-31"`')
