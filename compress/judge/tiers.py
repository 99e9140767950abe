"""How much is measured: the tiers, their looks, and what budgets add to them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from profiles.budget import THROUGHPUT, Budget
from profiles.device import DeviceProfile
from profiles.job import Job
from profiles.statistics import samples_needed, spent
from runtimes.measure import Load, MeasurePlan


@dataclass(frozen=True, slots=True)
class Tier:
    """Say how much is measured: `looks` are the numbers of processes by the end of each look."""

    looks: tuple[int, ...]
    plan: MeasurePlan

    @property
    def shares(self) -> tuple[float, ...]:
        """Return the share of each budget's risk that each look may spend."""
        return spent([processes / self.looks[-1] for processes in self.looks])


TIERS = {
    "quick": Tier((3, 6), MeasurePlan(blocks=3, block_runs=25, warmup_s=0.3, warmup_limit_s=1.0)),
    "ci": Tier((5, 10, 16), MeasurePlan(blocks=4, warmup_s=0.5, warmup_limit_s=1.2)),
    "release": Tier((12, 24, 36), MeasurePlan(blocks=8)),
    "soak": Tier((4,), MeasurePlan(blocks=150, block_runs=100)),
}
"""Seconds for quick, about a minute for ci, minutes for release; soak runs for minutes without a
break, which shows whether the machine keeps its speed."""

MOST_PROCESSES = max(tier.looks[-1] for tier in TIERS.values())
"""Processes of a model that the largest tier starts."""

_COLD_STARTS = {"p50": 0.5, "p90": 0.9}


@dataclass(frozen=True, slots=True)
class Demand:
    """Say what the profiles' budgets need from a measurement; counts are per model."""

    threads: int
    confidence: float
    cold_starts: int
    uncached_starts: int
    loads: tuple[Load, ...]

    def plan(self, tier: Tier, seed: int) -> MeasurePlan:
        """Return the plan of a session at this tier, without the processes of its looks."""
        return replace(tier.plan, seed=seed, processes=0, cold_starts=0, loads=self.loads)


def demand_of(
    profiles: Sequence[DeviceProfile], tier: Tier, device: Job, threads: int | None = None
) -> Demand:
    """Return what all profiles need; without `threads`, the first profile's number is used.

    A budget on a percentile of cold starts needs enough of them to bound it at the look with the
    smallest share of risk. The budgets of another device add nothing.
    """
    confidence = max((profile.confidence for profile in profiles), default=0.95)
    median = samples_needed(0.5, 1 - (1 - confidence) * min(tier.shares))
    fitting = [profile for profile in profiles if device.fits(profile)]
    budgets = [budget for profile in fitting for budget in profile.budgets.values()]
    return Demand(
        threads=profiles[0].runtime.threads if threads is None else threads,
        confidence=confidence,
        cold_starts=max(_starts("cold_start_", budgets, tier), median),
        uncached_starts=_starts("cold_start_uncached_", budgets, tier),
        loads=tuple(dict.fromkeys(_loads(budgets))),
    )


def _starts(prefix: str, budgets: Sequence[Budget], tier: Tier) -> int:
    return max(
        (
            samples_needed(q, 1 - (1 - budget.confidence) * min(tier.shares))
            for budget in budgets
            for name, q in _COLD_STARTS.items()
            if budget.metric == f"{prefix}{name}_ms"
        ),
        default=0,
    )


def _loads(budgets: Sequence[Budget]) -> list[Load]:
    matches = (THROUGHPUT.fullmatch(budget.metric) for budget in budgets)
    return [Load(int(name[1]), int(name[2])) for name in matches if name]
