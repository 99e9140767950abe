"""The bound on the share of slow processes."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from profiles.budget import Budget
from profiles.checking import Bench, Circumstances
from profiles.measurement import Figures
from profiles.slow_processes import (
    MOST_SLOW,
    allowed_slow,
    processes_needed,
    share_at_most,
    slow_processes,
)
from profiles.statistics import Interval
from profiles.verdict import Check, Status

RATIO = Budget(metric="latency_p50_ratio", max=1.05)


def _check(values: list[float], looks: tuple[int, ...] = ()) -> Check:
    figures = Figures(
        {"latency_p50_ratio": lambda _confidence: Interval(1.0, 0.99, 1.01, 900)},
        processes={"latency_p50_ratio": lambda: tuple(values)},
    )
    return Bench(figures, Circumstances(looks=looks)).check(RATIO, fell=False)


@pytest.mark.parametrize(
    ("slow", "processes", "passes"),
    [(0, 28, False), (0, 29, True), (1, 45, False), (1, 46, True), (2, 60, False), (2, 61, True)],
)
def test_a_pass_needs_so_many_processes(slow: int, processes: int, passes: bool) -> None:
    check = _check([1.5] * slow + [1.0] * (processes - slow))
    assert (check.status is Status.PASS) is passes
    assert processes_needed(slow, 0.95) == (processes if passes else processes + 1)


def test_it_says_how_many_are_slow() -> None:
    assert _check([1.0] * 29 + [1.06]).why == "slowest process 1.06×"
    few = _check([1.0] * 12)
    assert few.doubt is not None
    assert (few.doubt.cause, few.doubt.noun, few.doubt.needed) == (
        "slow processes",
        "processes",
        29,
    )
    assert few.why == "none of 12 processes slow: up to 22 % of processes may be (limit 10 %)"
    slow = _check([1.0] * 27 + [1.3, 1.4, 1.52])
    assert slow.why == (
        "3 of 30 processes slow, the worst 1.52×: up to 24 % of processes may be (limit 10 %)"
    )


def test_a_process_within_the_limit_is_not_slow() -> None:
    values = [0.4] * 29 + [0.8]
    seen = slow_processes(values, RATIO)
    assert (seen.slow, seen.worst) == (0, 2.0)
    speedup = Budget(metric="speedup", min=2.0)
    assert slow_processes([3.0] * 29 + [1.9], speedup).slow == 1
    assert slow_processes([3.0] * 29 + [2.1], speedup).slow == 0


def test_looks_together_spend_the_risk_once() -> None:
    """Tier ci passes with none slow of 30; one of 46 would make a wrong PASS 7 % likely."""
    assert allowed_slow((12, 30, 46), 0.95) == (-1, 0, 0)
    assert allowed_slow((12, 32, 52), 0.95) == (-1, 0, 1)
    assert allowed_slow((30, 60, 90), 0.95) == (0, 1, 2)


@settings(max_examples=15, deadline=None)
@given(st.lists(st.integers(1, 40), min_size=1, max_size=4), st.sampled_from([0.9, 0.95, 0.99]))
def test_no_looks_pass_too_often_where_a_tenth_is_slow(fresh: list[int], confidence: float) -> None:
    looks = tuple(int(count) for count in np.cumsum(fresh))
    allowed = allowed_slow(looks, confidence)
    rng = np.random.default_rng(0)
    slow = rng.random((4_000, looks[-1])) < MOST_SLOW
    passed = [
        slow[:, :count].sum(axis=1) <= most for count, most in zip(looks, allowed, strict=True)
    ]
    risk = 1 - confidence
    assert np.any(passed, axis=0).mean() <= risk + 4 * (risk / 4_000) ** 0.5


@given(st.integers(0, 30), st.integers(1, 100), st.floats(0.5, 0.999))
def test_the_bound_is_clopper_and_pearsons(slow: int, processes: int, confidence: float) -> None:
    from scipy.stats import binom

    share = share_at_most(min(slow, processes), processes, confidence)
    if slow < processes:
        assert binom.cdf(slow, processes, share) == pytest.approx(1 - confidence, abs=1e-6)
    else:
        assert share == 1.0
