"""Percentiles of requests that arrive at a rate, against queues whose truth is known."""

from __future__ import annotations

import dataclasses
import math
from functools import cache

import numpy as np
import pytest

from profiles.budget import SERVER, metric_named
from profiles.gate import judge
from profiles.measurement import summarize
from profiles.server_load import server_latencies, unsettled
from profiles.statistics import Floats
from runtimes.samples import Samples, ServerRuns
from tests.profiles.simulated_gates import HERE, limited

_WORK_MS = 2.0


@cache
def _queues(utilization: float, seconds: float, count: int, seed: int) -> list[ServerRuns]:
    """Return what so many processes see of M/D/1 queues that begin empty (Lindley 1952)."""
    generator = np.random.default_rng(seed)
    per_s = round(1e3 * utilization / _WORK_MS)
    most = math.ceil(per_s * seconds + 8 * math.sqrt(per_s * seconds) + 10)
    due = np.cumsum(generator.exponential(1e3 / per_s, (count, most)), axis=1)
    waits, free = np.empty_like(due), np.zeros(count)
    for i in range(most):
        waits[:, i] = np.maximum(free - due[:, i], 0)
        free = np.maximum(free, due[:, i]) + _WORK_MS
    settling_ms, end_ms = 250 * seconds, 1e3 * seconds
    counted = (due >= settling_ms) & (due < end_ms)
    return [
        ServerRuns(
            process=process,
            per_s=per_s,
            seconds=0.75 * seconds,
            latency_ms=tuple(own[seen] + _WORK_MS),
            wait_ms=tuple(own[seen]),
        )
        for process, (own, seen) in enumerate(zip(waits, counted, strict=True))
    ]


def _samples(runs: list[ServerRuns]) -> Samples:
    return Samples("m", "r", "1", 1, (), (), (), (), (), 1.0, server_runs=tuple(runs))


@cache
def _truth_ms(utilization: float, q: float) -> float:
    long = _queues(utilization, 60, 300, 1)
    return float(np.quantile(_pooled(long), q))


def _pooled(runs: list[ServerRuns]) -> Floats:
    return np.concatenate([one.latency_ms for one in runs])


def _metric(name: str, runs: list[ServerRuns]) -> str:
    return f"server_latency_{name}_at_{runs[0].per_s}_per_s_ms"


@pytest.mark.parametrize("utilization", [0.3, 0.6, 0.8])
@pytest.mark.parametrize(("name", "q"), [("p50", 0.5), ("p90", 0.9), ("p99", 0.99)])
def test_bounds_hold_as_often_as_they_say(utilization: float, name: str, q: float) -> None:
    truth, gates, low, high = _truth_ms(utilization, q), 120, 0, 0
    seconds = 2.0 if utilization < 0.8 else 6.0
    every = _queues(utilization, seconds, 30 * gates, 5)
    for gate in range(gates):
        runs = every[30 * gate : 30 * gate + 30]
        seen = server_latencies(_samples(runs))[_metric(name, runs)](0.95)
        assert seen.upper is not None
        low += seen.lower is not None and seen.lower > truth + 1e-6
        high += seen.upper < truth - 1e-6
    assert max(low, high) / gates <= 0.12  # 5 % nominal; 12 of 120 are its 98th percentile


def test_a_queue_that_was_not_observed_for_long_enough_cannot_pass() -> None:
    """At a utilization of 0.95 two seconds from an empty queue show half of the true p99."""
    runs = _queues(0.95, 2.0, 30, 3)
    truth = _truth_ms(0.95, 0.99)
    metric = _metric("p99", runs)
    seen = server_latencies(_samples(runs))[metric](0.95)
    assert np.quantile(_pooled(runs), 0.99) < 0.8 * truth
    assert seen.upper is None
    assert "the queue takes" in seen.why
    assert seen.lower is not None
    assert seen.lower < truth
    verdict = judge(limited({metric: 0.9 * truth}), summarize(_samples(runs)), HERE)
    assert verdict.status.value == "INCONCLUSIVE"
    assert "the queue takes" in verdict.checks[0].why


def test_a_growing_queue_fails_and_no_limit_makes_it_pass() -> None:
    late = tuple(float(ms) for ms in range(500, 1500, 10))
    waits = tuple(ms - 20 for ms in late)
    runs = [ServerRuns(process, 100, 1.5, late, waits, 40) for process in range(12)]
    figures = summarize(_samples(runs))
    metric = "server_latency_p99_at_100_per_s_ms"
    for limit, status in ((100, "FAIL"), (1e6, "INCONCLUSIVE")):
        verdict = judge(limited({metric: limit}), figures, HERE)
        assert verdict.status.value == status
    assert "480 of 1200 requests were not answered" in unsettled(runs, 0.95)


def test_a_few_processes_do_not_show_that_none_is_slow() -> None:
    queues = _queues(0.3, 2.0, 30, 11)
    metric = _metric("p90", queues)
    twice = [dataclasses.replace(one, latency_ms=(4 * _WORK_MS,) * 100) for one in queues[:4]]
    twice = [dataclasses.replace(one, wait_ms=(0.0,) * 100) for one in twice]
    for runs, status in ((queues[:12], "INCONCLUSIVE"), (queues, "PASS")):
        verdict = judge(limited({metric: 3 * _WORK_MS}), summarize(_samples(runs)), HERE)
        assert verdict.status.value == status, verdict.checks[0].why
    slow = [*queues[4:], *twice]
    verdict = judge(limited({metric: 3 * _WORK_MS}), summarize(_samples(slow)), HERE)
    assert verdict.status.value != "PASS"


def test_a_model_that_may_be_too_slow_cannot_pass() -> None:
    runs = [ServerRuns(p, 100, 10.0, (9.5 + p / 4,) * 50, (0.0,) * 50) for p in range(6)]
    assert "too slow for the load: utilization up to 1.0" in unsettled(runs, 0.95)
    assert unsettled([dataclasses.replace(one, per_s=20) for one in runs], 0.95) == ""


def test_a_rate_at_which_nothing_arrived_says_how_many_are_needed() -> None:
    runs = [ServerRuns(process, 1, 1.5, (), ()) for process in range(3)]
    runs.append(ServerRuns(3, 1, 1.5, (5.0,), (0.0,)))
    seen = server_latencies(_samples(runs))["server_latency_p99_at_1_per_s_ms"](0.95)
    assert seen.value is seen.upper is None
    assert "needs 555 samples (have 1)" in seen.why


@pytest.mark.parametrize("name", ["p50", "p90", "p99"])
def test_the_metric_takes_any_rate(name: str) -> None:
    kind = metric_named(f"server_latency_{name}_at_50_per_s_ms")
    assert kind is not None
    assert (kind.unit, kind.side, kind.machine_bound) == ("ms", "max", True)
    for wrong in ("p95_at_50_per_s_ms", "p99_at_0_per_s_ms", "p99_at_100000_per_s_ms"):
        assert not SERVER.fullmatch(f"server_latency_{wrong}")
