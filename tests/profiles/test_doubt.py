"""The number of samples that would decide a check: it does, four times of five."""

from __future__ import annotations

import functools
from collections.abc import Callable

import numpy as np
import pytest

from profiles.budget import Budget
from profiles.deciding import samples_to_decide
from profiles.doubt import doubt_of
from profiles.measurement import Figures
from profiles.paired import paired_retention
from profiles.scores import RowScores
from profiles.statistics import Interval, clustered_interval, mean_interval

FEWEST, MOST = 0.75, 0.95
"""The share of checks that the number decides, where the truth is what was seen."""
SHARE = 0.4
"""The share of the risk that a look spends."""

Draw = Callable[[np.random.Generator, int, float], Interval]
"""Bound a figure, from a number of processes and with a confidence."""


def _needed(budget: Budget, bound: Callable[[float], Interval], share: float) -> int:
    figure = Figures({budget.metric: bound}).at(budget.metric, budget.confidence, share)
    assert figure is not None
    needed = doubt_of(budget, figure).needed
    assert needed is not None
    return needed


def _same(interval: Interval, _confidence: float) -> Interval:
    return interval


def _decided(budget: Budget, interval: Interval) -> bool:
    assert interval.lower is not None
    assert interval.upper is not None
    return not interval.lower <= budget.limit <= interval.upper


def _ratios(rng: np.random.Generator, processes: int, confidence: float) -> Interval:
    """Bound a true ratio of 1 by processes that spread by 5 %."""
    return mean_interval(np.exp(rng.normal(0, 0.05, processes)), confidence)


def _latencies(rng: np.random.Generator, processes: int, confidence: float) -> Interval:
    """Bound a median of 1 by processes of 40 runs, which spread by 2 %."""
    level = rng.normal(0, 0.02, (processes, 1))
    samples = np.exp(level + rng.normal(0, 0.03, (processes, 40)))
    return clustered_interval(list(samples), 0.5, confidence)


@pytest.mark.parametrize(
    ("metric", "draw", "spread", "processes", "fewest"),
    [
        ("latency_p50_ratio", _ratios, 0.05, 12, FEWEST),
        ("latency_p50_ratio", _ratios, 0.05, 30, FEWEST),
        ("latency_p50_ms", _latencies, 0.02, 30, 0.6),  # batches of neighbors stay as few
    ],
)
@pytest.mark.parametrize("errors", [0.8, 1.5])
def test_so_many_processes_decide_it_four_times_of_five(
    metric: str, draw: Draw, spread: float, processes: int, fewest: float, errors: float
) -> None:
    """The limit lies some standard errors of the first session from the truth."""
    rng = np.random.default_rng(4)
    limit = float(np.exp(errors * spread / processes**0.5))
    budget = Budget(metric=metric, max=limit)
    confidence = 1 - 0.05 * SHARE
    needed, have = _mean_needed(budget, draw, rng, processes)
    later = round(processes * needed / have)
    decided = [_decided(budget, draw(rng, later, confidence)) for _ in range(300)]
    assert fewest <= np.mean(decided) <= MOST


def _mean_needed(
    budget: Budget, draw: Draw, rng: np.random.Generator, processes: int
) -> tuple[float, int]:
    """Return the mean number that sessions ask for which see the truth, and what they have."""
    asked: list[int] = []
    have = 1
    while len(asked) < 150:
        interval = draw(rng, processes, 1 - (1 - budget.confidence) * SHARE)
        assert interval.value is not None
        sees_truth = abs(np.log(interval.value)) < 0.1 * np.log(budget.limit)
        if sees_truth and not _decided(budget, interval):
            asked.append(_needed(budget, functools.partial(_same, interval), SHARE))
            have = interval.samples
    return float(np.mean(asked)), have


@pytest.mark.parametrize(("limit", "side"), [(0.97, "below"), (0.995, "above")])
def test_so_many_rows_decide_retention_four_times_of_five(limit: float, side: str) -> None:
    """A model that keeps 98 to 99 % of what the other has right; 300 rows were given."""
    lost, gained = (0.02, 0.005) if side == "below" else (0.025, 0.005)
    cells = np.array([0.93 - lost, gained, lost, 0.07 - gained])
    budget = Budget(metric="accuracy_retention", min=limit)

    def bound(counts: np.ndarray) -> Callable[[float], Interval]:
        code = np.repeat([3, 2, 1, 0], counts)
        mine, theirs = RowScores.right(code >= 2), RowScores.right(code % 2 == 1)
        return lambda confidence: paired_retention(mine, theirs, confidence, 1)

    rows = _needed(budget, bound(np.round(cells * 400).astype(int)), 1.0)
    rng = np.random.default_rng(8)
    draws = (bound(rng.multinomial(rows, cells))(0.95) for _ in range(300))
    assert FEWEST <= np.mean([_decided(budget, draw) for draw in draws]) <= MOST


def test_a_figure_says_the_confidence_that_it_was_bounded_with() -> None:
    asked: list[float] = []

    def bound(confidence: float) -> Interval:
        asked.append(confidence)
        return Interval(1.0, 0.9, 1.1, 10)

    for metric, used in (("latency_p90_ms", 1 - 0.05 * SHARE), ("accuracy", 0.95)):
        figure = Figures({metric: bound}).at(metric, 0.95, SHARE)
        assert figure is not None
        assert figure.confidence == asked[-1] == pytest.approx(used)
        assert figure.side == "each"
        assert figure.to_json()["side"] == "each"
    size = Figures({"artifact_mb": Interval(9, 9, 9, 1)}).at("artifact_mb", 0.95, 0.4)
    assert size is not None
    assert (size.confidence, size.side) == (None, None)


def test_few_degrees_of_freedom_make_no_larger_number() -> None:
    """A t-bound of 5 processes is far off because they are few, not because they differ."""
    few = samples_to_decide(5, 3.0, 1.0, 0.98, freedom=4)
    normal = samples_to_decide(5, 3.0, 1.0, 0.98)
    assert few < normal
    assert samples_to_decide(5000, 3.0, 1.0, 0.98, freedom=4999) == pytest.approx(
        samples_to_decide(5000, 3.0, 1.0, 0.98), rel=0.01
    )
