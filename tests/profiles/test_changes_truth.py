"""Change points against simulated truth: false ones on noise, power, dates and sizes."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.stats import binom

from profiles.changes import Change, Setting, change_points

Floats = NDArray[np.float64]
Noise = Callable[[np.random.Generator, int], Floats]

NOISE: dict[str, Noise] = {
    "normal": lambda g, n: g.normal(0, 0.02, n),
    "heavy tails": lambda g, n: 0.02 * g.standard_t(2, n),
    "skewed": lambda g, n: g.exponential(0.02, n),
    "two modes": lambda g, n: g.normal(0, 0.01, n) + 0.05 * (g.random(n) < 0.3),
}


def alone(entries: int) -> Setting:
    return Setting([""] * entries, list(range(entries)))


def found(logs: Floats, setting: Setting | None = None, seed: int = 7) -> tuple[Change, ...]:
    setting = setting or alone(len(logs))
    return change_points({"x": np.exp(logs)}, setting, seed=seed)["x"]


def at_most(count: int, trials: int, share: float) -> bool:
    """Tell whether so many of the trials are compatible with a share of at most so much."""
    return float(binom.sf(count - 1, trials, share)) > 0.001


def at_least(count: int, trials: int, share: float) -> bool:
    return float(binom.cdf(count, trials, share)) > 0.001


@pytest.mark.parametrize("kind", NOISE)
def test_noise_shows_a_change_in_one_of_twenty_series_at_most(kind: str) -> None:
    generator, trials = np.random.default_rng(1), 150
    series = [NOISE[kind](generator, 30) for _ in range(trials)]
    assert at_most(sum(bool(found(row)) for row in series), trials, 0.05)


def test_many_flat_series_together_show_no_more() -> None:
    generator, trials = np.random.default_rng(2), 100
    false = 0
    for _ in range(trials):
        shared = generator.normal(0, 0.02, 30)
        rows = {str(k): np.exp(shared + generator.normal(0, 0.02, 30)) for k in range(5)}
        false += any(change_points(rows, alone(30)).values())
    assert at_most(false, trials, 0.05)


@pytest.mark.parametrize("machines", [1, 3])
def test_ten_percent_in_two_of_noise_is_found_and_dated(machines: int) -> None:
    generator, trials, dated = np.random.default_rng(3), 100, 0
    for _ in range(trials):
        place = int(generator.integers(3, 28))
        strata = generator.integers(0, machines, 30)
        logs = generator.normal(0, 0.02, 30) + 0.3 * strata
        logs[place:] += np.log(1.1)
        changes = found(logs, Setting(list(strata), list(range(30))))
        dated += any(abs(change.place - place) <= 1 for change in changes)
    assert at_least(dated, trials, 0.9)


def test_dates_and_sizes_hold_as_often_as_stated() -> None:
    generator, trials = np.random.default_rng(4), 150
    date = size = seen = 0
    for _ in range(trials):
        logs = generator.normal(0, 0.02, 30)
        logs[14:] += np.log(1.05)
        for change in found(logs)[:1]:
            seen += 1
            date += change.earliest <= 14 <= change.latest
            size += change.lower <= 1.05 <= change.upper
    assert seen > 0.9 * trials
    assert at_least(date, seen, 0.95)
    assert at_least(size, seen, 0.9)  # each bound holds at 95 % by itself


def test_the_seventh_of_ten_entries_is_found() -> None:
    generator, trials, hits = np.random.default_rng(5), 100, 0
    for _ in range(trials):
        logs = generator.normal(0, 0.02, 10)
        logs[6:] += np.log(1.2)
        hits += [change.place for change in found(logs)] == [6]
    assert at_least(hits, trials, 0.95)


def test_a_slowdown_that_was_taken_back_is_found_at_both_ends() -> None:
    generator, trials, hits = np.random.default_rng(6), 50, 0
    for _ in range(trials):
        logs = generator.normal(0, 0.02, 40)
        logs[14:24] += np.log(1.1)
        changes = found(logs)
        hits += [abs(c.place - at) <= 1 for c, at in zip(changes, (14, 24), strict=False)] == [
            True,
            True,
        ]
    assert at_least(hits, trials, 0.9)


def test_a_machine_that_comes_with_the_change_hides_it() -> None:
    """Another machine is as likely the cause: nothing is claimed."""
    logs = np.random.default_rng(7).normal(0, 0.01, 20)
    logs[10:] += 0.3
    assert found(logs, Setting([0] * 10 + [1] * 10, list(range(20)))) == ()
    assert [change.place for change in found(logs)] == [10]
