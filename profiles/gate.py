"""Whether measurements meet a profile's budgets; a verdict may be INCONCLUSIVE.

PASS when the bound on the bad side meets the budget, FAIL when the bound on the good side breaks
it, INCONCLUSIVE between them. A value alone never decides. A PASS counts every block of the
session, a FAIL of an absolute latency those at the machine's full pace.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from profiles.budget import Budget, is_timed
from profiles.checking import Bench, Circumstances
from profiles.deciding import holm
from profiles.device import DeviceProfile, are_suggested
from profiles.emulated import WHY, believed
from profiles.measurement import Figures
from profiles.probe import matches
from profiles.verdict import (
    Check,
    Status,
    Verdict,
    advice_lines,
    combine,
    render,
    shown,
    worst,
)
from runtimes.facts import Facts

__all__ = [
    "Check",
    "Circumstances",
    "Status",
    "Verdict",
    "advice_lines",
    "combine",
    "judge",
    "judge_all",
    "render",
    "shown",
    "worst",
]


_ALONE = Circumstances()


def judge(
    profile: DeviceProfile, figures: Figures, facts: Facts, at: Circumstances = _ALONE
) -> Verdict:
    """Judge one profile's budgets: see `judge_all`."""
    (verdict,) = judge_all([(profile, at)], figures, facts)
    return verdict


def judge_all(
    profiles: Sequence[tuple[DeviceProfile, Circumstances]],
    figures: Figures,
    facts: Facts,
    earlier: Sequence[Verdict] = (),
) -> list[Verdict]:
    """Judge figures that were measured on the machine that `facts` describe, by every profile.

    On a machine other than a profile's, its verdict is WRONG_DEVICE: even accuracy can differ
    there (integer kernels saturate on some processors). Checks that are not machine-bound are still
    judged and shown.

    A verdict passes only when every check passes, so many checks make a false PASS no likelier
    (intersection-union test: Berger 1982, Technometrics 24). They make a false FAIL likelier, so
    the checks that count are tested jointly by Holm's step-down, over all profiles.

    `earlier` are the verdicts of the look before. What it decided stays decided, since its risk is
    spent: a check is not judged until it comes out otherwise. Its share of the risk goes to the
    others if it failed (Maurer & Bretz 2013, Statistics in Biopharmaceutical Research 5).

    Figures of time or energy that an emulated machine took are left out: their budgets are
    NOT_MEASURED, so a verdict that has one which counts is never a PASS.
    """
    figures = believed(figures, facts)
    before: Sequence[Verdict | None] = earlier or [None] * len(profiles)
    cases = [
        _Case.of(profile, at, figures, facts, verdict)
        for (profile, at), verdict in zip(profiles, before, strict=True)
    ]
    fallen = _fallen(cases)
    return [case.verdict(fallen) for case in cases]


_Hypothesis = tuple[str, float, float]
"""What a budget claims: its metric, limit and confidence. Profiles that claim the same ask once."""


@dataclass(frozen=True, slots=True)
class _Case:
    """Hold a profile, and what its budgets are judged by.

    `elsewhere` says why this is not the profile's device; `decided` are earlier checks that stay.
    `emulated` and `emulates_programs` are as in Facts.
    """

    profile: DeviceProfile
    bench: Bench
    elsewhere: str
    decided: Mapping[str, Check]
    emulated: str = ""
    emulates_programs: bool = False

    @classmethod
    def of(
        cls,
        profile: DeviceProfile,
        at: Circumstances,
        figures: Figures,
        facts: Facts,
        earlier: Verdict | None,
    ) -> _Case:
        fits, why = matches(profile, facts)
        checks = earlier.checks if earlier else ()
        decided = {check.budget.metric: check for check in checks if check.stays}
        elsewhere = at.elsewhere if fits else why
        return cls(
            profile,
            Bench(figures, at),
            elsewhere,
            decided,
            facts.emulated,
            facts.emulates_programs,
        )

    def verdict(self, fallen: frozenset[_Hypothesis]) -> Verdict:
        checks = tuple(self._check(budget, fallen) for budget in self.profile.budgets.values())
        status, why = self._outcome(checks)
        suggested = "suggested budgets" if are_suggested(self.profile) else ""
        conditions = (self.bench.at.conditions, self._memory_limit(), suggested)
        return Verdict(self.profile.name, status, checks, why, "  ".join(filter(None, conditions)))

    def _memory_limit(self) -> str:
        """Say what held the model to the profile's memory; empty where it was not to be held."""
        if self.profile.hardware.memory_mb is None or self.elsewhere:
            return ""
        alone = "none" if self.emulates_programs else "the device's own"
        return f"memory limit: {self.bench.at.memory_limit or alone}"

    def _outcome(self, checks: Sequence[Check]) -> tuple[Status, str]:
        """Return the verdict's status, and why where no check says it.

        A model whose answers are none, or that does not fit into memory, fails whatever its budgets
        are; one that was not measured to its end does not pass.
        """
        status, at = _status(checks), self.bench.at
        if self.elsewhere:
            return Status.WRONG_DEVICE, self.elsewhere
        if at.unsound or at.out_of_memory:
            return Status.FAIL, at.unsound or at.out_of_memory
        if at.fault:
            return worst((status, Status.NOT_MEASURED)), at.fault
        return status, self._untimed(checks)

    def _untimed(self, checks: Sequence[Check]) -> str:
        """Say what an emulated machine could not judge; empty on a real one."""
        left = any(
            check.status is Status.NOT_MEASURED and is_timed(check.budget.metric)
            for check in checks
        )
        unjudged = "; time and energy are not judged there" if left else ""
        return f"measured on {self.emulated}{unjudged}" if self.emulated else ""

    def _check(self, budget: Budget, fallen: frozenset[_Hypothesis]) -> Check:
        if not self._judges(budget):
            why = "says nothing about that device"
            return Check(budget, self.bench.measured(budget), Status.WRONG_DEVICE, why)
        if self.emulated and is_timed(budget.metric):
            return Check(budget, None, Status.NOT_MEASURED, WHY, self.bench.lenient(budget))
        if budget.metric in self.decided:
            return self.decided[budget.metric]
        jointly = _hypothesis(budget) in fallen
        fell = jointly if self._risky(budget) else self.bench.fails(budget, 1.0)
        return self.bench.check(budget, fell=fell)

    def risky(self) -> Iterator[Budget]:
        """Yield the budgets that count and may fail by chance."""
        return (budget for budget in self.profile.budgets.values() if self._risky(budget))

    def _risky(self, budget: Budget) -> bool:
        counts = budget.level == "error" and not self.bench.lenient(budget)
        return counts and self._judges(budget) and not self.bench.exact(budget)

    def _judges(self, budget: Budget) -> bool:
        return not (self.elsewhere and budget.kind.machine_bound)


def _hypothesis(budget: Budget) -> _Hypothesis:
    return budget.metric, budget.limit, budget.confidence


def _fallen(cases: Sequence[_Case]) -> frozenset[_Hypothesis]:
    """Return what is broken among everything that counts, by Holm's test over all profiles."""
    asked = {_hypothesis(budget): (case, budget) for case in cases for budget in case.risky()}
    rows = list(asked.values())

    def rejects(number: int, share: float) -> bool:
        case, budget = rows[number]
        known = case.decided.get(budget.metric)
        if known is not None:
            return known.status is Status.FAIL
        return case.bench.fails(budget, share)

    names = list(asked)
    return frozenset(names[number] for number in holm(rejects, len(rows)))


def _status(checks: Sequence[Check]) -> Status:
    """Return the worst status of the budgets that count; warnings do not count."""
    counted = [check.status for check in checks if check.counts]
    status = worst(counted) if counted else Status.PASS
    return Status.INCONCLUSIVE if status is Status.NOT_MEASURED else status
