"""The smallest regression that this machine can resolve: a model measured against itself."""

from __future__ import annotations

import textwrap
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from compress.data.dataset import DataSettings, load_inputs
from compress.judge.tiers import TIERS
from compress.progress import Progress
from compress.storage.scratch import scratch_folder
from compress.tasks import task_of
from profiles.emulated import require_times
from profiles.job import Job
from profiles.noise import FEWEST_ROUNDS, Noise, resolvable_ratio
from profiles.selection import paired_rounds
from profiles.statistics import Interval, mean_interval
from runtimes.artifact import Artifact, read_artifact
from runtimes.errors import QualityError
from runtimes.measure import MeasurePlan, Variant
from runtimes.runtime import runs_in

CONFIDENCE = 0.95
POWER = 0.8
ALLOWANCE = 1.05
"""The budget of the example in the result."""

_QUANTILES = {"latency_p50_ratio": 0.5, "latency_p90_ratio": 0.9}
_GATE = TIERS["ci"]


@dataclass(frozen=True, slots=True)
class Resolution:
    """Hold the noise of one ratio.

    `seen` is the model's ratio to itself with its bounds, 1 on a machine without noise. `resolves`
    is the smallest regression that these rounds detect, 0.02 for 2 %; `gate_resolves` is the
    smallest one that a gate at tier ci detects by its last look.
    """

    metric: str
    seen: Interval
    resolves: float
    gate_resolves: float

    def catches_from(self, allowance: float) -> float:
        """Return the smallest true slowdown that the gate detects with a budget of `allowance`."""
        return allowance * (1 + self.gate_resolves) - 1

    def to_json(self) -> dict[str, Any]:
        """Return the resolution as JSON values."""
        return {
            "ratio": self.seen.value,
            "lower": self.seen.lower,
            "upper": self.seen.upper,
            "resolves": self.resolves,
            "gate_resolves": self.gate_resolves,
            "budget": {"max": ALLOWANCE, "catches_from": self.catches_from(ALLOWANCE)},
        }


@dataclass(frozen=True, slots=True)
class NoiseReport:
    """Hold the smallest regression that the machine resolves, and the noise just before.

    `clean` is the share of the samples, 0 to 1, that nothing preempted in either process.
    """

    model: str
    runtime: str
    threads: int
    latency_p50_ms: float
    seconds: float
    rounds: int
    clean: float
    noise: Noise
    resolutions: tuple[Resolution, ...]

    def to_json(self) -> dict[str, Any]:
        """Return the report as JSON values."""
        return {
            "model": self.model,
            "runtime": self.runtime,
            "threads": self.threads,
            "latency_p50_ms": self.latency_p50_ms,
            "seconds": self.seconds,
            "rounds": self.rounds,
            "clean": self.clean,
            "confidence": CONFIDENCE,
            "power": POWER,
            "metrics": {row.metric: row.to_json() for row in self.resolutions},
            "noise": self.noise.to_json(),
        }


@dataclass(frozen=True, slots=True)
class Workload:
    """Name the model that is measured against itself, and its texts."""

    name: str
    artifact: Artifact
    texts: tuple[Any, ...]
    threads: int = 1


def workload(
    model: Path, data: str, text: str, threads: int, text_pair: str = "text_pair"
) -> Workload:
    """Open an exported model and the rows to run it on; those without a text are left out.

    Raises ArtifactError or DataError for files that cannot be read, UnsupportedError for a format
    that no measured runtime loads.
    """
    artifact = read_artifact(model)
    runs_in(artifact.format)
    artifact.verify()
    rows = DataSettings(train=(), test=(data,), text=text, text_pair=text_pair, on_empty="drop")
    inputs = load_inputs(rows, Path(), task_of(artifact.task)).inputs
    return Workload(model.name, artifact, inputs, threads)


def builtin_noise(*, seconds: float, threads: int, seed: int, progress: Progress) -> NoiseReport:
    """Measure the machine's noise with a small model made in a temporary folder."""
    from compress.judge.noise_model import noise_model, noise_texts

    with scratch_folder() as scratch:
        artifact = noise_model(scratch)
        work = Workload("the built-in model", artifact, tuple(noise_texts(seed)), threads)
        return measure_noise(work, seconds=seconds, seed=seed, progress=progress)


def measure_noise(
    work: Workload,
    *,
    seconds: float,
    seed: int,
    progress: Progress,
    plan: MeasurePlan = _GATE.plan,
    device: Job | None = None,
) -> NoiseReport:
    """Measure a model against itself, as a gate measures a candidate, until the time is used.

    At least FEWEST_ROUNDS rounds are measured. Raises BackendError when the model's process fails.
    """
    device = device or Job()
    require_times(device.facts(), "the noise of a machine")
    noise = device.noise(work.threads)
    start = time.monotonic()
    rounds: list[Round] = []
    with progress.task("noise", round(seconds)) as advance:
        while len(rounds) < FEWEST_ROUNDS or _another_fits(start, len(rounds), seconds):
            began = time.monotonic() - start
            rounds.append(_round(work, device, replace(plan, seed=seed, first_process=len(rounds))))
            spent = time.monotonic() - start
            advance(round(spent) - round(began), f"round {len(rounds)}")
    resolutions = tuple(resolution(metric, rounds) for metric in _QUANTILES)
    return NoiseReport(
        model=work.name,
        runtime=runs_in(work.artifact.format),
        threads=work.threads,
        latency_p50_ms=float(np.median([ms for own, _ in rounds for ms in own])),
        seconds=time.monotonic() - start,
        rounds=len(rounds),
        clean=sum(len(own) for own, _ in rounds) / (len(rounds) * plan.blocks * plan.block_runs),
        noise=noise,
        resolutions=resolutions,
    )


Round = tuple[list[float], list[float]]
"""Latencies in ms of the same rows in two processes of one model, clean in both."""


def resolution(metric: str, rounds: Sequence[Round]) -> Resolution:
    """Return the noise of one ratio, from rounds of a model against itself.

    Raises QualityError when too few rounds have undisturbed samples.
    """
    q = _QUANTILES[metric]
    ratios = [float(np.quantile(a, q) / np.quantile(b, q)) for a, b in rounds if a]
    last_look = 1 - (1 - CONFIDENCE) * _GATE.shares[-1]
    return Resolution(
        metric,
        mean_interval(ratios, CONFIDENCE),
        _resolves(ratios, CONFIDENCE, len(ratios)),
        _resolves(ratios, last_look, _GATE.looks[-1]),
    )


def _resolves(ratios: Sequence[float], confidence: float, rounds: int) -> float:
    ratio = resolvable_ratio(np.log(ratios).tolist(), confidence, POWER, rounds)
    if ratio is None:
        raise QualityError(
            f"only {len(ratios)} rounds have samples that nothing preempted",
            expected=f"{FEWEST_ROUNDS} rounds at least",
            action="end what else runs on this machine, or give it more --seconds",
        )
    return ratio - 1


def _another_fits(start: float, rounds: int, seconds: float) -> bool:
    spent = time.monotonic() - start
    return spent + spent / rounds <= seconds


def _round(work: Workload, device: Job, plan: MeasurePlan) -> Round:
    """Measure one process of each of two variants that are the same model."""
    runtime = runs_in(work.artifact.format)
    twins = [Variant(name, work.artifact, runtime, work.threads) for name in ("one", "other")]
    measured = device.measure(twins, work.texts, replace(plan, processes=1, cold_starts=0))
    for samples in measured.values():
        samples.raise_fault()
    mine, theirs = (measured[twin.name].blocks for twin in twins)
    one, other = paired_rounds(mine, theirs)
    return (one[0].tolist(), other[0].tolist()) if one else ([], [])


def noise_lines(report: NoiseReport) -> list[str]:
    """Describe what the machine resolves, and what a budget therefore detects."""
    rows = report.resolutions
    resolved = " and ".join(f"{_percent(row.resolves)} in {row.metric}" for row in rows)
    tightest = " and ".join(f"{row.metric} ≤ {1 + row.gate_resolves:.3f}" for row in rows)
    return [
        *_wrapped(
            f"In {report.seconds:.0f} s this machine resolves a regression of {resolved} "
            f"({100 * CONFIDENCE:g} % confidence, {100 * POWER:g} % power)."
        ),
        "",
        f"By its last look, after {_GATE.looks[-1]} rounds, a gate at tier ci with the budget",
        *(f"  {_caught(row)}" for row in rows),
        *_wrapped(
            f"Between {_percent(ALLOWANCE - 1)} and that it may stay inconclusive. Budgets tighter "
            f"than {tightest} may leave even an unchanged model undecided."
        ),
        "",
        f"Measured: {report.model} against itself, {report.rounds} rounds, "
        f"{report.latency_p50_ms:.2f} ms a row in {report.runtime}; "
        f"clean {100 * report.clean:.0f} %.",
        *disturbance_lines(report.noise),
    ]


def _wrapped(paragraph: str) -> list[str]:
    return textwrap.wrap(paragraph, 96)


def _caught(row: Resolution) -> str:
    caught = _percent(row.catches_from(ALLOWANCE))
    return f"{row.metric} ≤ {ALLOWANCE:g} detects true slowdowns from {caught} on"


def disturbance_lines(noise: Noise) -> list[str]:
    """Describe the machine's noise, the reasons against measuring last."""
    figures = [f"a fixed piece of work varies by {_percent(noise.probe_cv)}"]
    if noise.steal is not None:
        figures.append(f"steal {_percent(noise.steal)}")
    if noise.busy_cores is not None:
        figures.append(f"others use {noise.busy_cores:.1f} of {noise.cores} cores")
    said = [f"noisy: {reason}" for reason in noise.reasons]
    said += [f"note: {remark}" for remark in noise.remarks]
    return [f"Just before: {', '.join(figures)}.", *said]


def _percent(share: float) -> str:
    return f"{100 * share:.1f} %"
