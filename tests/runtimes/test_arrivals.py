"""Requests that arrive at a rate: a Poisson process, and the queue of the textbooks."""

from __future__ import annotations

import time
from collections.abc import Sequence
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from runtimes.arrivals import arrivals_s, serve_arrivals


def _working(work_s: float) -> Any:
    """Return a predictor whose every answer takes so long."""
    return SimpleNamespace(
        answer=lambda _row: time.sleep(work_s),
        task=SimpleNamespace(shown=lambda _answer, _row, _top: None),
    )


def test_arrivals_are_a_poisson_process() -> None:
    from scipy.stats import kstest

    due = arrivals_s(50, 400, "7/0/50")
    gaps = np.diff([0.0, *due])
    assert len(due) == pytest.approx(50 * 400, rel=0.03)
    assert kstest(gaps, "expon", args=(0, 1 / 50)).pvalue > 0.001
    after, before = gaps[1:], gaps[:-1]
    assert abs(np.corrcoef(after, before)[0, 1]) < 0.03
    counts = np.bincount(np.array(due, dtype=int))
    assert counts.var() / counts.mean() == pytest.approx(1, abs=0.25)


def test_a_seed_fixes_the_arrivals_and_another_changes_them() -> None:
    assert arrivals_s(50, 2, "a") == arrivals_s(50, 2, "a") != arrivals_s(50, 2, "b")
    assert arrivals_s(1, 0.001, "a") == []


def _overslept_ms() -> float:
    """Return how late the system wakes a process that sleeps; a busy machine takes long."""
    late = []
    for _ in range(30):
        begun = time.perf_counter()
        time.sleep(0.005)
        late.append(1e3 * (time.perf_counter() - begun) - 5)
    return float(np.median(late))


def _queue_waits(due: Sequence[float], work: Sequence[float]) -> list[float]:
    """Return what each request waits for (Lindley 1952): the end of the one before it."""
    free, waits = 0.0, []
    for arrival, own in zip(due, work, strict=True):
        waits.append(max(free - arrival, 0.0))
        free = max(free, arrival) + own
    return waits


@pytest.mark.parametrize("utilization", [0.3, 0.5, 0.8])
def test_such_arrivals_wait_as_in_an_m_d_1_queue(utilization: float) -> None:
    """The mean wait is u / (2 (1 - u)) times the work (Pollaczek & Khinchine)."""
    due = arrivals_s(100, 2000, f"{utilization}")
    waits = _queue_waits(due, [utilization / 100] * len(due))
    expected = utilization / (2 * (1 - utilization)) * utilization / 100
    assert np.mean(waits) == pytest.approx(expected, rel=0.1)
    assert np.mean(np.array(waits) > 0) == pytest.approx(utilization, abs=0.02)


@pytest.mark.alone
def test_a_request_waits_for_those_before_it_and_for_nothing_else() -> None:
    seen = serve_arrivals(_working(0.005), ["row"], 100, 3, 0, "queue")
    due = arrivals_s(100, 3, "queue")
    assert len(seen["wait_ms"]) == len(seen["latency_ms"]) == len(due)
    answered = len(due) - seen["unanswered"]  # a busy machine may oversleep
    due, waits = due[:answered], np.array(seen["wait_ms"][:answered])
    own = np.array(seen["latency_ms"][:answered]) - waits
    late = waits - 1e3 * np.array(_queue_waits(due, own / 1e3))
    assert seen["seconds"] == 3
    assert own.min() >= 5
    assert late.min() > -0.01
    assert np.median(late) < 1 + 3 * _overslept_ms()
    assert np.mean(waits) > 1


@pytest.mark.alone
def test_a_light_load_has_idle_gaps_and_no_queue() -> None:
    begun = time.process_time()
    seen = serve_arrivals(_working(0.001), ["row"], 20, 2, 0, "light")
    assert time.process_time() - begun < 0.5  # it sleeps, and does not spin
    assert 1 <= np.median(seen["latency_ms"]) < 3 + 6 * _overslept_ms()
    assert seen["inference_s"] > 1


@pytest.mark.alone
def test_the_queue_of_a_slow_model_grows_and_is_given_up() -> None:
    begun = time.perf_counter()
    seen = serve_arrivals(_working(0.05), ["row"], 100, 0.5, 0.1, "slow")
    assert time.perf_counter() - begun < 1.2
    assert seen["unanswered"] > 5
    assert max(seen["latency_ms"]) > 500
    assert seen["latency_ms"][-seen["unanswered"] :] == seen["wait_ms"][-seen["unanswered"] :]


def test_rows_are_asked_for_in_turn() -> None:
    asked: list[str] = []
    predictor = SimpleNamespace(
        answer=asked.append, task=SimpleNamespace(shown=lambda _answer, _row, _top: None)
    )
    seen = serve_arrivals(predictor, ["a", "b", "c"], 500, 0.1, 0, "turn")  # type: ignore[arg-type]
    assert asked == [["a", "b", "c"][i % 3] for i in range(len(asked))]
    assert len(asked) == len(seen["latency_ms"]) > 10
