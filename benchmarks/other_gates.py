"""Judge latencies as other tools do, to compare them with edgepress's gate.

Each method is in use, with its default settings: it measures one model after the other, each in its
own process, and reports a regression when the second one's statistic exceeds the first one's by
more than the allowance. None of them can say "undecided". The conditions favor them: both models
run in the same minute on the same machine, where most users compare with a stored figure, and
edgepress's own worker times the inferences, with the same session options and the garbage collector
off.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

import numpy as np
from numpy.typing import NDArray

from profiles.transport.local import Local
from profiles.transport.serving import serve
from runtimes.artifact import Artifact
from runtimes.runtime import runs_in
from runtimes.samples import Variant
from runtimes.worker import Worker

Floats = NDArray[np.float64]
"""Latencies in ms, in the order in which they were measured, shape (samples,)."""

WARMUP = 10
REPEATS = 20
_TIMEOUT_S = 120.0


class Protocol(StrEnum):
    """Name a way to take samples."""

    ROWS = "rows"
    """10 warm-ups, then 20 rows, each at its own length."""
    REPEATS = "repeats"
    """10 warm-ups, then one row 20 times."""
    SECOND = "second"
    """One row, as often as it fits into a second by its first time; at least 5 times."""


@dataclass(frozen=True, slots=True)
class Method:
    """Describe a method: its samples, its statistic and its source."""

    name: str
    protocol: Protocol
    statistic: Callable[[Floats], float]
    source: str

    def regressed(self, reference: Floats, candidate: Floats, limit: float) -> bool:
        """Tell whether the candidate's statistic is more than `limit` times the reference's."""
        return self.statistic(candidate) > limit * self.statistic(reference)


def olive_average_ms(latencies: Floats) -> float:
    """Return Olive's average latency: the mean, rounded to five digits of a millisecond."""
    return round(float(np.mean(latencies)), 5)


METHODS = (
    Method(
        "mean of 20",
        Protocol.ROWS,
        lambda latencies: float(np.mean(latencies)),
        "a loop with time.perf_counter around it, as in most tutorials and release scripts",
    ),
    Method(
        "median of 20",
        Protocol.ROWS,
        lambda latencies: float(np.median(latencies)),
        "the same loop, with the median against outliers",
    ),
    Method(
        "pytest-benchmark min:5%",
        Protocol.SECOND,
        lambda latencies: float(np.min(latencies)),
        "pytest-benchmark 5.3.1, --benchmark-compare-fail=min:5% (utils.py,"
        " PercentageRegressionCheck) and its defaults: 1 s of rounds, 5 at least, no warm-up"
        " on CPython (plugin.py; fixture.py, _raw)",
    ),
    Method(
        "Olive's default",
        Protocol.REPEATS,
        olive_average_ms,
        "Olive 0.13.0, latency `avg` (evaluator/olive_evaluator.py, latency_helper) of the first"
        " batch, 10 warm-ups and 20 repeats (evaluator/metric_config.py; common/ort_inference.py,"
        " time_run), goal percent-max-degradation 5",
    ),
)


def sequential_samples(
    reference: Artifact, candidate: Artifact, texts: Sequence[str]
) -> dict[Protocol, tuple[Floats, Floats]]:
    """Take each protocol's samples: all of the reference's, then all of the candidate's."""
    taken = {}
    for protocol in Protocol:
        pair = [_take(artifact, texts, protocol) for artifact in (reference, candidate)]
        taken[protocol] = (pair[0], pair[1])
    return taken


def judgments(samples: dict[Protocol, tuple[Floats, Floats]], limit: float) -> dict[str, Any]:
    """Return by method whether it reports a regression, and its ratio."""
    by_method = {}
    for method in METHODS:
        reference, candidate = samples[method.protocol]
        by_method[method.name] = {
            "regressed": method.regressed(reference, candidate, limit),
            "ratio": round(method.statistic(candidate) / method.statistic(reference), 4),
            "samples": len(candidate),
        }
    return by_method


def second_of_rounds(first_ms: float) -> int:
    """Return the number of rounds of pytest-benchmark, by the first time."""
    return max(5, math.ceil(1000 / first_ms))


def _take(artifact: Artifact, texts: Sequence[str], protocol: Protocol) -> Floats:
    runtime = runs_in(artifact.format)
    with serve(Local(), Variant("model", artifact, runtime)) as worker:
        worker.ask("load", _TIMEOUT_S, row=texts[0])
        worker.ask("rows", _TIMEOUT_S, rows=list(texts))
        if protocol is Protocol.SECOND:
            return _run(worker, [0] * second_of_rounds(float(_run(worker, [0])[0])))
        rows = [place % len(texts) for place in range(REPEATS)]
        if protocol is Protocol.REPEATS:
            rows = [0] * REPEATS
        _run(worker, rows[:WARMUP])
        return _run(worker, rows)


def _run(worker: Worker, rows: list[int]) -> Floats:
    return np.array(worker.ask("run", _TIMEOUT_S, rows=rows)["latency_ms"])
