"""Simulated sessions of two models whose true figures are known.

Both run the same rows, whose lengths differ, so that latencies are wide and skewed. Each fresh
process has a random memory layout (1.5 %), each block its own level (0.8 %), each run its noise. A
machine adds effects on both: heavy tails, drift, throttling, preemption. A candidate may be slower
in some of its processes, or in blocks in which it slows the core itself.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cache

import numpy as np
from numpy.typing import NDArray

from compress.judge.tiers import TIERS
from profiles.measurement import Figures, summarize
from profiles.statistics import Interval
from runtimes.samples import Block, Samples

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]

CI = TIERS["ci"]
PLACES, RUNS = 4, 20
"""Blocks of a process and runs of a block: few, so that thousands of gates take minutes."""

LAYOUT, LEVEL, NOISE = 0.015, 0.008, 0.03
ROWS = 1_000
THROTTLED_PACE = 1.35
BURST_PACE, BURST_BLOCKS = 1.3, 6.0


@dataclass(frozen=True, slots=True)
class SimulatedMachine:
    """Describe a machine's effects on everything that runs on it.

    `tail` is the share of runs with a Pareto delay (exponent 1.5), `drift` how much slower it is by
    the end of the longest session, `throttled` the share of sessions in which it slows down for
    good half-way through the first look, `preempted` the share of preempted runs: 5 % of those are
    missed, and 1 % of the others are flagged by mistake. With `cool_blocks` every session slows
    down to `pace` after so many blocks of each variant. `bursts` is the share of the time
    in which a neighbor slows the core to BURST_PACE, for six blocks on average.
    """

    tail: float = 0.0
    drift: float = 0.0
    throttled: float = 0.0
    preempted: float = 0.0
    cool_blocks: int | None = None
    pace: float = THROTTLED_PACE
    bursts: float = 0.0


@dataclass(frozen=True, slots=True)
class SimulatedCandidate:
    """Describe what the candidate alone does; by default it is as fast as the reference.

    A share of `slow_processes` takes `process_factor` times as long. In a share of `slowing_blocks`
    it slows the core by `block_factor`, which the probe after the block shows; where `it_lingers`,
    the core is still slow at the probe before the next block.
    """

    slow_processes: float = 0.0
    process_factor: float = 1.0
    slowing_blocks: float = 0.0
    block_factor: float = 1.0
    it_lingers: bool = False


EQUAL = SimulatedCandidate()


MACHINES = {
    "calm": SimulatedMachine(),
    "heavy tail": SimulatedMachine(tail=0.05),
    "drift": SimulatedMachine(drift=0.08),
    "throttled": SimulatedMachine(throttled=1.0),
    "preempted": SimulatedMachine(preempted=0.3),
    "mix": SimulatedMachine(tail=0.02, drift=0.04, throttled=0.3, preempted=0.15),
}


@dataclass(frozen=True, slots=True)
class Raw:
    """Hold what a candidate and a reference showed; axes are variant, process, place and run.

    `slot` is each block's place in the session; `probe_ms` is before and after each block.
    """

    first_process: int
    latency_ms: Floats
    flagged: Bools
    probe_ms: Floats
    throttled: Bools
    slot: NDArray[np.int64]


class SimulatedSession:
    """Show two models, equally fast by default, look by look as the ci tier takes them."""

    def __init__(
        self, machine: SimulatedMachine, seed: int, candidate: SimulatedCandidate = EQUAL
    ) -> None:
        rng = np.random.default_rng(seed)
        throttles = rng.random() < machine.throttled
        middle = CI.looks[0] * PLACES  # of twice as many blocks, both variants'
        self._machine = machine
        self._candidate = candidate
        self._seed = seed
        self._throttles_at = middle + float(rng.uniform(-4, 4)) if throttles else math.inf
        if machine.cool_blocks is not None:
            self._throttles_at = 2.0 * machine.cool_blocks
        self._shows_throttling = rng.random() < 0.5  # a machine may not report it
        self._samples: list[tuple[Samples, Samples]] = []
        self._figures: list[Figures] = []

    def figures(self, look: int) -> Figures:
        """Return what is known after a look (0 is the first) of the ci tier."""
        while len(self._figures) <= look:
            self._look(len(self._figures))
        return self._figures[look]

    def _look(self, number: int) -> None:
        before = CI.looks[number - 1] if number else 0
        pair = both(self.raw(CI.looks[number] - before, before))
        if self._samples:
            known = self._samples[-1]
            pair = (_longer(known[0], pair[0]), _longer(known[1], pair[1]))
        self._samples.append(pair)
        self._figures.append(summarize(*pair))

    def raw(self, processes: int, first_process: int = 0) -> Raw:
        """Draw some processes of both models."""
        rng, machine = np.random.default_rng([self._seed, first_process]), self._machine
        shape = (2, processes, PLACES, RUNS)
        slot = _slots(rng, processes) + 2 * PLACES * first_process
        level = rng.normal(0, LAYOUT, (2, processes, 1)) + rng.normal(0, LEVEL, shape[:3])
        ms = _row_ms()[_rows(rng, shape[1:])] * np.exp(level)[..., None]
        ms *= 1 + NOISE * rng.standard_exponential(shape)
        if machine.tail:
            ms += (rng.random(shape) < machine.tail) * rng.pareto(1.5, shape)
        ms *= self._pace(slot, np.arange(RUNS) / RUNS)
        probe_ms = self._probe(rng, slot)
        if self._candidate is not EQUAL:
            self._slow_down(rng, ms, probe_ms, slot)
        flagged = np.zeros(shape, dtype=bool)
        if machine.preempted:
            flagged = _preempt(rng, machine.preempted, ms)
        throttled = (slot + 1 > self._throttles_at) & self._shows_throttling
        return Raw(first_process, ms, flagged, probe_ms, throttled, slot)

    def _slow_down(
        self, rng: np.random.Generator, ms: Floats, probe_ms: Floats, slot: NDArray[np.int64]
    ) -> None:
        """Slow the candidate down in place: variant 0."""
        own = self._candidate
        slow = rng.random(ms.shape[1]) < own.slow_processes
        ms[0, slow] *= own.process_factor
        slowing = rng.random(ms.shape[1:3]) < own.slowing_blocks
        ms[0, slowing] *= own.block_factor
        probe_ms[0, slowing, 1] *= own.block_factor
        if own.it_lingers:
            after = np.isin(slot, slot[0][slowing] + 1)
            probe_ms[after, 0] *= own.block_factor

    def _pace(self, slot: NDArray[np.int64], within: Floats) -> Floats:
        """Return how much longer everything takes, at the places `within` each block (0 to 1)."""
        at = slot[..., None] + within
        drift = 1 + self._machine.drift * at / (2 * PLACES * CI.looks[-1])
        pace: Floats = drift * np.where(at >= self._throttles_at, self._machine.pace, 1.0)
        if self._machine.bursts:
            pace = pace * np.where(self._in_burst(at), BURST_PACE, 1.0)
        return pace

    def _in_burst(self, at: Floats) -> Bools:
        """Tell whether a neighbor is busy: it is idle and busy in turn, each for random times."""
        share, rng = self._machine.bursts, np.random.default_rng([self._seed, 1, 1])
        slots = 2 * PLACES * CI.looks[-1]
        turns = 2 * int(slots / BURST_BLOCKS) + 20
        idle = BURST_BLOCKS * (1 - share) / share
        ends = np.cumsum(rng.exponential(1.0, turns) * np.tile([idle, BURST_BLOCKS], turns // 2))
        busy: Bools = np.searchsorted(ends, at) % 2 == 1
        return busy

    def _probe(self, rng: np.random.Generator, slot: NDArray[np.int64]) -> Floats:
        """Probe the pace, 1 % off, and once in a hundred times preempted."""
        pace = self._pace(slot, np.array([0.0, 1.0]))
        probes: Floats = pace * np.exp(rng.normal(0, 0.01, pace.shape))
        return probes * (1 + 0.3 * (rng.random(pace.shape) < 0.01))


def _preempt(rng: np.random.Generator, share: float, ms: Floats) -> Bools:
    """Delay runs in place, long ones more often; return which were flagged."""
    load = share * rng.uniform(0.5, 1.5, (1, ms.shape[1], 1, 1))
    preempted = rng.random(ms.shape) < load * np.minimum(ms, 2)
    ms += preempted * rng.exponential(2.0, ms.shape)
    luck = rng.random(ms.shape)
    return np.where(preempted, luck > 0.05, luck < 0.01)


@cache
def _row_ms() -> Floats:
    """Return each row's latency: part of it fixed, part by its length in tokens."""
    tokens = np.clip(np.random.default_rng(0).lognormal(np.log(12), 0.5, ROWS), 4, 64)
    row_ms: Floats = 0.4 + 0.6 * tokens / tokens.mean()
    return row_ms


def _rows(rng: np.random.Generator, shape: Sequence[int]) -> NDArray[np.int64]:
    """Go through all rows in a new order each time."""
    runs = int(np.prod(shape))
    orders = [rng.permutation(ROWS) for _ in range(-(-runs // ROWS))]
    return np.concatenate(orders)[:runs].reshape(shape)


def _slots(rng: np.random.Generator, processes: int) -> NDArray[np.int64]:
    """Order the two variants' blocks: ABBA within each process, which of them is A by chance."""
    first = rng.integers(0, 2, (processes, 1))
    second = (first + np.arange(PLACES)) % 2
    pairs = 2 * np.arange(processes * PLACES).reshape(processes, PLACES)
    return np.stack([pairs + second, pairs + 1 - second])


def both(raw: Raw) -> tuple[Samples, Samples]:
    """Return what was drawn as samples of both models."""
    return _samples(raw, 0), _samples(raw, 1)


def _samples(raw: Raw, variant: int) -> Samples:
    seen = (raw.latency_ms, raw.flagged, raw.probe_ms, raw.throttled, raw.slot)
    columns = (one[variant].reshape(-1, *one.shape[3:]).tolist() for one in seen)
    blocks = tuple(
        Block(
            process=raw.first_process + number // PLACES,
            order=slot,
            latency_ms=tuple(ms),
            contaminated=tuple(flagged),
            probe_ms=(probe_ms[0], probe_ms[1]),
            place=number % PLACES,
            throttled=throttled,
        )
        for number, (ms, flagged, probe_ms, throttled, slot) in enumerate(
            zip(*columns, strict=True)
        )
    )
    return Samples("m", "onnxruntime", "1", 1, blocks, (), (), (), (), 1.0)


def _longer(first: Samples, more: Samples) -> Samples:
    """Return what `joined` does, where blocks have their places in the whole session already."""
    return replace(first, blocks=first.blocks + more.blocks)


@cache
def true_quantile(machine: SimulatedMachine, q: float, processes: int = CI.looks[-1]) -> float:
    """Return a latency's q-quantile over many sessions, at a speed without throttling."""
    cool = replace(machine, throttled=0.0)
    sessions = (SimulatedSession(cool, 10**6 + seed) for seed in range(2_400 // processes))
    whole = [session.raw(processes).latency_ms.ravel() for session in sessions]
    return float(np.quantile(np.concatenate(whole), q))


def block_bootstrap(
    blocks: Floats,
    statistic: Callable[[Floats], Floats],
    confidence: float,
    rng: np.random.Generator,
    resamples: int = 400,
) -> Interval:
    """Bound a statistic by resampling whole blocks, shape (blocks, …): the percentile bootstrap.

    `statistic` maps (resamples, blocks, …) to (resamples,). Davison & Hinkley 1997, "Bootstrap
    Methods and their Application", §3.8.
    """
    picked = rng.integers(0, len(blocks), (resamples, len(blocks)))
    lower, upper = np.quantile(statistic(blocks[picked]), [1 - confidence, confidence])
    return Interval(float(statistic(blocks[None])[0]), float(lower), float(upper), blocks.size)
