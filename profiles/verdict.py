"""A verdict: its checks, their statuses, and how it is written on a terminal."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from profiles.budget import Budget
from profiles.doubt import Doubt
from profiles.measurement import Measurement
from runtimes.printing import one_line


class Status(StrEnum):
    """Name the outcome of a verdict or a check."""

    PASS = "PASS"  # noqa: S105 - not a password
    FAIL = "FAIL"
    INCONCLUSIVE = "INCONCLUSIVE"
    NOT_MEASURED = "NOT_MEASURED"
    WRONG_DEVICE = "WRONG_DEVICE"

    @property
    def sign(self) -> str:
        """Return the character that stands for this status everywhere."""
        return _SIGNS[self]

    @property
    def words(self) -> str:
        """Return the status as a person reads it: WRONG DEVICE."""
        return self.value.replace("_", " ")

    @property
    def exit_code(self) -> int:
        """Return the exit code of a command that ends with this status."""
        return _EXIT_CODES[self]


_EXIT_CODES = {
    Status.PASS: 0,
    Status.NOT_MEASURED: 3,
    Status.INCONCLUSIVE: 3,
    Status.WRONG_DEVICE: 4,
    Status.FAIL: 1,
}
_SEVERITY = list(_EXIT_CODES)
_SIGNS = {
    Status.PASS: "✓",
    Status.FAIL: "✗",
    Status.INCONCLUSIVE: "?",
    Status.NOT_MEASURED: "–",
    Status.WRONG_DEVICE: "≠",
}


@dataclass(frozen=True, slots=True)
class Check:
    """Hold one budget, its measurement and its outcome."""

    budget: Budget
    measurement: Measurement | None
    status: Status
    why: str = ""
    lenient: str = ""
    """Why a broken budget of level error only warns: a waiver, for example."""
    doubt: Doubt | None = None
    """Why it is INCONCLUSIVE."""
    advice: str = ""
    """What to do next; `judge` leaves it to whoever knows the commands and the recipe."""

    @property
    def counts(self) -> bool:
        """Tell whether the check decides the verdict; warnings do not."""
        return self.budget.level == "error" and not self.lenient

    @property
    def stays(self) -> bool:
        """Tell whether later samples do not change it: it was decided, and its risk is spent."""
        figure = self.measurement
        judged = self.budget.kind.machine_bound and figure is not None and not figure.exact
        return judged and self.status in (Status.PASS, Status.FAIL)

    @property
    def distance(self) -> float | None:
        """Return how far the value lies from the limit, relative to the limit."""
        if self.measurement is None or self.measurement.value is None:
            return None
        return self.measurement.value / self.budget.limit - 1

    def to_json(self) -> dict[str, Any]:
        """Return the check as JSON values."""
        return {
            "metric": self.budget.metric,
            "status": self.status.value,
            "budget": self.budget.model_dump(mode="json", exclude={"metric"}, exclude_none=True),
            "counts": self.counts,
            "lenient": self.lenient,
            "measurement": None if self.measurement is None else self.measurement.to_json(),
            "distance": self.distance,
            "why": self.why,
            "advice": self.advice,
        }


@dataclass(frozen=True, slots=True)
class Verdict:
    """Hold a profile's checks and their combined status."""

    profile: str
    status: Status
    checks: tuple[Check, ...]
    why: str = ""
    conditions: str = ""

    @property
    def open(self) -> bool:
        """Tell whether more samples could still decide the verdict.

        They cannot once a budget that counts has failed, or where none is undecided.
        """
        counted = [check for check in self.checks if check.counts]
        return all(check.status is not Status.FAIL for check in counted) and any(
            check.status is Status.INCONCLUSIVE and check.budget.kind.machine_bound
            for check in counted
        )

    @property
    def advice(self) -> tuple[str, ...]:
        """Return what to do next: a line for each piece of advice, with the metrics it is for."""
        return advice_lines([(check.budget.metric, check.advice) for check in self.checks])

    def to_json(self) -> dict[str, Any]:
        """Return the verdict as JSON values."""
        return {
            "profile": self.profile,
            "status": self.status.value,
            "why": self.why,
            "conditions": self.conditions,
            "checks": [check.to_json() for check in self.checks],
        }


def advice_lines(advised: Iterable[tuple[str, str]]) -> tuple[str, ...]:
    """Join metrics (first) that have the same advice (second): a line each, none for no advice."""
    metrics: dict[str, list[str]] = {}
    for metric, advice in advised:
        if advice:
            metrics.setdefault(advice, []).append(metric)
    return tuple(f"{', '.join(names)}: {advice}" for advice, names in metrics.items())


def combine(verdicts: Sequence[Verdict]) -> Status:
    """Return the worst status; NOT_MEASURED for no verdicts."""
    return worst(verdict.status for verdict in verdicts)


def worst(statuses: Iterable[Status]) -> Status:
    """Return the worst status: FAIL, then WRONG_DEVICE, INCONCLUSIVE, NOT_MEASURED, PASS."""
    return max(statuses, key=_SEVERITY.index, default=Status.NOT_MEASURED)


def render(verdict: Verdict) -> str:
    """Draw a verdict as a table of plain text, checks in the profile's order."""
    said = f"{verdict.status.sign} {verdict.status.words} on {verdict.profile}"
    head = "  ".join(filter(None, (said, verdict.conditions)))
    rows = [tuple(map(one_line, _row(check))) for check in verdict.checks]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = [
        " " + " ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in rows
    ]
    why = [f" {one_line(verdict.why)}"] if verdict.why else []
    advice = (f" → {one_line(line)}" for line in verdict.advice)
    return "\n".join([one_line(head), *why, *lines, *advice])


def _row(check: Check) -> tuple[str, str, str, str, str, str]:
    sign = "≤" if check.budget.side == "max" else "≥"
    distance = "" if check.distance is None else f"{check.distance:+.1%}".replace("%", " %")
    level = check.budget.level if check.budget.level == "warn" else check.lenient
    note = "; ".join(filter(None, (level, check.why)))
    return (
        check.status.sign,
        check.budget.metric,
        f"{sign} {check.budget.limit:,.6g} ",
        f"{shown(check.measurement)} ",
        f"{distance} ",
        note,
    )


def shown(measurement: Measurement | None) -> str:
    """Write a figure with its bounds; `?` is a bound that the samples do not support."""
    if measurement is None:
        return "–"
    if measurement.unsupported:
        return "not supported"
    if measurement.exact and measurement.value is not None:
        return f"{_figure(measurement.value)} (exact)"
    value, lower, upper = (
        "?" if figure is None else _figure(figure)
        for figure in (measurement.value, measurement.lower, measurement.upper)
    )
    return f"{value} [{lower}, {upper}]"


def _figure(value: float) -> str:
    """Write a number with at least three significant figures and no exponent."""
    size = abs(value)
    return (
        f"{value:,.0f}"
        if size >= 1000
        else f"{value:.{1 if size >= 100 else 2 if size >= 10 else 3}f}"
    )
