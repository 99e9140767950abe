"""How much is measured: the tiers, their looks, and what budgets add to them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from compress.judge.evaluation import Evaluation
from profiles.budget import SERVER, THROUGHPUT, Budget
from profiles.deciding import spent
from profiles.device import DeviceProfile
from profiles.job import Job
from profiles.statistics import peaks_needed, samples_needed
from runtimes.limits import Cores
from runtimes.measure import Load, MeasurePlan


@dataclass(frozen=True, slots=True)
class Tier:
    """Say how much is measured: `looks` are the numbers of processes by the end of each look.

    Before them, one process of the judged model runs for `soak_s` without a break.
    """

    looks: tuple[int, ...]
    plan: MeasurePlan
    soak_s: float = 0.0

    @property
    def shares(self) -> tuple[float, ...]:
        """Return the share of each budget's risk that each look may spend."""
        return spent([processes / self.looks[-1] for processes in self.looks])


_BRIEF = MeasurePlan(warmup_s=0.1, warmup_limit_s=0.4)

TIERS = {
    "quick": Tier((6, 30), replace(_BRIEF, blocks=4)),
    "ci": Tier((12, 36, 48), _BRIEF),
    "release": Tier((30, 60, 90), MeasurePlan(blocks=20, server_s=6.0)),
    "soak": Tier((12, 36, 48), _BRIEF, soak_s=240.0),
}
"""Half a minute for quick, about a minute for ci, minutes for release; soak is ci after one process
that runs for four minutes, which shows whether the machine keeps its speed. Processes are many and
short, since some may be slow: 29 without a slow one show that at most one in ten is (0.9^29 < 5 %).
"""

MOST_PROCESSES = max(tier.looks[-1] for tier in TIERS.values())
"""Processes of a model that the largest tier starts."""


_EMULATED_S = 900.0
"""How long an emulated process may take to reply: it loads a model that a board loads in 20 s."""


def tier_on(device: Job, evaluation: Evaluation) -> Tier:
    """Return how much is measured on a device.

    Where a verdict is all that is wanted, and the device is none of the profiles', one process
    suffices: the verdict is WRONG_DEVICE whatever its times are.
    """
    asked = TIERS[evaluation.tier]
    fitting = [profile for profile in evaluation.profiles if device.fits(profile)]
    if device.facts().emulated:
        return emulated_tier(fitting)
    if evaluation.verdict_only and not fitting:
        return replace(asked, looks=(1,), soak_s=0.0)
    return asked


def emulated_tier(profiles: Sequence[DeviceProfile]) -> Tier:
    """Return what is measured on an emulated device: processes alone that budgets on memory need.

    Each answers a few rows, once, since an emulated second is costly and its time says nothing.
    """
    budgets = [budget for profile in profiles for budget in profile.budgets.values()]
    memory = [budget.confidence for budget in budgets if budget.metric.startswith("rss_peak")]
    processes = max((peaks_needed(confidence) for confidence in memory), default=1)
    plan = MeasurePlan(
        blocks=1,
        block_ms=0.0,
        idle_runs=0,
        warmup_runs=1,
        warmup_s=0.0,
        warmup_limit_s=0.0,
        timeout_s=_EMULATED_S,
    )
    return Tier((processes,), plan)


_COLD_STARTS = {"p50": 0.5, "p90": 0.9}


@dataclass(frozen=True, slots=True)
class Demand:
    """Say what the profiles' budgets need from a measurement; counts are per model.

    `memory_mb` is the memory of the profile's device, None where the measured one has no more.
    """

    threads: int
    cores: Cores
    confidence: float
    cold_starts: int
    uncached_starts: int
    loads: tuple[Load, ...]
    requests_per_s: tuple[int, ...] = ()
    memory_mb: int | None = None

    def plan(self, tier: Tier, seed: int) -> MeasurePlan:
        """Return the plan of a session at this tier, without the processes of its looks."""
        return replace(
            tier.plan,
            seed=seed,
            processes=0,
            cold_starts=0,
            loads=self.loads,
            requests_per_s=self.requests_per_s,
        )


def demand_of(
    profiles: Sequence[DeviceProfile], tier: Tier, device: Job, threads: int | None = None
) -> Demand:
    """Return what all profiles need; without `threads`, the first profile's number is used.

    A budget on a percentile of cold starts needs enough of them to bound it at the look with the
    smallest share of risk. The budgets of another device add nothing, and on an emulated one no
    budget asks for time.
    """
    confidence = max((profile.confidence for profile in profiles), default=0.95)
    median = samples_needed(0.5, 1 - (1 - confidence) * min(tier.shares))
    starting = not device.facts().emulated
    fitting = [profile for profile in profiles if device.fits(profile)]
    budgets = [budget for profile in fitting for budget in profile.budgets.values()]
    budgets = budgets if starting else []
    return Demand(
        threads=profiles[0].runtime.threads if threads is None else threads,
        cores=profiles[0].runtime.cores if profiles else (),
        confidence=confidence,
        cold_starts=max(_starts("cold_start_", budgets, tier), median) if starting else 0,
        uncached_starts=_starts("cold_start_uncached_", budgets, tier),
        loads=tuple(dict.fromkeys(_loads(budgets))),
        requests_per_s=tuple(dict.fromkeys(_requests_per_s(budgets))),
        memory_mb=_memory_limit_mb(fitting, device),
    )


def _memory_limit_mb(profiles: Sequence[DeviceProfile], device: Job) -> int | None:
    """Return the least memory of the profiles' devices in MiB, None where there is no more.

    Each profile that fits is one that this device may stand for: a process here must then do with
    what the profile's device has. An emulator of single programs cannot limit them.
    """
    sizes = (profile.hardware.memory_mb for profile in profiles)
    least = min((size for size in sizes if size is not None), default=None)
    there = device.facts().memory_mb
    if least is None or there is None or there <= least or device.facts().emulates_programs:
        return None
    return least


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


def _requests_per_s(budgets: Sequence[Budget]) -> list[int]:
    matches = (SERVER.fullmatch(budget.metric) for budget in budgets)
    return [int(name[2]) for name in matches if name]
