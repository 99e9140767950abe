"""Whether measurements meet a profile's budgets; a verdict may be INCONCLUSIVE.

PASS when the bound on the bad side meets the budget, FAIL when the bound on the good side breaks
it, INCONCLUSIVE between them. A value alone never decides.
"""

from __future__ import annotations

import datetime
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from profiles.budget import Budget
from profiles.device import DeviceProfile
from profiles.doubt import Doubt, doubt_of
from profiles.measurement import Figures, Measurement
from profiles.probe import matches
from profiles.statistics import holm
from runtimes.facts import Facts


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


@dataclass(frozen=True, slots=True)
class Circumstances:
    """Describe the circumstances under which a profile is judged.

    `share` is the share of each budget's risk that this look may spend on machine-bound figures.
    `noise` says why the machine is too noisy for a FAIL on a latency without a reference, `foreign`
    why a stored baseline cannot support a FAIL, `missing` why a metric is absent (by metric, or by
    what it is compared `against`), `elsewhere` why the measured device is not the profile's.
    """

    share: float = 1.0
    today: datetime.date = datetime.date.min
    noise: str = ""
    foreign: str = ""
    missing: Mapping[str, str] = field(default_factory=dict)
    conditions: str = ""
    elsewhere: str = ""


def judge(
    profile: DeviceProfile, figures: Figures, facts: Facts, at: Circumstances = Circumstances()
) -> Verdict:
    """Judge figures that were measured on the machine that `facts` describe.

    On a machine other than the profile's, the verdict is WRONG_DEVICE: even accuracy can differ
    there (integer kernels saturate on some processors). Checks that are not machine-bound are still
    judged and shown.

    A verdict passes only when every check passes, so many checks make a false PASS no likelier
    (intersection-union test: Berger 1982, Technometrics 24). They make a false FAIL likelier, so
    the checks that count are tested jointly by Holm's step-down.
    """
    fits, why = matches(profile, facts)
    why = at.elsewhere if fits else why
    right_device = fits and not at.elsewhere
    budgets = list(profile.budgets.values())
    bench = _Judge(figures, at)
    fallen = _fallen(budgets, bench)
    checks = tuple(
        _wrong_device(budget, bench)
        if not right_device and budget.kind.machine_bound
        else bench.check(budget, fell=budget.metric in fallen)
        for budget in budgets
    )
    status = _status(checks) if right_device else Status.WRONG_DEVICE
    return Verdict(profile.name, status, checks, "" if right_device else why, at.conditions)


def _fallen(budgets: Sequence[Budget], bench: _Judge) -> frozenset[str]:
    """Return the metrics that break their budgets: counted ones jointly, others singly."""
    counted = [budget for budget in budgets if not bench.lenient(budget)]
    risky = [budget for budget in counted if not bench.exact(budget)]
    joint = holm(lambda i, share: bench.breaks(risky[i], share), len(risky))
    alone = [budget for budget in budgets if budget not in risky and bench.breaks(budget, 1.0)]
    return frozenset(budget.metric for budget in [*alone, *(risky[i] for i in joint)])


@dataclass(frozen=True, slots=True)
class _Judge:
    """Judge single budgets by a model's figures."""

    figures: Figures
    at: Circumstances

    def check(self, budget: Budget, *, fell: bool) -> Check:
        figure = self.measured(budget)
        lenient = self.lenient(budget)
        if figure is None:
            return Check(budget, None, Status.NOT_MEASURED, self._missing(budget), lenient)
        status, doubt = self._decide(budget, figure, fell)
        said = "" if doubt is None else self._said(doubt, figure)
        why = "; ".join(filter(None, (said or figure.why, _expired(budget, self.at))))
        return Check(budget, figure, status, why, lenient, doubt)

    def measured(self, budget: Budget, share: float = 1.0) -> Measurement | None:
        """Return the figure with bounds that spend this share of the budget's risk."""
        confidence = 1 - (1 - budget.confidence) * share
        return self.figures.at(budget.metric, confidence, self.at.share)

    def exact(self, budget: Budget) -> bool:
        figure = self.measured(budget)
        return figure is not None and figure.exact

    def lenient(self, budget: Budget) -> str:
        """Say why a budget of level error only warns; empty where it does not."""
        if budget.level == "warn":
            return ""
        waiver = budget.waiver
        if waiver is not None and self.at.today <= waiver.expires:
            return f"waived until {waiver.expires}: {waiver.reason}"
        if budget.kind.against == "baseline" and budget.kind.machine_bound:
            return self.at.foreign
        return ""

    def breaks(self, budget: Budget, share: float) -> bool:
        """Tell whether the bound on the good side breaks the limit."""
        figure = self.measured(budget, share)
        good = None if figure is None else _good(budget, figure)
        return good is not None and not budget.meets(good)

    def _decide(
        self, budget: Budget, figure: Measurement, fell: bool
    ) -> tuple[Status, Doubt | None]:
        bad = figure.upper if budget.side == "max" else figure.lower
        if bad is not None and budget.meets(bad):
            return Status.PASS, None
        if fell and self.at.noise and _timed_alone(budget):
            return Status.INCONCLUSIVE, doubt_of(budget, figure, "noise")
        if fell:
            return Status.FAIL, None
        if self.breaks(budget, 1.0):
            return Status.INCONCLUSIVE, doubt_of(budget, figure, "many checks")
        return Status.INCONCLUSIVE, doubt_of(budget, figure)

    def _said(self, doubt: Doubt, figure: Measurement) -> str:
        if doubt.cause in ("noise", "many checks"):
            return str(doubt)
        more = "" if figure.value is None and figure.why else str(doubt)
        return "; ".join(filter(None, (more, figure.why)))

    def _missing(self, budget: Budget) -> str:
        missing = {**self.figures.absent, **self.at.missing}
        return missing.get(budget.metric) or missing.get(budget.kind.against) or "not measured"


def _timed_alone(budget: Budget) -> bool:
    """Tell whether noise alone could explain it; a reference in the same run is as noisy."""
    beside = budget.kind.against == "reference"
    return budget.kind.machine_bound and not beside and not budget.metric.startswith("rss_peak")


def _wrong_device(budget: Budget, bench: _Judge) -> Check:
    why = "says nothing about that device"
    return Check(budget, bench.measured(budget), Status.WRONG_DEVICE, why)


def _expired(budget: Budget, at: Circumstances) -> str:
    waiver = budget.waiver
    past = waiver is not None and at.today > waiver.expires
    return f"its waiver expired on {waiver.expires}" if waiver and past else ""


def _good(budget: Budget, figure: Measurement) -> float | None:
    return figure.lower if budget.side == "max" else figure.upper


def combine(verdicts: Sequence[Verdict]) -> Status:
    """Return the worst status; NOT_MEASURED for no verdicts."""
    return worst(verdict.status for verdict in verdicts)


def worst(statuses: Iterable[Status]) -> Status:
    """Return the worst status: FAIL, then WRONG_DEVICE, INCONCLUSIVE, NOT_MEASURED, PASS."""
    return max(statuses, key=_SEVERITY.index, default=Status.NOT_MEASURED)


def _status(checks: Sequence[Check]) -> Status:
    """Return the worst status of the budgets that count; warnings do not count."""
    counted = [check.status for check in checks if check.counts]
    status = worst(counted) if counted else Status.PASS
    return Status.INCONCLUSIVE if status is Status.NOT_MEASURED else status


def render(verdict: Verdict) -> str:
    """Draw a verdict as a table of plain text, checks in the profile's order."""
    said = f"{verdict.status.sign} {verdict.status.words} on {verdict.profile}"
    head = "  ".join(filter(None, (said, verdict.conditions)))
    rows = [_row(check) for check in verdict.checks]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = [
        " " + " ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in rows
    ]
    why = [f" {verdict.why}"] if verdict.why else []
    return "\n".join([head, *why, *lines, *(f" → {line}" for line in verdict.advice)])


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
        # The highest of several processes is no exact figure; the note explains it.
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
