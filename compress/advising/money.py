"""What answers cost, by prices that the user gives."""

from __future__ import annotations

from dataclasses import dataclass

_MS_AN_HOUR = 3_600_000.0
MILLION = 1_000_000


@dataclass(frozen=True, slots=True)
class Prices:
    """Hold what an hour of the machine costs, and what a compression costs once, in one currency.

    `answers_per_month` is how many are asked for.
    """

    hour: float
    once: float | None = None
    answers_per_month: float | None = None


@dataclass(frozen=True, slots=True)
class Money:
    """Hold costs of a million answers of the teacher and of the choice, and when it pays.

    A machine answers one request after another and is never idle: an idle hour costs as much, and
    then fewer machines, or smaller ones, are what saves.
    """

    teacher: float
    choice: float
    once: float | None
    break_even_answers: float | None
    break_even_months: float | None
    saved_per_month: float | None


def money_of(prices: Prices, teacher_ms: float, choice_ms: float) -> Money:
    """Return the costs, given the latency of an answer of both in milliseconds."""
    theirs, mine = (MILLION * ms / _MS_AN_HOUR * prices.hour for ms in (teacher_ms, choice_ms))
    saved, once, monthly = theirs - mine, prices.once, prices.answers_per_month
    answers = once / saved * MILLION if once is not None and saved > 0 else None
    return Money(
        teacher=theirs,
        choice=mine,
        once=once,
        break_even_answers=answers,
        break_even_months=answers / monthly if answers is not None and monthly else None,
        saved_per_month=saved * monthly / MILLION if monthly else None,
    )
