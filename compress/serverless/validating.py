"""Measure a package as it will run; judge it by a profile's budgets and the platform's limits."""

from __future__ import annotations

from dataclasses import dataclass, replace
from statistics import median

import numpy as np
import numpy.typing as npt

from compress.judge.evaluation import REFERENCE, Candidate, Evaluation, Measured, Outcome
from compress.judge.fleet import Fleet
from compress.judge.validate import MODEL, load_rows, measure_beside
from compress.package.folder import BUNDLE
from compress.package.function_zip import FUNCTION
from compress.progress import Progress
from compress.serverless.cost import Bill, bill
from compress.serverless.opening import Opened, Request, opened
from compress.serverless.share import granted_cpus, is_cpu_held
from compress.serverless.sweep import Swept, sweep
from compress.serverless.unpacked import Size
from profiles.gate import Verdict
from profiles.measurement import Measurement, summarize
from runtimes.artifact import open_artifact
from runtimes.digest import stable_hash
from runtimes.runtime import runs_in

IN_PROCESS = "in process"
"""The name of the package's own bundle, run without the platform beside it."""

_BUNDLE = f"{FUNCTION}/{BUNDLE}"
_CONFIDENCE = 0.95
_UNCACHED_STARTS = 10
"""Enough to bound their median; the page cache is dropped before each."""


@dataclass(frozen=True, slots=True)
class PackageValidation:
    """Hold the figures of a package on the platform that stands in for its own, and its verdict.

    `overhead` is its p90 through the platform's protocol over that of its bundle in process;
    `differing` counts the rows that the two answer otherwise, of `rows`.
    """

    fleet: Fleet
    sizes: tuple[Size, ...]
    client: str
    memory_mb: int
    cpus: float
    rows: int
    differing: int
    overhead: Measurement | None
    cold_share: float = 0.0
    rows_digest: str = ""
    swept: tuple[Swept, ...] = ()

    @property
    def bill(self) -> Bill | None:
        """Return what the measured requests are billed for; None on an emulated processor."""
        durations = [ms for block in self.model.samples.blocks for ms in block.latency_ms]
        timed = durations and not self.outcome.facts.emulated
        if not timed:
            return None
        cold_ms = [start.total_ms for start in self.model.samples.cold_starts]
        return bill(self.memory_mb, durations, cold_ms, self.cold_share)

    @property
    def why_faster(self) -> str:
        """Say why the platform may be slower than what was measured; empty where it is held."""
        held = is_cpu_held(self.model.samples.memory_limit, self.cpus)
        if held or self.outcome.facts.emulated:
            return ""
        return (
            f"no control group: times are those of whole CPUs, and {self.cpus:.2f} CPU is granted;"
            " measure where one can be made, or on the platform"
        )

    @property
    def outcome(self) -> Outcome:
        """Return what was measured."""
        return self.fleet.first

    @property
    def model(self) -> Measured:
        """Return the package's figures."""
        return self.outcome.of(MODEL)

    @property
    def reference(self) -> Measured | None:
        """Return the reference's figures, None where none was given."""
        rows = [one for one in self.outcome.measured if one.candidate.name == REFERENCE]
        return rows[0] if rows else None

    @property
    def phases_ms(self) -> dict[str, float]:
        """Return the medians of a cold start's parts; none without one, or on an emulator.

        The initialization lasts until the function asks for an event; it opens its model within
        the first one. With AWS's client the interpreter is not seen apart from it.
        """
        starts = self.model.samples.cold_starts
        if not starts or self.outcome.facts.emulated:
            return {}
        interpreter_ms = median(one.interpreter_ms for one in starts)
        return {
            **({"interpreter": interpreter_ms} if interpreter_ms else {}),
            "initialization": median(one.imports_ms for one in starts),
            "opening the model": median(one.load_ms for one in starts),
            "the rest of the first event": median(one.first_result_ms for one in starts),
        }

    @property
    def verdict(self) -> Verdict:
        """Return the profile's verdict."""
        return self.fleet.verdicts[0]


def validate_package(request: Request, progress: Progress) -> PackageValidation:
    """Measure a package beside its own bundle in process, and a reference if one is given.

    Every figure is of the function behind the Runtime API, under the memory and the CPU share of
    the profile. Raises what `opened` does, and DataError for rows that the model has no classes of.
    """
    with opened(request) as ready:
        artifact = ready.package.artifact
        labeled = request.labeled(ready.profile)
        rows = load_rows(request.data, artifact, labeled=labeled, progress=progress)
        own = open_artifact(request.package / _BUNDLE)
        wanted = runs_in(own.format, ready.profile.runtime.name)
        evaluation = Evaluation(
            candidates=(Candidate(IN_PROCESS, own, wanted),),
            judged=MODEL,
            reference=None,
            rows=rows,
            profiles=(ready.profile,),
            tier=request.tier,
            seed=request.seed,
            missing={} if request.reference else {"reference": "needs --reference"},
            least_s=request.least_s,
            verdict_only=request.gated,
            uncached_starts=0 if request.gated else _UNCACHED_STARTS,
            sizes_mb={f"{one.name}_mb": one.size_bytes / 1e6 for one in ready.package.sizes},
        )
        fleet = measure_beside(
            evaluation,
            artifact,
            request.reference,
            devices=(ready.device,),
            progress=progress,
            stream=request.samples,
        )
        fleet.accept(progress)
        found = replace(
            _validation(request, ready, fleet), rows_digest=stable_hash(list(rows.inputs))
        )
        if request.sweep:
            swept = sweep(
                ready,
                rows.inputs,
                seed=request.seed,
                progress=progress,
                cold_share=request.cold_share,
            )
            return replace(found, swept=swept)
        return found


def _validation(request: Request, ready: Opened, fleet: Fleet) -> PackageValidation:
    outcome = fleet.first
    model, own = outcome.of(MODEL), outcome.of(IN_PROCESS)
    timed = not outcome.facts.emulated and not model.samples.fault
    beside = summarize(model.samples, own.samples) if timed else None
    pairs = []
    if model.answers is not None and own.answers is not None:
        pairs = list(zip(model.answers, own.answers, strict=True))
    return PackageValidation(
        fleet=fleet,
        sizes=ready.package.sizes,
        client=request.client,
        memory_mb=ready.memory_mb,
        cpus=granted_cpus(ready.memory_mb),
        rows=len(pairs),
        differing=sum(_differ(one, other) for one, other in pairs),
        overhead=beside.at("latency_p90_ratio", _CONFIDENCE) if beside else None,
        cold_share=request.cold_share,
    )


def _differ(one: npt.NDArray[np.float32], other: npt.NDArray[np.float32]) -> bool:
    """Tell whether two answers name another class, of the row or of any of its parts."""
    if one.shape != other.shape:
        return True
    return not np.array_equal(one.argmax(axis=-1), other.argmax(axis=-1))
