"""The sustained ratio on simulated long processes whose truth is known."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import numpy as np
import pytest

from profiles.statistics import Floats
from profiles.sustained import FEWEST_BLOCKS, sustained_interval
from runtimes.samples import Block

LIMIT = 1.15
PROCESSES = 200
BLOCKS, RUNS = 960, 10
"""Four minutes, a block every quarter of a second, and a few of the runs of each."""


@dataclass(frozen=True, slots=True)
class Disturbance:
    """Describe what disturbs the blocks of a process.

    Their level is an AR(1) series with a standard deviation of 5 %, and `persistence` from block to
    block. A neighbor slows down a share of `bursts` by 30 %, for eight blocks on average.
    """

    persistence: float = 0.0
    bursts: float = 0.0


DISTURBANCES = {
    "independent": Disturbance(),
    "AR(1), 0.7": Disturbance(persistence=0.7),
    "AR(1), 0.95": Disturbance(persistence=0.95),
    "bursts": Disturbance(bursts=0.15),
    "both": Disturbance(persistence=0.9, bursts=0.1),
}


def _level(rng: np.random.Generator, persistence: float) -> Floats:
    steps = rng.normal(0, 0.05 * (1 - persistence**2) ** 0.5, BLOCKS)
    level = np.empty(BLOCKS)
    level[0] = rng.normal(0, 0.05)
    for place in range(1, BLOCKS):
        level[place] = persistence * level[place - 1] + steps[place]
    return level


def _in_burst(rng: np.random.Generator, share: float) -> Floats:
    if not share:
        return np.zeros(BLOCKS)
    turns = rng.exponential(8.0, 400) * np.tile([(1 - share) / share, 1.0], 200)
    busy: Floats = (np.searchsorted(np.cumsum(turns), np.arange(BLOCKS)) % 2).astype(float)
    return busy


def _process(kind: Disturbance, seed: int) -> list[Block]:
    """Simulate a process that keeps its speed."""
    rng = np.random.default_rng(seed)
    pace = np.exp(_level(rng, kind.persistence)) * (1 + 0.3 * _in_burst(rng, kind.bursts))
    rows = 0.4 + 0.6 * np.exp(rng.normal(0, 0.5, (BLOCKS, RUNS)))
    ms = rows * pace[:, None] * (1 + 0.03 * rng.standard_exponential((BLOCKS, RUNS)))
    clean = (False,) * RUNS
    return [
        Block(0, order, tuple(latencies), clean, (1.0, 1.0))
        for order, latencies in enumerate(ms.tolist())
    ]


@cache
def _lowers(kind: str) -> Floats:
    """Return the lower bounds of processes that keep their speed.

    One that is slower by some ratio in its last third has that many times the bound.
    """
    processes = (_process(DISTURBANCES[kind], seed) for seed in range(PROCESSES))
    return np.array([sustained_interval(process, 0.95).lower for process in processes])


@pytest.mark.parametrize("kind", DISTURBANCES)
def test_a_slowdown_of_twice_the_excess_is_found(kind: str) -> None:
    """Four processes with two clusters a third found 5 of 40."""
    assert np.mean(1.30 * _lowers(kind) > LIMIT) >= 0.8


@pytest.mark.parametrize("kind", DISTURBANCES)
def test_a_machine_at_its_limit_seldom_fails(kind: str) -> None:
    most = 0.05 + 3.1 * (0.05 * 0.95 / PROCESSES) ** 0.5
    assert np.mean(LIMIT * _lowers(kind) > LIMIT) <= most
    assert not np.any(_lowers(kind) > LIMIT)


def test_a_short_process_is_refused() -> None:
    bound = sustained_interval(_process(Disturbance(), 0)[: FEWEST_BLOCKS - 1], 0.95)
    assert bound.value is None
    assert bound.why == "needs 24 blocks of one long process (have 23)"


def test_a_process_that_never_varies_is_exactly_as_fast() -> None:
    still = [Block(0, order, (1.0, 1.0), (False, False), (1.0, 1.0)) for order in range(60)]
    bound = sustained_interval(still, 0.95)
    assert (bound.lower, bound.value, bound.upper) == (1.0, 1.0, 1.0)
