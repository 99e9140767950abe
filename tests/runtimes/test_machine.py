"""What a machine shows of its own state while a block runs, read from a made-up /sys and /proc."""

from __future__ import annotations

from pathlib import Path

import pytest

from runtimes.machine import MachineMonitor

CPU = "sys/devices/system/cpu"
PI = "sys/devices/platform/soc/soc:firmware/get_throttled"
PI5 = "sys/devices/platform/soc@107c000000/soc@107c000000:firmware/get_throttled"
STAT = "proc/stat"


def _write(root: Path, name: str, content: str) -> None:
    """Write in place, as the kernel does: the file stays the same."""
    path = root / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(content)


def _ticks(steal: int, user: int) -> str:
    return f"cpu  {user} 0 0 100 0 0 0 {steal} 0 0\ncpu0 1 1 1 1 1 1 1 1 0 0\n"


def test_a_machine_that_shows_nothing(tmp_path: Path) -> None:
    machine = MachineMonitor(tmp_path)
    nothing = {"throttled": False, "mhz": None, "steal": None}
    assert machine.evidence(machine.state()) == nothing


@pytest.mark.parametrize("counter", ["core_throttle_count", "package_throttle_count"])
def test_a_counter_that_rose_is_throttling(tmp_path: Path, counter: str) -> None:
    name = f"{CPU}/cpu1/thermal_throttle/{counter}"
    _write(tmp_path, f"{CPU}/cpu0/thermal_throttle/{counter}", "41\n")
    _write(tmp_path, name, "7\n")
    machine = MachineMonitor(tmp_path)
    before = machine.state()
    assert not machine.evidence(before)["throttled"]
    _write(tmp_path, name, "8\n")
    assert machine.evidence(before)["throttled"]
    assert not machine.evidence(machine.state())["throttled"]


@pytest.mark.parametrize(
    ("word", "throttled"),
    [
        ("0\n", False),
        ("50000\n", False),  # it was, since boot
        ("1\n", False),  # the voltage is low, the clock is not yet
        ("2\n", True),
        ("50005\n", True),
        ("0x8\n", True),
        ("?\n", False),
    ],
)
@pytest.mark.parametrize("name", [PI, PI5])
def test_a_raspberry_pi_says_that_it_is_throttled(
    tmp_path: Path, name: str, word: str, throttled: bool
) -> None:
    _write(tmp_path, name, word)
    machine = MachineMonitor(tmp_path)
    assert machine.evidence(machine.state())["throttled"] is throttled


@pytest.mark.parametrize(
    ("kind", "state", "throttled"),
    [
        ("cpufreq-cpu0", 0, False),
        ("cpufreq-cpu0", 2, True),
        ("thermal-cpufreq-4", 1, True),
        ("pwm-fan", 3, False),
    ],
)
def test_the_kernel_cools_by_slowing_the_cpu(
    tmp_path: Path, kind: str, state: int, throttled: bool
) -> None:
    _write(tmp_path, "sys/class/thermal/cooling_device0/type", f"{kind}\n")
    _write(tmp_path, "sys/class/thermal/cooling_device0/cur_state", f"{state}\n")
    machine = MachineMonitor(tmp_path)
    assert machine.evidence(machine.state())["throttled"] is throttled


def test_the_clock_is_that_of_the_core_it_runs_on(tmp_path: Path) -> None:
    for cpu, khz in ((0, 600_000), (3, 2_400_000)):
        _write(tmp_path, f"{CPU}/cpu{cpu}/cpufreq/scaling_cur_freq", f"{khz}\n")
    _write(tmp_path, "proc/self/stat", _own_stat(cpu=3))
    machine = MachineMonitor(tmp_path)
    assert machine.evidence(machine.state())["mhz"] == 2400
    _write(tmp_path, "proc/self/stat", _own_stat(cpu=0))
    assert machine.evidence(machine.state())["mhz"] == 600
    _write(tmp_path, "proc/self/stat", _own_stat(cpu=1))
    assert machine.evidence(machine.state())["mhz"] is None


def _own_stat(cpu: int) -> str:
    """Return /proc/self/stat: the command may hold spaces and brackets, field 39 is the CPU."""
    fields = ["S", *["0"] * 35, str(cpu), *["0"] * 13]
    return f"42 (py) th on) {' '.join(fields)}\n"


def test_steal_is_a_share_of_all_ticks(tmp_path: Path) -> None:
    _write(tmp_path, STAT, _ticks(steal=10, user=1000))
    machine = MachineMonitor(tmp_path)
    before = machine.state()
    _write(tmp_path, STAT, _ticks(steal=15, user=1015))
    assert machine.evidence(before)["steal"] == pytest.approx(0.25)


def test_no_tick_is_no_share(tmp_path: Path) -> None:
    _write(tmp_path, STAT, _ticks(steal=10, user=1000))
    machine = MachineMonitor(tmp_path)
    assert machine.evidence(machine.state())["steal"] is None


def test_reads_this_machine() -> None:
    machine = MachineMonitor()
    evidence = machine.evidence(machine.state())
    assert evidence["throttled"] in (True, False)
    assert evidence["mhz"] is None or 50 < evidence["mhz"] < 10_000
    assert evidence["steal"] is None or 0 <= evidence["steal"] <= 1
