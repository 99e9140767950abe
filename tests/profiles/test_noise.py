"""The look at a machine's noise: on made-up counters, on files, and beside a real busy process."""

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

from profiles.noise import (
    Counters,
    Noise,
    look,
    noise_between,
    read_counters,
    remarks,
    resolvable_ratio,
)
from profiles.probe import probe

STEADY = [1.0] * 50
TICK = 1 / os.sysconf("SC_CLK_TCK")


def _seen(
    *,
    others: float = 0.0,
    cores: int = 2,
    stolen: float = 0.0,
    waited: float | None = 0.0,
    throttled: float | None = None,
    threads: int = 1,
    probes: list[float] | None = None,
) -> Noise:
    """Return what a look of one second says while others use that many cores."""
    first = dict.fromkeys(range(cores), (5.0, 1.0))
    busy = (1.0 + others) / cores
    last = dict.fromkeys(range(cores), (5.0 + busy, 1.0 + stolen / cores))
    before = Counters(10.0, 3.0, first, 0.0, None if throttled is None else 7.0)
    after = Counters(11.0, 4.0, last, waited, None if throttled is None else 7.0 + throttled)
    return noise_between(before, after, probes or STEADY, threads)


def test_an_idle_machine_is_quiet() -> None:
    noise = _seen(throttled=0.0)
    assert noise.quiet
    assert (noise.probe_cv, noise.steal, noise.waited, noise.throttled) == (0, 0, 0, 0)
    assert noise.busy_cores == pytest.approx(0.0)
    assert json.loads(json.dumps(noise.to_json()))["quiet"] is True


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
    noise = _seen(others=others, cores=cores, threads=threads)
    assert noise.busy_cores == pytest.approx(others)
    assert noise.quiet is quiet


def test_a_reason_names_figure_limit_and_remedy() -> None:
    (crowd,) = _seen(others=1.4, waited=0.4).reasons  # one reason, though both figures are high
    assert "others use 1.4 of 2 cores and 1 is needed: end them" in crowd
    (waits,) = _seen(waited=0.3).reasons
    assert "waits for a core 30.0 % of the time (limit 10.0 %): end" in waits
    (steal,) = _seen(stolen=0.1).reasons
    assert "withholds 9.1 % of the wanted time (limit 2.0 %)" in steal
    (quota,) = _seen(throttled=0.5).reasons
    assert "stops this process 50.0 % of the time (limit 2.0 %): raise the quota" in quota
    (probes,) = _seen(probes=[1.0] * 30 + [1.2] * 20).reasons
    assert "varies by 10.1 % within 1.0 s" in probes
    assert "(limit 5.0 %)" in probes


def test_single_spikes_of_the_probe_are_no_noise() -> None:
    assert _seen(probes=[1.0] * 20 + [30.0] + [1.0] * 20 + [12.0] * 2 + [1.0] * 20).quiet


def test_a_tick_of_steal_is_within_the_counter_s_resolution() -> None:
    assert _seen(stolen=TICK).steal == 0.0
    assert _seen(stolen=3 * TICK).steal == pytest.approx(3 * TICK / (1 + 3 * TICK))


def test_what_is_not_shown_gives_no_reason() -> None:
    noise = noise_between(Counters(10.0, 3.0), Counters(11.0, 4.0), STEADY, 1)
    assert (noise.busy_cores, noise.steal, noise.waited, noise.throttled) == (None,) * 4
    assert noise.quiet


def test_counters_that_stand_still_say_nothing_of_others() -> None:
    still = {0: (0.0, 0.0)}
    noise = noise_between(Counters(0, 0, still), Counters(1, 1, still), STEADY, 1)
    assert (noise.busy_cores, noise.steal) == (None, None)


def _write(root: Path, name: str, text: str) -> None:
    path = root / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")


def test_the_kernel_s_files_are_read(tmp_path: Path) -> None:
    mine = min(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else 0
    lines = f"cpu  9 9 9 9 9 9 9 9\ncpu{mine} 100 10 20 900 50 3 7 5 60 0\ncpu999 1 1 1 1 1 1 1 1\n"
    _write(tmp_path, "proc/stat", lines + "intr 5\n")
    _write(tmp_path, "proc/thread-self/schedstat", "123 4500000000 17\n")
    _write(tmp_path, "proc/self/cgroup", "0::/job\n")
    _write(tmp_path, "sys/fs/cgroup/job/cpu.stat", "usage_usec 7\nthrottled_usec 2500000\n")
    found = read_counters(tmp_path)
    busy, stolen = found.cores[mine]
    assert [busy, stolen] == pytest.approx([140 * TICK, 5 * TICK])
    assert (found.waited_s, found.throttled_s) == (4.5, 2.5)
    if hasattr(os, "sched_getaffinity"):
        assert 999 not in found.cores  # not this process's to use


def test_a_container_that_numbers_its_cores_anew_is_read_whole(tmp_path: Path) -> None:
    _write(tmp_path, "proc/stat", "cpu1001 1 0 0 1 0 0 0 0\ncpu1002 1 0 0 1\n")
    assert set(read_counters(tmp_path).cores) == {1001, 1002}


def test_the_first_version_of_control_groups_is_read(tmp_path: Path) -> None:
    _write(tmp_path, "sys/fs/cgroup/cpu/cpu.stat", "nr_throttled 3\nthrottled_time 1500000000\n")
    assert read_counters(tmp_path).throttled_s == 1.5


def test_a_system_that_shows_nothing_is_looked_at_all_the_same(tmp_path: Path) -> None:
    noise = look(probe(), 1, seconds=0.05, root=tmp_path)
    assert noise.busy_cores is None
    assert noise.probe_ms > 0
    assert noise.remarks == tuple(remarks(probe(), 1, tmp_path))


def test_a_hot_zone_and_a_governor_are_remarked_on(tmp_path: Path) -> None:
    zone = "sys/class/thermal/thermal_zone0"
    _write(tmp_path, f"{zone}/type", "cpu-thermal\n")
    _write(tmp_path, f"{zone}/temp", "81500\n")
    _write(tmp_path, f"{zone}/trip_point_0_type", "passive\n")
    _write(tmp_path, f"{zone}/trip_point_0_temp", "85000\n")
    _write(tmp_path, f"{zone}/trip_point_2_type", "hot\n")
    _write(tmp_path, f"{zone}/trip_point_2_temp", "-274000\n")  # switched off
    _write(tmp_path, f"{zone}/trip_point_1_type", "active\n")
    _write(tmp_path, f"{zone}/trip_point_1_temp", "50000\n")
    facts = dataclasses.replace(probe(), governor="powersave")
    governor, heat = remarks(facts, 1, tmp_path)
    assert "governor is powersave" in governor
    assert "cpu-thermal is at 82 °C, and slows down from 85 °C" in heat
    _write(tmp_path, f"{zone}/temp", "60000\n")
    assert remarks(dataclasses.replace(facts, governor="performance"), 1, tmp_path) == []


def test_more_threads_than_a_quota_gives_are_remarked_on(tmp_path: Path) -> None:
    facts = dataclasses.replace(probe(), governor=None, cpus=2.5)
    (said,) = remarks(facts, 4, tmp_path)
    assert "4 threads share 2.5 CPUs" in said
    assert remarks(dataclasses.replace(facts, cpus=2.0), 2, tmp_path) == []


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
    noise = look(probe(), 0, seconds=0.5)
    if noise.busy_cores is None:
        pytest.skip("this system's /proc/stat stands still")
    assert noise.reasons, noise  # others use the cores, or share this process's CPU quota with it


def test_a_real_look_is_short_and_says_what_it_saw() -> None:
    noise = look(probe(), 1, seconds=0.3)
    assert 0.3 <= noise.seconds < 30  # a suspended machine may take long, a look must not fail
    assert noise.cores >= 1
    assert all(": " in reason for reason in noise.reasons)


def test_with_many_rounds_the_resolvable_ratio_is_that_of_normal_theory() -> None:
    """(z of confidence + z of power) standard errors."""
    logs = np.random.default_rng(3).normal(0, 0.02, 2000).tolist()
    found = resolvable_ratio(logs)
    assert found is not None
    assert math.log(found) == pytest.approx((1.6449 + 0.8416) * 0.02 / 2000**0.5, rel=0.04)


@pytest.mark.parametrize("rounds", [5, 16])
def test_a_true_slowdown_of_that_size_is_called_at_the_stated_power(rounds: int) -> None:
    """Simulated: four sessions in five state a slowdown that is then called 80 % of the time.

    What is stated is proportional to the session's spread, so one sum serves for all of them.
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
    found = resolvable_ratio(logs, confidence, power)
    surer = resolvable_ratio(logs, min(confidence + 0.005, 0.995), power)
    longer = resolvable_ratio(logs, confidence, power, rounds=4 * len(logs))
    assert found is not None
    assert surer is not None
    assert longer is not None
    assert 1.0 <= found <= surer + 1e-9
    assert longer <= found + 1e-9
