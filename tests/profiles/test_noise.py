"""A machine's noise: on invented counters, on files, and beside a real busy process."""

from __future__ import annotations

import dataclasses
import json
import math
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from profiles.noise import Noise, noise, noise_of, resolvable_ratio
from runtimes.activity import Activity, Counters, observe
from runtimes.facts import probe

STEADY = (1.0,) * 50
TICK = 1 / os.sysconf("SC_CLK_TCK")


def _noise(
    *,
    others: float = 0.0,
    cores: int = 2,
    stolen: float = 0.0,
    waited: float | None = 0.0,
    throttled: float | None = None,
    threads: int = 1,
    probes: list[float] | None = None,
) -> Noise:
    """Return the noise of one second while others use that many cores."""
    first = dict.fromkeys(range(cores), (5.0, 1.0))
    busy = (1.0 + others) / cores
    last = dict.fromkeys(range(cores), (5.0 + busy, 1.0 + stolen / cores))
    before = Counters(10.0, 3.0, first, 0.0, None if throttled is None else 7.0)
    after = Counters(11.0, 4.0, last, waited, None if throttled is None else 7.0 + throttled)
    activity = Activity(before, after, tuple(probes or STEADY), cores, TICK)
    return noise_of(activity, probe(), threads)


def test_an_idle_machine_is_quiet() -> None:
    result = _noise(throttled=0.0)
    assert result.quiet
    assert (result.probe_cv, result.steal, result.waited, result.throttled) == (0, 0, 0, 0)
    assert result.busy_cores == pytest.approx(0.0)
    assert json.loads(json.dumps(result.to_json()))["quiet"] is True


@pytest.mark.parametrize(
    ("others", "cores", "threads", "quiet"),
    [
        (0.9, 2, 1, True),
        (1.0, 2, 1, True),
        (1.4, 2, 1, False),
        (0.2, 2, 2, True),
        (0.9, 2, 2, False),
        (0.9, 2, 0, False),  # the runtime takes every core
        (30.0, 64, 4, True),
        (0.2, 1, 4, True),  # more threads than cores: others still do nothing
    ],
)
def test_others_count_once_they_use_more_than_is_spare(
    others: float, cores: int, threads: int, quiet: bool
) -> None:
    result = _noise(others=others, cores=cores, threads=threads)
    assert result.busy_cores == pytest.approx(others)
    assert result.quiet is quiet


def test_a_reason_names_figure_limit_and_remedy() -> None:
    (crowd,) = _noise(others=1.4, waited=0.4).reasons  # one reason, though both figures are high
    assert "others use 1.4 of 2 cores and 1 is needed: end them" in crowd
    (waits,) = _noise(waited=0.3).reasons
    assert "waits for a core 30.0 % of the time (limit 10.0 %): end" in waits
    (steal,) = _noise(stolen=0.1).reasons
    assert "withholds 9.1 % of the wanted time (limit 2.0 %)" in steal
    (quota,) = _noise(throttled=0.5).reasons
    assert "stops this process 50.0 % of the time (limit 2.0 %): raise the quota" in quota
    (probes,) = _noise(probes=[1.0] * 30 + [1.2] * 20).reasons
    assert "varies by 10.1 % within 1.0 s" in probes
    assert "(limit 5.0 %)" in probes


def test_single_spikes_of_the_probe_are_no_noise() -> None:
    assert _noise(probes=[1.0] * 20 + [30.0] + [1.0] * 20 + [12.0] * 2 + [1.0] * 20).quiet


def test_a_tick_of_steal_is_within_the_counter_s_resolution() -> None:
    assert _noise(stolen=TICK).steal == 0.0
    assert _noise(stolen=3 * TICK).steal == pytest.approx(3 * TICK / (1 + 3 * TICK))


def test_what_is_not_shown_gives_no_reason() -> None:
    result = noise_of(Activity(Counters(10.0, 3.0), Counters(11.0, 4.0), STEADY), probe(), 1)
    assert (result.busy_cores, result.steal, result.waited, result.throttled) == (None,) * 4
    assert result.quiet


def test_counters_that_stand_still_say_nothing_of_others() -> None:
    still = {0: (0.0, 0.0)}
    result = noise_of(Activity(Counters(0, 0, still), Counters(1, 1, still), STEADY), probe(), 1)
    assert (result.busy_cores, result.steal) == (None, None)


def test_a_governor_and_heat_are_remarked_on() -> None:
    facts = dataclasses.replace(probe(), governor="powersave")
    activity = dataclasses.replace(observe(0.05), heat=("cpu-thermal is at 82 °C",))
    governor, heat = noise_of(activity, facts, 1).remarks
    assert "governor is powersave" in governor
    assert "82 °C" in heat
    steady = dataclasses.replace(facts, governor="performance")
    assert noise_of(dataclasses.replace(activity, heat=()), steady, 1).remarks == ()


def test_what_is_noisy_is_observed_once_more() -> None:
    spread = Activity(Counters(10.0, 3.0), Counters(11.0, 4.0), (1.0,) * 30 + (1.2,) * 20)
    steady = dataclasses.replace(spread, probes=STEADY)
    activities = [spread, steady]
    assert noise(lambda: activities.pop(0), probe(), 1).quiet
    activities = [spread, spread, steady]
    assert not noise(lambda: activities.pop(0), probe(), 1).quiet


def test_more_threads_than_a_quota_gives_are_remarked_on() -> None:
    facts = dataclasses.replace(probe(), governor=None, cpus=2.5)
    activity = Activity(Counters(10.0, 3.0), Counters(11.0, 4.0), STEADY)
    (said,) = noise_of(activity, facts, 4).remarks
    assert "4 threads share 2.5 CPUs" in said
    assert noise_of(activity, dataclasses.replace(facts, cpus=2.0), 2).remarks == ()


@pytest.fixture
def busy_cores() -> Iterator[int]:
    """Keep every core that this process may use busy with a child each."""
    count = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else 1
    spin = [sys.executable, "-c", "print(flush=True)\nwhile True: pass"]
    children = [subprocess.Popen(spin, stdout=subprocess.PIPE) for _ in range(count)]
    try:
        for child in children:
            assert child.stdout is not None
            child.stdout.readline()
        yield count
    finally:
        for child in children:
            child.kill()
            child.communicate()


@pytest.mark.skipif(not Path("/proc/stat").is_file(), reason="no /proc/stat here")
def test_real_processes_that_take_every_core_are_seen(busy_cores: int) -> None:
    result = noise_of(observe(0.5), probe(), 0)
    if result.busy_cores is None:
        pytest.skip("this system's /proc/stat does not change")
    assert result.reasons, result  # others use the cores, or share this process's CPU quota with it


def test_observing_takes_a_moment_and_gives_every_figure() -> None:
    result = noise_of(observe(0.3), probe(), 1)
    assert 0.3 <= result.seconds < 30  # a suspended machine may take long, it must not fail
    assert result.cores >= 1
    assert all(": " in reason for reason in result.reasons)


def test_with_many_rounds_the_resolvable_ratio_is_that_of_normal_theory() -> None:
    """(z of confidence + z of power) standard errors."""
    logs = np.random.default_rng(3).normal(0, 0.02, 2000).tolist()
    ratio = resolvable_ratio(logs)
    assert ratio is not None
    assert math.log(ratio) == pytest.approx((1.6449 + 0.8416) * 0.02 / 2000**0.5, rel=0.04)


@pytest.mark.parametrize("rounds", [5, 16])
def test_a_true_slowdown_of_that_size_is_called_at_the_stated_power(rounds: int) -> None:
    """Simulated: four sessions in five state a slowdown that is then detected 80 % of the time.

    The stated slowdown is proportional to the session's spread, so one sum covers all of them.
    """
    from scipy.stats import nct, t

    spread, sessions = 0.03, 3000
    drawn = np.random.default_rng(11).normal(0, spread, (sessions, rounds))
    spreads = drawn.std(axis=1, ddof=1)
    first = resolvable_ratio(drawn[0].tolist())
    assert first is not None
    stated = math.log(first) / spreads[0] * spreads
    critical = t.ppf(0.95, rounds - 1)
    power = nct.sf(critical, rounds - 1, stated / (spread / math.sqrt(rounds)))
    assert np.mean(power >= 0.8) == pytest.approx(0.8, abs=0.03)


def test_too_few_rounds_resolve_nothing_that_can_be_said() -> None:
    assert resolvable_ratio([0.01, -0.01]) is None
    assert resolvable_ratio([]) is None
    assert resolvable_ratio([0.0, 0.0, 0.0]) == 1.0


@settings(max_examples=30)
@given(
    logs=st.lists(st.floats(-0.5, 0.5), min_size=3, max_size=30),
    confidence=st.floats(0.6, 0.99),
    power=st.floats(0.5, 0.95),
)
def test_asking_more_never_resolves_less(
    logs: list[float], confidence: float, power: float
) -> None:
    ratio = resolvable_ratio(logs, confidence, power)
    surer = resolvable_ratio(logs, min(confidence + 0.005, 0.995), power)
    longer = resolvable_ratio(logs, confidence, power, rounds=4 * len(logs))
    assert ratio is not None
    assert surer is not None
    assert longer is not None
    assert 1.0 <= ratio <= surer + 1e-9
    assert longer <= ratio + 1e-9
