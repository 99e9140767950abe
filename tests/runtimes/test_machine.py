"""What a machine shows of its own state while a block runs, read from a made-up /sys and /proc."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from runtimes.instructions import InstructionCounter
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
    nothing = {"throttled": False, "mhz": None, "steal": None, "energy_mj": None}
    assert nothing.items() <= machine.evidence(machine.state()).items()


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


def _rapl(root: Path, name: str, energy_uj: int, most_uj: int = 10**9) -> None:
    folder = f"sys/class/powercap/{name}"
    _write(root, f"{folder}/energy_uj", f"{energy_uj}\n")
    _write(root, f"{folder}/max_energy_range_uj", f"{most_uj}\n")


def test_the_energy_of_all_packages_is_counted(tmp_path: Path) -> None:
    for name, start_uj in (("intel-rapl:0", 5_000), ("intel-rapl:1", 7_000)):
        _rapl(tmp_path, name, start_uj)
    _rapl(tmp_path, "intel-rapl:0:0", 1_000)  # a part of package 0
    machine = MachineMonitor(tmp_path)
    before = machine.state()
    _rapl(tmp_path, "intel-rapl:0", 9_000)
    _rapl(tmp_path, "intel-rapl:1", 8_000)
    _rapl(tmp_path, "intel-rapl:0:0", 500_000)
    assert machine.evidence(before)["energy_mj"] == pytest.approx(5.0)


def test_an_energy_counter_may_wrap(tmp_path: Path) -> None:
    _rapl(tmp_path, "intel-rapl:0", 900, most_uj=1_000)
    machine = MachineMonitor(tmp_path)
    before = machine.state()
    _rapl(tmp_path, "intel-rapl:0", 300, most_uj=1_000)
    assert machine.evidence(before)["energy_mj"] == pytest.approx(0.4)


@pytest.mark.parametrize(
    "shown",
    [{"power_now": 4_000_000}, {"current_now": -800_000, "voltage_now": 5_000_000}],
)
def test_a_discharging_battery_shows_energy(tmp_path: Path, shown: dict[str, int]) -> None:
    supply = "sys/class/power_supply/BAT0"
    _write(tmp_path, f"{supply}/status", "Discharging\n")
    for name, value in shown.items():
        _write(tmp_path, f"{supply}/{name}", f"{value}\n")
    machine = MachineMonitor(tmp_path)
    before, start = machine.state(), time.perf_counter()
    time.sleep(0.05)
    used_mj = machine.evidence(before)["energy_mj"]
    assert used_mj == pytest.approx(4_000 * (time.perf_counter() - start), rel=0.2)
    _write(tmp_path, f"{supply}/status", "Charging\n")
    assert MachineMonitor(tmp_path).state().energy_mj is None


def test_a_counter_counts_or_says_why_not() -> None:
    """A virtual machine often has no hardware counters; the kernel's own clock always counts."""
    software, task_clock = 1, 1  # PERF_TYPE_SOFTWARE, PERF_COUNT_SW_TASK_CLOCK in ns
    for kind, config in ((0, 1), (software, task_clock)):
        counter = InstructionCounter(kind, config)
        before = counter.read()
        sum(range(200_000))
        after = counter.read()
        if before is None:
            assert counter.why
            assert after is None
        else:
            assert not counter.why
            assert after is not None
            assert after > before
        counter.close()
        assert counter.read() is None
