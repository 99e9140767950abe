"""Keep one core busy for a moment and read what the kernel counts meanwhile.

Load averages and counters since boot include work that has ended, so only this moment counts. What
a system does not show is None.
"""

from __future__ import annotations

import os
import re
import time
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from runtimes.facts import cgroup_folders
from runtimes.machine import probe_ms

FEWEST_PROBES = 15

_COOL_C = 5.0
_HOT_C = 80.0  # for a zone without a trip point; a Raspberry Pi 5 throttles at 80 to 85


@dataclass(frozen=True)
class Counters:
    """Hold the kernel's running totals at one moment, in seconds.

    `cores` maps each core that this process may run on to its (busy, stolen) seconds.
    """

    at_s: float
    own_cpu_s: float
    cores: Mapping[int, tuple[float, float]] = field(default_factory=dict)
    waited_s: float | None = None
    throttled_s: float | None = None

    @classmethod
    def from_json(cls, content: Mapping[str, Any]) -> Counters:
        """Return what `asdict` and JSON made of counters: the cores' numbers are texts there."""
        cores = {int(core): (busy, stolen) for core, (busy, stolen) in content["cores"].items()}
        return cls(**{**content, "cores": cores})


@dataclass(frozen=True)
class Activity:
    """Hold what the kernel counted while one core was busy with the micro-probe; not judged.

    `probes` are its times in ms, `cpus` counts the machine's processors and `tick_s` is the
    resolution of the counters. `heat` names the zones that are near throttling.
    """

    before: Counters
    after: Counters
    probes: tuple[float, ...]
    cpus: int = 1
    tick_s: float = 0.01
    heat: tuple[str, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """Return the activity as JSON values."""
        return asdict(self)

    @classmethod
    def from_json(cls, content: Mapping[str, Any]) -> Activity:
        """Return the activity that `to_json` wrote."""
        return cls(
            before=Counters.from_json(content["before"]),
            after=Counters.from_json(content["after"]),
            probes=tuple(content["probes"]),
            cpus=content["cpus"],
            tick_s=content["tick_s"],
            heat=tuple(content["heat"]),
        )


def observe(seconds: float = 0.8, root: Path = Path("/")) -> Activity:
    """Keep one core busy with the micro-probe for `seconds`, and read what disturbed it.

    Steal, throttling and waiting for a core show on a busy core only. `root` is the folder of
    `proc` and `sys`.
    """
    probe_ms()  # the first probe also wakes the core up
    before = read_counters(root)
    probes: list[float] = []
    while time.perf_counter() - before.at_s < seconds or len(probes) < FEWEST_PROBES:
        probes.append(probe_ms())
    return Activity(
        before=before,
        after=read_counters(root),
        probes=tuple(probes),
        cpus=os.cpu_count() or 1,
        tick_s=_tick_s(),
        heat=tuple(_hot_zones(root)),
    )


def read_counters(root: Path = Path("/")) -> Counters:
    """Read the totals; what the system does not show is left out."""
    return Counters(
        at_s=time.perf_counter(),
        own_cpu_s=time.process_time(),
        cores=_cores(root),
        waited_s=_waited_s(root),
        throttled_s=_throttled_s(root),
    )


def _cores(root: Path) -> dict[int, tuple[float, float]]:
    """Read /proc/stat for the cores that this process may use, or for all where none is listed.

    A container's own /proc/stat may number its cores differently.
    """
    cores = {}
    for number, ticks in re.findall(r"^cpu(\d+) (.*)$", _text(root / "proc/stat"), re.MULTILINE):
        user, nice, system, _, _, irq, softirq, steal = [*map(int, ticks.split()), *[0] * 8][:8]
        busy = user + nice + system + irq + softirq
        cores[int(number)] = (busy * _tick_s(), steal * _tick_s())
    affinity = getattr(os, "sched_getaffinity", None)
    mine = {n: core for n, core in cores.items() if affinity and n in affinity(0)}
    return mine or cores


def _waited_s(root: Path) -> float | None:
    """Read how long this thread was ready to run without a core (schedstat's second figure)."""
    figures = _text(root / "proc/thread-self/schedstat").split()
    return int(figures[1]) / 1e9 if len(figures) == 3 else None


def _throttled_s(root: Path) -> float | None:
    """Read how long quotas stopped this process's control groups, summed up."""
    texts = [_text(folder / "cpu.stat") for folder in cgroup_folders(root)]
    seconds = [int(us) / 1e6 for us in re.findall(r"throttled_usec (\d+)", "\n".join(texts))]
    first_version = _text(root / "sys/fs/cgroup/cpu/cpu.stat")
    seconds += [int(ns) / 1e9 for ns in re.findall(r"throttled_time (\d+)", first_version)]
    return sum(seconds) if seconds else None


def _hot_zones(root: Path) -> Iterator[str]:
    """Name each thermal zone within 5 °C of its throttling temperature."""
    for zone in sorted((root / "sys/class/thermal").glob("thermal_zone*")):
        temperature = _celsius(zone / "temp")
        trips = [_celsius(path) for path in _slowing_trips(zone)]
        limit = min((trip for trip in trips if trip and trip > 0), default=_HOT_C)
        if temperature is not None and temperature >= limit - _COOL_C:
            kind = _text(zone / "type").strip() or zone.name
            yield (
                f"{kind} is at {temperature:.0f} °C, and slows down from {limit:.0f} °C: "
                "let it cool, or cool it better"
            )


def _slowing_trips(zone: Path) -> Iterator[Path]:
    for kind in zone.glob("trip_point_*_type"):
        if _text(kind).strip() in ("passive", "hot", "critical"):
            yield kind.with_name(kind.name.replace("_type", "_temp"))


def _celsius(path: Path) -> float | None:
    with suppress(ValueError):
        return int(_text(path)) / 1000
    return None


def _tick_s() -> float:
    return 1 / os.sysconf("SC_CLK_TCK") if hasattr(os, "sysconf") else 0.01


def _text(path: Path) -> str:
    with suppress(OSError):
        return path.read_text(encoding="utf-8", errors="replace")
    return ""
