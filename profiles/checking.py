"""Decide single budgets by a model's figures."""

from __future__ import annotations

import datetime
from collections.abc import Mapping
from dataclasses import dataclass, field

from profiles.budget import Budget
from profiles.doubt import FEW, Cause, Doubt, doubt_of
from profiles.measurement import Figures, Measurement
from profiles.slow_processes import (
    SlowProcesses,
    allowed_slow,
    processes_needed,
    slow_processes,
)
from profiles.verdict import Check, Status

GROSS = 3.0
"""A bound that is this many times beyond its limit breaks it, however noisy the machine."""


@dataclass(frozen=True, slots=True)
class Circumstances:
    """Describe the circumstances under which a profile is judged.

    `share` is the share of each budget's risk that this look may spend on machine-bound figures,
    `looks` the numbers of processes by the end of each look so far (none for a single look).
    `noise` says why the machine was too noisy for a FAIL on a latency without a reference; `calm`
    are the figures of the sessions that it does not concern, if any. `foreign` says why a stored
    baseline cannot support a FAIL, `missing` why a metric is absent (by metric, or by what it is
    compared `against`), `elsewhere` why the measured device is not the profile's. `fault` says why
    a model was not measured to its end, `unsound` why the judged model's answers are none,
    `out_of_memory` that it needs more memory than there is. `memory_limit` is what held it to the
    memory of its profile; empty where nothing but the device did.
    """

    share: float = 1.0
    looks: tuple[int, ...] = ()
    today: datetime.date = datetime.date.min
    noise: str = ""
    calm: Figures | None = None
    foreign: str = ""
    missing: Mapping[str, str] = field(default_factory=dict)
    conditions: str = ""
    elsewhere: str = ""
    fault: str = ""
    unsound: str = ""
    out_of_memory: str = ""
    memory_limit: str = ""


@dataclass(frozen=True, slots=True)
class Bench:
    """Judge single budgets by a model's figures."""

    figures: Figures
    at: Circumstances

    def check(self, budget: Budget, *, fell: bool) -> Check:
        """Decide one budget, which `fell` if its limit is broken among all that are judged."""
        figure = self.measured(budget)
        lenient = self.lenient(budget)
        if self.at.out_of_memory and budget.metric == "rss_peak_mb":
            return Check(budget, figure, Status.FAIL, self.at.out_of_memory, lenient)
        if figure is None:
            return Check(budget, None, Status.NOT_MEASURED, self._missing(budget), lenient)
        status, doubt = self._decide(budget, figure, fell)
        seen = self._slow_processes(budget)
        if status is Status.PASS and seen is not None and not self._few_are_slow(budget, seen):
            needed = processes_needed(seen.slow, budget.confidence)
            status = Status.INCONCLUSIVE
            doubt = Doubt("slow processes", "processes", seen.processes, needed, str(seen))
        slowest = "" if seen is None else f"slowest process {seen.worst:.2f}×"
        said = slowest if doubt is None else self._said(budget, doubt, figure)
        why = "; ".join(filter(None, (said or figure.why, _expired(budget, self.at))))
        return Check(budget, figure, status, why, lenient, doubt)

    def _slow_processes(self, budget: Budget) -> SlowProcesses | None:
        """Return how many processes are slow, None for a figure that no process has alone."""
        values = self.figures.processes.get(budget.metric, tuple)()
        return slow_processes(values, budget) if values else None

    def _few_are_slow(self, budget: Budget, seen: SlowProcesses) -> bool:
        before = (count for count in self.at.looks[:-1] if count < seen.processes)
        looks = (*before, seen.processes)
        return seen.slow <= allowed_slow(looks, budget.confidence)[-1]

    def measured(self, budget: Budget, share: float = 1.0) -> Measurement | None:
        """Return the figure with bounds that spend this share of the budget's risk."""
        confidence = 1 - (1 - budget.confidence) * share
        return self.figures.at(budget.metric, confidence, self.at.share)

    def exact(self, budget: Budget) -> bool:
        """Tell whether a broken limit is a fact: the figure has no sampling error, or was seen."""
        figure = self.measured(budget)
        return figure is not None and (figure.exact or budget.kind.highest)

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

    def fails(self, budget: Budget, share: float) -> bool:
        """Tell whether the limit is broken, and not by the machine's noise alone."""
        return self.breaks(budget, share) and not self._excused(budget, share)

    def breaks(self, budget: Budget, share: float) -> bool:
        """Tell whether the bound on the good side breaks the limit."""
        good = _good(budget, self.measured(budget, share))
        return good is not None and not budget.meets(good)

    def _excused(self, budget: Budget, share: float) -> bool:
        """Tell whether noise may explain a broken limit.

        It may not where the sessions without noise break it too, nor where the bound is more than
        GROSS times beyond it.
        """
        if not (self.at.noise and budget.timed_alone):
            return False
        if _grossly_beyond(budget, _good(budget, self.measured(budget, share))):
            return False
        calm = self.at.calm
        return calm is None or not Bench(calm, self.at).breaks(budget, share)

    def _decide(
        self, budget: Budget, figure: Measurement, fell: bool
    ) -> tuple[Status, Doubt | None]:
        bad = figure.upper if budget.side == "max" else figure.lower
        if bad is not None and budget.meets(bad):
            return Status.PASS, None
        return (Status.FAIL, None) if fell else (Status.INCONCLUSIVE, self._doubt(budget, figure))

    def _doubt(self, budget: Budget, figure: Measurement) -> Doubt:
        if self.breaks(budget, 1.0):
            cause: Cause = "noise" if self._excused(budget, 1.0) else "many checks"
            return doubt_of(budget, figure, cause)
        return doubt_of(budget, figure, "slowed" if self._meets_at_full_pace(budget) else FEW)

    def _meets_at_full_pace(self, budget: Budget) -> bool:
        """Tell whether it would pass by the blocks at the machine's full pace alone."""
        known = self.figures.at_full_pace.get(budget.metric)
        confidence = 1 - (1 - budget.confidence) * self.at.share
        upper = None if known is None else known(confidence).upper
        return upper is not None and budget.meets(upper)

    def _said(self, budget: Budget, doubt: Doubt, figure: Measurement) -> str:
        if doubt.cause in ("noise", "many checks", "slowed", "slow processes"):
            return str(doubt)
        bad = figure.upper if budget.side == "max" else figure.lower
        more = "" if bad is None and figure.why else str(doubt)
        return "; ".join(filter(None, (more, figure.why)))

    def _missing(self, budget: Budget) -> str:
        missing = {**self.figures.absent, **self.at.missing}
        return missing.get(budget.metric) or missing.get(budget.kind.against) or "not measured"


def _expired(budget: Budget, at: Circumstances) -> str:
    waiver = budget.waiver
    past = waiver is not None and at.today > waiver.expires
    return f"its waiver expired on {waiver.expires}" if waiver and past else ""


def _good(budget: Budget, figure: Measurement | None) -> float | None:
    if figure is None:
        return None
    return figure.lower if budget.side == "max" else figure.upper


def _grossly_beyond(budget: Budget, good: float | None) -> bool:
    if good is None:
        return False
    return good > GROSS * budget.limit if budget.side == "max" else good < budget.limit / GROSS
