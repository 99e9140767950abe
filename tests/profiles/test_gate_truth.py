"""The gate against simulated sessions whose truth is known: how often is it wrong?"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from functools import cache

import numpy as np
import pytest
from numpy.typing import NDArray

from profiles.device import DeviceProfile
from profiles.gate import Status, judge
from profiles.measurement import Measurement, summarise
from profiles.probe import probe
from runtimes.measure import Block, Samples

Floats = NDArray[np.float64]

PROCESSES, PLACES, RUNS = 4, 5, 30
GATES = 150
HERE = probe()


class Session:
    """Simulate one session of two variants; the reference is `ratio` times as slow."""

    def __init__(self, kind: str, seed: int, ratio: float) -> None:
        self.rng = np.random.default_rng(seed)
        shape = (PROCESSES, PLACES, RUNS)
        progress = np.arange(PROCESSES * PLACES).reshape(PROCESSES, PLACES, 1)
        self.pace = np.ones((PROCESSES, PLACES, 1))
        if kind == "drift":
            self.pace = 1 + 0.03 * progress / progress.max()
        if kind == "throttled":
            self.pace = np.where(progress >= progress.size / 2, 1.4, 1.0)
        self.preempted = 0.3 if kind == "preempted" else 0.0
        self.tail = 0.05 if kind == "heavy tail" else 0.0
        self.candidate = self._samples(shape, 1.0)
        self.reference = self._samples(shape, ratio)

    def _samples(self, shape: tuple[int, int, int], ms: float) -> Samples:
        rng = self.rng
        level = rng.normal(0, 0.01, (shape[0], 1, 1)) + rng.normal(0, 0.01, (*shape[:2], 1))
        latency = ms * np.exp(level) * (1 + 0.05 * rng.standard_gamma(1, shape))
        latency = latency + ms * (rng.random(shape) < self.tail) * rng.pareto(1.5, shape)
        dirty = rng.random(shape) < self.preempted
        latency = self.pace * latency + dirty * rng.exponential(2.0, shape)
        return _samples(latency, dirty, self.pace)


def _samples(latency: Floats, dirty: NDArray[np.bool_], pace: Floats) -> Samples:
    blocks = tuple(
        Block(
            process=process,
            order=2 * (process * PLACES + place),
            latency_ms=tuple(latency[process, place].tolist()),
            contaminated=tuple(dirty[process, place].tolist()),
            probe_ms=(float(pace[process, place, 0]),) * 2,
            place=place,
            rows=tuple(range(RUNS)),
        )
        for process in range(PROCESSES)
        for place in range(PLACES)
    )
    return Samples("m", "onnxruntime", "1", 1, blocks, (), (), (), (), 1.0)


@cache
def _true_p90(kind: str) -> float:
    """Return the p90 of a long session at the speed of a machine that is not throttled."""
    steady = "calm" if kind == "throttled" else kind
    sessions = [Session(steady, seed, 1.0).candidate for seed in range(10_000, 10_150)]
    values = [block.latency_ms for samples in sessions for block in samples.blocks]
    return float(np.quantile(np.concatenate(values), 0.9))


def _tally(kind: str, metric: str, limit: float, ratio: float = 2.0) -> Counter[Status]:
    side = "max" if metric == "latency_p90_ms" else "min"
    profile = DeviceProfile.model_validate(
        {"schema": 1, "name": "sim", "budgets": {metric: {side: limit}}}
    )
    return Counter(judge(profile, figures, HERE).status for figures in _measured(kind, ratio))


@cache
def _measured(kind: str, ratio: float) -> list[tuple[Measurement, ...]]:
    sessions = (Session(kind, seed, ratio) for seed in range(GATES))
    return [summarise(session.candidate, session.reference) for session in sessions]


KINDS = pytest.mark.parametrize("kind", ["calm", "heavy tail", "drift", "throttled", "preempted"])
CASES: dict[str, tuple[str, Callable[[str, float], float]]] = {
    "p90": ("latency_p90_ms", lambda kind, room: _true_p90(kind) * room),
    "speed-up": ("speedup", lambda _kind, room: 2.0 / room),
}


@KINDS
@pytest.mark.parametrize("case", CASES)
def test_a_budget_met_with_room_does_not_fail(kind: str, case: str) -> None:
    metric, limit = CASES[case]
    assert _tally(kind, metric, limit(kind, 1.1))[Status.FAIL] <= 0.01 * GATES


@KINDS
@pytest.mark.parametrize("case", CASES)
def test_a_budget_missed_by_a_tenth_does_not_pass(kind: str, case: str) -> None:
    metric, limit = CASES[case]
    assert _tally(kind, metric, limit(kind, 1 / 1.1))[Status.PASS] <= 0.05 * GATES


@KINDS
def test_equals_are_no_regression(kind: str) -> None:
    assert _tally(kind, "speedup", 0.95, ratio=1.0)[Status.FAIL] <= 0.01 * GATES


def test_the_gate_does_decide() -> None:
    """Never being wrong is easy for one that never decides."""
    assert _tally("calm", "latency_p90_ms", 1.1 * _true_p90("calm"))[Status.PASS] > 0.9 * GATES
    assert _tally("preempted", "speedup", 2 / 1.1)[Status.PASS] > 0.9 * GATES
    assert _tally("preempted", "speedup", 2 * 1.1)[Status.FAIL] > 0.9 * GATES
