"""What a process can read about itself and its machine."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import Any, NamedTuple


def preemptions() -> int:
    """Return the process's count of involuntary context switches; 0 where it is not counted."""
    try:
        import resource
    except ImportError:  # Windows
        return 0
    return resource.getrusage(resource.RUSAGE_SELF).ru_nivcsw


def probe_ms() -> float:
    """Time a fixed piece of integer arithmetic: the shortest of three, in ms.

    It uses neither the model nor memory, so a change means that the processor's speed changed. The
    shortest, since a preempted piece says nothing about the speed.
    """
    return min(_probe_once_ms() for _ in range(3))


def _probe_once_ms() -> float:
    start = time.perf_counter_ns()
    total = 0
    for i in range(5_000):
        total += i * i
    return (time.perf_counter_ns() - start) / 1e6


class State(NamedTuple):
    """Hold the machine's counters at one moment: throttle events, stolen and total CPU ticks.

    And, where they are shown, its energy and this thread's instructions.
    """

    throttlings: int
    stolen: int | None
    ticks: int
    energy_mj: float | None = None
    instructions: int | None = None
    at_s: float = 0.0


class MachineMonitor:
    """Read what the machine shows of itself: throttling, its clock, and stolen time.

    Its files are opened once. `root` holds `sys` and `proc`.
    """

    def __init__(self, root: str | Path = "/") -> None:
        from runtimes.energy import EnergyMeter
        from runtimes.instructions import InstructionCounter  # ctypes would slow a cold start
        from runtimes.watch import Watch

        root = Path(root)
        self._cpus = root / "sys/devices/system/cpu"
        counters = self._cpus.glob("cpu[0-9]*/thermal_throttle/*_throttle_count")
        self._counters = [_opened(path) for path in sorted(counters)]
        firmware = (root / "sys/devices/platform").glob("soc*/soc*:firmware/get_throttled")
        self._raspberry = [_opened(path) for path in firmware]
        coolers = (root / "sys/class/thermal").glob("cooling_device*/type")
        self._slowed = [
            _opened(path.with_name("cur_state"))
            for path in sorted(coolers)
            if "cpufreq" in _read(_opened(path))
        ]
        self._times = _opened(root / "proc/stat")
        self._own = _opened(root / "proc/self/stat")
        self._clocks: dict[str, int | None] = {}
        self._energy = EnergyMeter(root)
        self._instructions = InstructionCounter()
        self._watch = Watch(root, () if root != Path("/") else None)

    def state(self) -> State:
        """Read the counters, which `evidence` compares with later ones."""
        throttlings = sum(_number(_read(counter)) for counter in self._counters)
        ticks = [int(value) for value in _read(self._times).partition("\n")[0].split()[1:9]]
        return State(
            throttlings,
            ticks[7] if len(ticks) == 8 else None,
            sum(ticks),
            self._energy.read_mj(),
            self._instructions.read(),
            time.perf_counter(),
        )

    def evidence(self, before: State) -> dict[str, Any]:
        """Return what happened since: `throttled`, the clock in `mhz`, the share of `steal`.

        And what the machine shows now: `at_s`, `temperature_c`, `core_mhz`, `power_mw`, `slowed`.
        """
        now = self.state()
        elapsed_s = time.perf_counter() - before.at_s
        ticks = now.ticks - before.ticks
        stolen = None if now.stolen is None or before.stolen is None else now.stolen - before.stolen
        energy_mj = _grown(before.energy_mj, now.energy_mj)
        mhz = self._mhz()
        seen = self._watch.read()
        slowed = (*self._slowed_by(now.throttlings > before.throttlings), *seen.slowed)
        by_energy = None if energy_mj is None else energy_mj / max(elapsed_s, 1e-9)
        return {
            "throttled": bool(slowed),
            "slowed": list(dict.fromkeys(slowed)),
            "at_s": seen.at_s,
            "temperature_c": seen.temperature_c,
            "core_mhz": list(seen.core_mhz),
            "power_mw": by_energy if seen.power_mw is None else seen.power_mw,
            "mhz": mhz,
            "steal": None if stolen is None or ticks <= 0 else stolen / ticks,
            "energy_mj": energy_mj,
            "instructions": _grown(before.instructions, now.instructions),
        }

    def _slowed_by(self, counted: bool) -> list[str]:
        """Say what slows the machine: `counted` events since, the kernel, a Raspberry's firmware.

        The kernel does where a cooling device that slows the CPU has a state above 0. Bits 1 to 3
        of the firmware's word mean: frequency capped, throttled, soft temperature limit.
        """
        said = ["the processor throttled"] if counted else []
        if any(_number(_read(state)) for state in self._slowed):
            said.append("a cooling device slows the CPU")
        from runtimes.watch import firmware_words

        words = (_number(_read(word), 16) & 0b1110 for word in self._raspberry)
        return said + [text for word in words for text in firmware_words(word)]

    def _mhz(self) -> float | None:
        """Return the clock of the CPU that the process was last seen on."""
        fields = _read(self._own).rpartition(")")[2].split()
        if len(fields) < 37:
            return None
        cpu = fields[36]
        if cpu not in self._clocks:
            self._clocks[cpu] = _opened(self._cpus / f"cpu{cpu}/cpufreq/scaling_cur_freq")
        khz = _read(self._clocks[cpu]).strip()
        return int(khz) / 1e3 if khz.isdigit() else None


def _grown(before: float | None, now: float | None) -> float | None:
    return None if before is None or now is None else now - before


def _opened(path: Path) -> int | None:
    try:
        return os.open(path, os.O_RDONLY)
    except OSError:
        return None


def _read(file: int | None) -> str:
    """Return the current text of a small file, empty where there is none."""
    if file is None:
        return ""
    try:
        return os.pread(file, 4096, 0).decode("ascii", errors="replace")
    except OSError:
        return ""


def _number(text: str, base: int = 10) -> int:
    """Return the number that a file holds; 0 where it is absent or holds none."""
    try:
        return int(text, base)
    except ValueError:
        return 0


def read_mb() -> float | None:
    """Return what this process has read from storage, in MB (10^6 bytes); None where unknown."""
    try:
        text = Path("/proc/self/io").read_text(encoding="ascii")
    except OSError:
        return None
    counts = dict(line.split(": ") for line in text.splitlines())
    return int(counts["read_bytes"]) / 1e6


def peak_rss_mb() -> float | None:
    """Return this process's peak resident memory in MB (10^6 bytes), None where unknown.

    VmHWM is reset at exec; getrusage's maximum is not, so it may be the parent's.
    """
    try:
        status = Path("/proc/self/status").read_text(encoding="ascii", errors="replace")
    except OSError:
        return None
    kib = [line.split()[1] for line in status.splitlines() if line.startswith("VmHWM:")]
    return int(kib[0]) * 1024 / 1e6 if kib else None


def started_ns(spawned: int | None, entered: int) -> int:
    """Return the time when this process was started, on perf_counter's clock.

    `spawned` is the parent's reading (all processes of a machine share the clock). Without it, the
    kernel's figure is used, in ticks of 10 ms, or `entered`, this process's earliest reading.
    """
    if spawned is not None:
        return spawned
    try:
        fields = Path("/proc/self/stat").read_text(encoding="utf-8").rpartition(")")[2].split()
        since_boot_ns = int(fields[19]) * 10**9 // os.sysconf("SC_CLK_TCK")
        age_ns = time.clock_gettime_ns(time.CLOCK_BOOTTIME) - since_boot_ns
    except (OSError, AttributeError, IndexError, ValueError):
        return entered
    return time.perf_counter_ns() - age_ns
