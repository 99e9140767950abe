"""The activity of a machine: the kernel's files as systems write them, and this machine's own."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from runtimes.activity import Activity, observe, read_counters

TICK = 1 / os.sysconf("SC_CLK_TCK")


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
    counters = read_counters(tmp_path)
    busy, stolen = counters.cores[mine]
    assert [busy, stolen] == pytest.approx([140 * TICK, 5 * TICK])
    assert (counters.waited_s, counters.throttled_s) == (4.5, 2.5)
    if hasattr(os, "sched_getaffinity"):
        assert 999 not in counters.cores  # not this process's to use


def test_a_container_that_numbers_its_cores_anew_is_read_whole(tmp_path: Path) -> None:
    _write(tmp_path, "proc/stat", "cpu1001 1 0 0 1 0 0 0 0\ncpu1002 1 0 0 1\n")
    assert set(read_counters(tmp_path).cores) == {1001, 1002}


def test_the_first_version_of_control_groups_is_read(tmp_path: Path) -> None:
    _write(tmp_path, "sys/fs/cgroup/cpu/cpu.stat", "nr_throttled 3\nthrottled_time 1500000000\n")
    assert read_counters(tmp_path).throttled_s == 1.5


def test_a_system_that_shows_nothing_is_observed_all_the_same(tmp_path: Path) -> None:
    activity = observe(0.05, tmp_path)
    assert (activity.before.cores, activity.after.waited_s, activity.heat) == ({}, None, ())
    assert min(activity.probes) > 0


def test_a_zone_near_its_limit_is_hot(tmp_path: Path) -> None:
    zone = "sys/class/thermal/thermal_zone0"
    _write(tmp_path, f"{zone}/type", "cpu-thermal\n")
    _write(tmp_path, f"{zone}/temp", "81500\n")
    _write(tmp_path, f"{zone}/trip_point_0_type", "passive\n")
    _write(tmp_path, f"{zone}/trip_point_0_temp", "85000\n")
    _write(tmp_path, f"{zone}/trip_point_2_type", "hot\n")
    _write(tmp_path, f"{zone}/trip_point_2_temp", "-274000\n")  # switched off
    _write(tmp_path, f"{zone}/trip_point_1_type", "active\n")
    _write(tmp_path, f"{zone}/trip_point_1_temp", "50000\n")
    (heat,) = observe(0.01, tmp_path).heat
    assert "cpu-thermal is at 82 °C, and slows down from 85 °C" in heat
    _write(tmp_path, f"{zone}/temp", "60000\n")
    assert observe(0.01, tmp_path).heat == ()


def test_an_activity_survives_being_sent() -> None:
    activity = observe(0.05)
    assert Activity.from_json(json.loads(json.dumps(activity.to_json()))) == activity
