"""Heat, clock rates, power and what slows a machine down, read between blocks of runs.

Files below /sys are read each time. A tool that takes longer (vcgencmd, dumpsys, tegrastats,
nvidia-smi) is asked now and then, also between blocks, so it never runs beside a timed one. None is
needed, and none needs privileges.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import time
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from runtimes.energy import drawn_uw

_CPU_ZONE = re.compile(r"cpu|soc|pkg|core|cluster|tctl", re.IGNORECASE)
_ASKED_EACH_S = 10.0
_PATIENCE_S = 2.0
_WORDS = {
    0b0001: "under-voltage",
    0b0010: "frequency capped",
    0b0100: "throttled",
    0b1000: "soft temperature limit",
}
"""What the bits of a Raspberry Pi's word mean (vcgencmd get_throttled)."""


class Seen(NamedTuple):
    """Hold what a machine shows at one moment; None or nothing is what it does not show.

    `at_s` is on its monotonic clock. `temperature_c` is that of the hottest CPU zone, `core_mhz`
    the clock of each core, `slowed` says what slows it down now.
    """

    at_s: float
    temperature_c: float | None
    core_mhz: tuple[float, ...]
    power_mw: float | None
    slowed: tuple[str, ...]


class Asked(NamedTuple):
    """Hold what a tool said."""

    temperature_c: float | None = None
    power_mw: float | None = None
    slowed: tuple[str, ...] = ()


class Watch:
    """Read a machine's state; `root` holds `sys`. `tools` are looked for on the search path."""

    def __init__(self, root: str | Path = "/", tools: Sequence[str] | None = None) -> None:
        root = Path(root)
        self._zones = _cpu_zones(root)
        cores = (root / "sys/devices/system/cpu").glob("cpu[0-9]*/cpufreq/scaling_cur_freq")
        self._clocks = sorted(cores, key=lambda path: int(path.parts[-3][3:]))
        self._sensors = _power_sensors(root)
        self._batteries = sorted((root / "sys/class/power_supply").glob("*"))
        names = TOOLS if tools is None else tools
        self._tools = {name: path for name in names if (path := shutil.which(name))}
        self._asked_at, self._asked = float("-inf"), Asked()

    def read(self) -> Seen:
        """Return what the machine shows now."""
        now = time.monotonic()
        if self._tools and now - self._asked_at >= _ASKED_EACH_S:
            self._asked, self._asked_at = self._ask(), time.monotonic()
        heat = [value / 1e3 for path in self._zones if (value := _number(path)) is not None]
        clocks = (_number(path) for path in self._clocks)
        power_mw = self._power_mw()
        return Seen(
            at_s=now,
            temperature_c=max(heat) if heat else self._asked.temperature_c,
            core_mhz=tuple(khz / 1e3 for khz in clocks if khz is not None),
            power_mw=self._asked.power_mw if power_mw is None else power_mw,
            slowed=self._asked.slowed,
        )

    def _power_mw(self) -> float | None:
        for first, second in self._sensors:
            value = _number(first)
            if second is None and value is not None:
                return value / 1e3  # microwatts
            current = None if second is None else _number(second)
            if value is not None and current is not None:
                return value * current / 1e3  # millivolts and milliamperes
        drawn = [uw for path in self._batteries if (uw := drawn_uw(path)) is not None]
        return sum(drawn) / 1e3 if drawn else None

    def _ask(self) -> Asked:
        said = [
            TOOLS[name][1](_output([path, *TOOLS[name][0]])) for name, path in self._tools.items()
        ]
        heat = [one.temperature_c for one in said if one.temperature_c is not None]
        power = [one.power_mw for one in said if one.power_mw is not None]
        slowed = tuple(dict.fromkeys(word for one in said for word in one.slowed))
        return Asked(max(heat, default=None), max(power, default=None), slowed)


def firmware_words(word: int) -> tuple[str, ...]:
    """Return what a Raspberry Pi's firmware says of the present moment."""
    return tuple(said for bit, said in _WORDS.items() if word & bit)


def vcgencmd(text: str) -> Asked:
    """Read `throttled=0x50005`."""
    found = re.search(r"throttled=0x([0-9a-fA-F]+)", text)
    return Asked(slowed=firmware_words(int(found[1], 16)) if found else ())


def dumpsys(text: str) -> Asked:
    """Read Android's thermal service: its status, and the CPU's temperature now."""
    status = re.search(r"Thermal Status:\s*(\d+)", text)
    now = text.partition("Current temperatures from HAL")[2] or text
    heat = re.findall(r"mValue=([\d.]+), mType=0\b", now)  # type 0 is a CPU
    level = int(status[1]) if status else 0
    slowed = (f"Android's thermal status {level}",) if level else ()
    return Asked(max(map(float, heat), default=None), None, slowed)


def tegrastats(text: str) -> Asked:
    """Read a Jetson's line: `cpu@45.5C … VDD_IN 4012mW/4012mW`."""
    heat = re.findall(r"\bcpu@([\d.]+)C", text, re.IGNORECASE)
    power = re.search(r"\b(?:VDD_IN|POM_5V_IN)\s+(\d+)", text)
    return Asked(max(map(float, heat), default=None), float(power[1]) if power else None)


def nvidia_smi(text: str) -> Asked:
    """Read a GPU's power in W, and whether heat or lack of power slows it down."""
    fields = [field.strip() for field in text.strip().splitlines()[0].split(",")] if text else []
    if len(fields) != len(_GPU_FIELDS):
        return Asked()
    power = float(fields[0]) * 1e3 if re.fullmatch(r"[\d.]+", fields[0]) else None
    slowed = [name for name, said in zip(_GPU_WORDS, fields[1:]) if said == "Active"]
    return Asked(None, power, tuple(slowed))


_GPU_WORDS = ("GPU slowed by heat", "GPU slowed by lack of power")
_GPU_FIELDS = (
    "power.draw",
    "clocks_throttle_reasons.hw_thermal_slowdown",
    "clocks_throttle_reasons.hw_power_brake_slowdown",
)
_GPU_QUERY = (f"--query-gpu={','.join(_GPU_FIELDS)}", "--format=csv,noheader,nounits")
TOOLS = {
    "vcgencmd": (("get_throttled",), vcgencmd),
    "dumpsys": (("thermalservice",), dumpsys),
    "tegrastats": (("--interval", "100"), tegrastats),
    "nvidia-smi": (
        (f"--query-gpu={','.join(_GPU_FIELDS)}", "--format=csv,noheader,nounits"),
        nvidia_smi,
    ),
}
"""Tools with their arguments, and how their output is read."""


def _output(command: Sequence[str]) -> str:
    """Return what a tool says; one that does not end by itself is stopped after a moment."""
    try:
        done = subprocess.run(
            command, stdin=subprocess.DEVNULL, capture_output=True, timeout=_PATIENCE_S, check=False
        )
    except subprocess.TimeoutExpired as late:
        return (late.stdout or b"").decode(errors="replace")
    except OSError:
        return ""
    return done.stdout.decode(errors="replace")


def _cpu_zones(root: Path) -> list[Path]:
    """Return the files of the CPU's thermal zones, or of all where none is named so."""
    types = sorted((root / "sys/class/thermal").glob("thermal_zone*/type"))
    named = [path for path in types if _CPU_ZONE.search(_text(path))]
    every = sorted((root / "sys/class/thermal").glob("thermal_zone*/temp"))
    return [path.with_name("temp") for path in named] or every


def _power_sensors(root: Path) -> list[tuple[Path, Path | None]]:
    """Return the files of the INA chips' first channel, which boards put at their supply."""
    found: list[tuple[Path, Path | None]] = []
    for name in sorted((root / "sys/class/hwmon").glob("hwmon*/name")):
        if _text(name).startswith("ina"):
            folder = name.parent
            whole = folder / "power1_input"
            both = folder / "in1_input", folder / "curr1_input"
            found.append((whole, None) if whole.exists() else both)
    return found


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="ascii", errors="replace").strip()
    except OSError:
        return ""


def _number(path: Path) -> int | None:
    text = _text(path)
    return int(text) if re.fullmatch(r"-?\d+", text) else None
