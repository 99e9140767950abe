"""Whether measurements meet a profile's budgets: a verdict that may say that it does not know.

PASS when the bound on the bad side meets the budget, FAIL when the one on the good side
breaks it, INCONCLUSIVE between them. A value alone never decides.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from profiles.budget import METRICS, Budget
from profiles.device import DeviceProfile
from profiles.measurement import Measurement
from profiles.probe import Facts, matches
from profiles.statistics import rows_needed


class Status(StrEnum):
    """Name a verdict's and a check's outcome."""

    PASS = "PASS"  # noqa: S105 - not a password
    FAIL = "FAIL"
    INCONCLUSIVE = "INCONCLUSIVE"
    NOT_MEASURED = "NOT_MEASURED"
    WRONG_DEVICE = "WRONG_DEVICE"

    @property
    def exit_code(self) -> int:
        """Return what a command that ends with this status exits with."""
        return _EXIT_CODES[self]


_EXIT_CODES = {
    Status.PASS: 0,
    Status.NOT_MEASURED: 3,
    Status.INCONCLUSIVE: 3,
    Status.WRONG_DEVICE: 4,
    Status.FAIL: 1,
}
_SEVERITY = list(_EXIT_CODES)
_MARKS = {
    Status.PASS: "✓",
    Status.FAIL: "✗",
    Status.INCONCLUSIVE: "?",
    Status.NOT_MEASURED: "–",
    Status.WRONG_DEVICE: "≠",
}
_HOPELESS = 1_000
"""More than this many times the samples at hand is no advice."""


@dataclass(frozen=True, slots=True)
class Check:
    """Hold one budget, what was measured for it, and what came of it."""

    budget: Budget
    measurement: Measurement | None
    status: Status
    why: str = ""
    lenient: str = ""
    """Why a broken budget only warns although its level is error: a waiver, say."""

    @property
    def counts(self) -> bool:
        """Tell whether the check decides the verdict; what only warns does not."""
        return self.budget.level == "error" and not self.lenient

    @property
    def distance(self) -> float | None:
        """Return how far the value lies from the limit, relative to the limit."""
        if self.measurement is None or self.measurement.value is None:
            return None
        return self.measurement.value / self.budget.limit - 1

    def to_json(self) -> dict[str, Any]:
        """Return the check, ready for a report."""
        return {
            "metric": self.budget.metric,
            "status": self.status.value,
            "budget": self.budget.model_dump(mode="json", exclude={"metric"}, exclude_none=True),
            "counts": self.counts,
            "lenient": self.lenient,
            "measurement": None if self.measurement is None else self.measurement.to_json(),
            "distance": self.distance,
            "why": self.why,
        }


@dataclass(frozen=True, slots=True)
class Verdict:
    """Hold a profile's checks and what they come to."""

    profile: str
    status: Status
    checks: tuple[Check, ...]
    why: str = ""
    conditions: str = ""

    def to_json(self) -> dict[str, Any]:
        """Return the verdict, ready for a report."""
        return {
            "profile": self.profile,
            "status": self.status.value,
            "why": self.why,
            "conditions": self.conditions,
            "checks": [check.to_json() for check in self.checks],
        }


def judge(
    profile: DeviceProfile,
    measurements: Iterable[Measurement],
    facts: Facts,
    *,
    conditions: str = "",
) -> Verdict:
    """Judge measurements that were made on the machine that `facts` describe.

    On another machine than the profile's the whole verdict is WRONG_DEVICE, since even
    accuracy can differ there (integer kernels saturate on some processors); the checks that
    are not bound to a machine are still judged and shown.
    """
    right_device, why = matches(profile, facts)
    found = {measurement.metric: measurement for measurement in measurements}
    checks = tuple(
        _check(budget, found.get(metric), right_device)
        for metric, budget in profile.budgets.items()
    )
    status = _status(checks) if right_device else Status.WRONG_DEVICE
    return Verdict(profile.name, status, checks, "" if right_device else why, conditions)


def combine(verdicts: Sequence[Verdict]) -> Status:
    """Return the worst status; that of no verdicts at all is NOT_MEASURED."""
    return worst(verdict.status for verdict in verdicts)


def worst(statuses: Iterable[Status]) -> Status:
    """Return the worst status: FAIL, then WRONG_DEVICE, INCONCLUSIVE, NOT_MEASURED, PASS."""
    return max(statuses, key=_SEVERITY.index, default=Status.NOT_MEASURED)


def _status(checks: Sequence[Check]) -> Status:
    """Return the worst status of the budgets that count; warnings never do."""
    counted = [check.status for check in checks if check.counts]
    status = worst(counted) if counted else Status.PASS
    return Status.INCONCLUSIVE if status is Status.NOT_MEASURED else status


def _check(budget: Budget, measurement: Measurement | None, right_device: bool) -> Check:
    if not right_device and METRICS[budget.metric].machine_bound:
        return Check(budget, measurement, Status.WRONG_DEVICE, "says nothing about that device")
    if measurement is None:
        return Check(budget, None, Status.NOT_MEASURED, "not measured")
    return Check(budget, measurement, *_decide(budget, measurement))


def _decide(budget: Budget, measurement: Measurement) -> tuple[Status, str]:
    confidence = measurement.confidence
    if confidence is not None and confidence < budget.confidence:
        return Status.INCONCLUSIVE, (
            f"measured at {100 * confidence:.4g} %, needs {100 * budget.confidence:.4g} %"
        )
    good, bad = measurement.lower, measurement.upper
    if budget.side == "min":
        good, bad = bad, good
    if good is not None and not budget.meets(good):
        return Status.FAIL, measurement.why
    if bad is not None and budget.meets(bad):
        return Status.PASS, measurement.why
    return Status.INCONCLUSIVE, measurement.why or _what_would_decide(budget, measurement)


def _what_would_decide(budget: Budget, measurement: Measurement) -> str:
    """Extrapolate from the interval's width, which shrinks with the root of the samples."""
    from scipy.stats import norm

    value, confidence = measurement.value, measurement.confidence
    bad = measurement.upper if budget.side == "max" else measurement.lower
    noun = "samples" if METRICS[budget.metric].machine_bound else "rows"
    if value is None or bad is None or confidence is None:
        return "not enough samples"
    deviation = abs(bad - value) / norm.ppf(confidence)
    margin = abs(value - budget.limit)
    if margin < deviation / _HOPELESS**0.5:
        return f"too close to the limit for any number of {noun}"
    needed = rows_needed(deviation**2 * measurement.samples, margin, budget.confidence)
    return f"needs about {_rounded(needed):,} {noun} (have {measurement.samples:,})"


def _rounded(count: int) -> int:
    """Round up to two figures: the estimate is no better than that."""
    step = int(10 ** max(len(str(count)) - 2, 0))
    return -(-count // step) * step


def render(verdict: Verdict) -> str:
    """Draw a verdict as a table of plain text, the checks in the profile's order."""
    head = "  ".join(part for part in (verdict.status, verdict.profile, verdict.conditions) if part)
    rows = [_row(check) for check in verdict.checks]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = [
        " " + " ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in rows
    ]
    return "\n".join([head, *([f" {verdict.why}"] if verdict.why else []), *lines])


def _row(check: Check) -> tuple[str, str, str, str, str, str]:
    sign = "≤" if check.budget.side == "max" else "≥"
    distance = "" if check.distance is None else f"{check.distance:+.1%}".replace("%", " %")
    note = "; ".join(
        part
        for part in (check.budget.level if check.budget.level == "warn" else "", check.why)
        if part
    )
    return (
        _MARKS[check.status],
        check.budget.metric,
        f"{sign} {check.budget.limit:,.6g} ",
        f"{shown(check.measurement)} ",
        f"{distance} ",
        note,
    )


def shown(measurement: Measurement | None) -> str:
    """Write a figure with its bounds; a question mark is a bound that is not supported."""
    if measurement is None:
        return "–"
    if measurement.exact and measurement.value is not None:
        # The highest of several processes is no exact figure; the note says what it is.
        return _figure(measurement.value) + (" (exact)" if measurement.samples == 1 else "")
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
