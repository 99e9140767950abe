"""Run a package at several memory sizes, and find the one whose requests cost least."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from compress.progress import Progress
from compress.serverless.cost import Bill, bill
from compress.serverless.opening import Opened
from compress.serverless.share import granted_cpus, is_cpu_held
from profiles.emulated import require_times
from runtimes.measure import MeasurePlan, Samples, Variant, expected_runs
from runtimes.runtime import runs_in

SIZES_MB = (128, 256, 512, 1_024, 1_769, 2_048, 3_008)
"""From the least that Lambda grants to the most with two visible vCPUs."""

_PLAN = MeasurePlan(processes=4, blocks=3, cold_starts=4, warmup_s=0.2, warmup_limit_s=1.0)


@dataclass(frozen=True, slots=True)
class Swept:
    """Hold what was seen at one memory size; `why_not` says why it does not run there.

    Times are medians and quantiles of all that was measured, without bounds. `held_by` says what
    enforced the memory and the CPU share.
    """

    memory_mb: int
    cpus: float
    why_not: str = ""
    cold_start_p50_ms: float | None = None
    latency_p50_ms: float | None = None
    latency_p90_ms: float | None = None
    rss_peak_mb: float | None = None
    bill: Bill | None = None
    held_by: str = ""

    @property
    def cpu_held(self) -> bool:
        """Tell whether its times are those of the CPU share that the platform grants."""
        return self.bill is None or is_cpu_held(self.held_by, self.cpus)


def sweep(
    ready: Opened, rows: Sequence[Any], *, seed: int, progress: Progress, cold_share: float = 0.0
) -> tuple[Swept, ...]:
    """Measure a package at each memory size, interleaved; a size that is too small says so.

    Raises UnsupportedError for an emulated processor, whose times say nothing.
    """
    require_times(ready.device.job.facts(), "the cost of a request")
    artifact = ready.package.artifact
    runtime = runs_in(artifact.format, ready.profile.runtime.name)
    variants = [Variant(f"{size} MB", artifact, runtime, memory_mb=size) for size in SIZES_MB]
    plan = replace(_PLAN, seed=seed)
    with progress.task("memory sizes", expected_runs(len(variants), plan)) as advance:
        found = ready.device.job.measure(variants, rows, plan, advance=advance)
    return tuple(
        _swept(size, found[variant.name], cold_share)
        for size, variant in zip(SIZES_MB, variants, strict=True)
    )


def cheapest(found: Sequence[Swept]) -> Swept | None:
    """Return the size whose requests take the fewest GB-seconds; None where none runs.

    It is the cheapest at any price of a GB-second, since requests cost the same at each size. None
    too where a size got more CPU than the platform grants: the smallest would always seem best.
    """
    if not all(one.cpu_held for one in found):
        return None
    billed = [one for one in found if one.bill is not None]
    return min(billed, key=lambda one: one.bill.gb_s if one.bill else 0.0, default=None)


def _swept(size: int, samples: Samples, cold_share: float) -> Swept:
    cpus = granted_cpus(size)
    if samples.fault or not samples.blocks:
        why = "memory ran out" if samples.out_of_memory else samples.fault.partition("\n")[0]
        return Swept(size, cpus, why_not=why)
    durations = [ms for block in samples.blocks for ms in block.latency_ms]
    cold_ms = [start.total_ms for start in samples.cold_starts]
    return Swept(
        memory_mb=size,
        cpus=cpus,
        cold_start_p50_ms=float(np.median(cold_ms)),
        latency_p50_ms=float(np.quantile(durations, 0.5)),
        latency_p90_ms=float(np.quantile(durations, 0.9)),
        rss_peak_mb=max(samples.rss_peak_mb, default=None),
        bill=bill(size, durations, cold_ms, cold_share),
        held_by=samples.memory_limit,
    )
