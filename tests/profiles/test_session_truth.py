"""Sessions in which the machine or the candidate misleads: what must not pass, seldom does."""

from __future__ import annotations

from collections import Counter

import pytest

from profiles.gate import Circumstances, Status, judge
from profiles.measurement import summarize
from tests.profiles.simulated import (
    CI,
    MACHINES,
    PLACES,
    SimulatedCandidate,
    SimulatedMachine,
    SimulatedSession,
    both,
    true_quantile,
)
from tests.profiles.simulated_gates import HERE, gate_all, limited, statuses

GATES = 120
CALM = MACHINES["calm"]
REGRESSION = {"latency_p50_ratio": 1.05, "latency_p90_ratio": 1.10}

# A machine that throttles


def test_a_machine_that_throttles_passes_no_latency() -> None:
    """A quarter of the session is cool; then everything takes 1.6 times as long.

    While only blocks at full pace counted, 200 gates of 200 passed.
    """
    processes = CI.looks[-1]
    limit = 1.3 * true_quantile(CALM, 0.9)
    profile = limited({"latency_p90_ms": limit})
    hot = SimulatedMachine(cool_blocks=processes * PLACES // 4, pace=1.6)
    seen: Counter[tuple[Status, str]] = Counter()
    for seed in range(GATES):
        figures = summarize(*both(SimulatedSession(hot, seed).raw(processes)))
        (check,) = judge(profile, figures, HERE, Circumstances(looks=(processes,))).checks
        seen[check.status, check.doubt.cause if check.doubt else ""] += 1
    passed = sum(count for (status, _), count in seen.items() if status is Status.PASS)
    assert passed <= 0.05 * GATES
    assert seen[Status.INCONCLUSIVE, "slowed"] >= 0.7 * GATES  # in others its bounds are wide


# A candidate that slows the core itself


@pytest.mark.parametrize("it_lingers", [False, True])
def test_a_candidate_that_slows_the_core_does_not_hide_it(it_lingers: bool) -> None:
    """45 % of its blocks take 14 % longer; the probe after each of them shows it.

    While blocks were left out for their probes, 200 gates of 200 passed.
    """
    candidate = SimulatedCandidate(slowing_blocks=0.45, block_factor=1.14, it_lingers=it_lingers)
    seen = statuses(limited(REGRESSION), CALM, candidate, range(GATES))
    assert seen[Status.PASS] <= 0.05 * GATES


# A candidate that is slow in some of its processes

MIXTURES = pytest.mark.parametrize(("share", "factor"), [(0.2, 1.5), (0.1, 2.0)])


@MIXTURES
@pytest.mark.parametrize("metric", ["latency_p90_ratio", "speedup"])
def test_slow_processes_do_not_pass(share: float, factor: float, metric: str) -> None:
    """10 % slower in the mean, at a limit of 10 %: most processes are as fast as the reference.

    By the mean alone, 67 and 114 gates of 200 passed. Where a tenth is slow, 4 % pass: 0.9^30.
    """
    limit = {"speedup": 1 / 1.1}.get(metric, 1.1)
    candidate = SimulatedCandidate(slow_processes=share, process_factor=factor)
    seen = statuses(limited({metric: limit}), CALM, candidate, range(GATES))
    assert seen[Status.PASS] <= (0.05 + 3.1 * (0.05 * 0.95 / GATES) ** 0.5) * GATES


# Several profiles


def test_several_profiles_at_the_limit_keep_the_risk_of_one() -> None:
    """Judged anew at each look, 10 sessions of 300 had a FAIL that a later look took back."""
    gates = 120
    limits = {
        "latency_p50_ms": true_quantile(CALM, 0.5),
        "latency_p90_ms": true_quantile(CALM, 0.9),
        "speedup": 1.0,
        "latency_p90_ratio": 1.0,
    }
    profiles = [limited({metric: limit}) for metric, limit in limits.items()]
    failed = reversed_ = 0
    for seed in range(gates):
        looks = gate_all(profiles, SimulatedSession(CALM, seed))
        ever = [any(row[n].status is Status.FAIL for row in looks) for n in range(len(profiles))]
        last = [verdict.status is Status.FAIL for verdict in looks[-1]]
        reversed_ += ever != last
        failed += any(last)
    assert reversed_ == 0
    assert failed <= (0.05 + 3.1 * (0.05 * 0.95 / gates) ** 0.5) * gates
