"""Whether a machine is quiet enough to measure on, seen in less than a second.

Only what happens during the look counts: load averages and counters since boot remember work
that has ended. What a system does not show comes out as None and gives no reason.
"""

from __future__ import annotations

import math
import os
import re
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from profiles.probe import Facts, cgroup_folders
from runtimes.agent import probe_ms

PROBE_CV = 0.05
"""The micro-probe's coefficient of variation above which timings are not comparable."""
STEAL = 0.02
"""The share of wanted processor time that a hypervisor may withhold."""
WAITED = 0.10
"""The share of the look that this process may spend ready to run but without a core."""
THROTTLED = 0.02
"""The share of the look for which a CPU quota may stop this process."""
CORES_SHORT = 0.25
"""The cores by which others may exceed what is spare: the kernel's own work is no load."""

FEWEST_ROUNDS = 3
"""The fewest rounds whose spread says anything."""

_SLICES = 5
_FEWEST_STEAL_TICKS = 2  # a single one of 10 ms is over 1 % of so short a look
_COOL_C = 5.0
_HOT_C = 80.0  # where a zone names no trip point; a Raspberry Pi 5 throttles at 80 to 85
_SURE = 0.8
_STEADY_GOVERNORS = ("performance", None)


@dataclass(frozen=True, slots=True)
class Noise:
    """Hold what a look found.

    `probe_cv` and `probe_ms` are of the micro-probe; `steal`, `waited` and `throttled` are
    shares, 0 to 1, of the look. `busy_cores` is what other processes used of the `cores` that
    this process may run on. `reasons` say why a measurement would not be trusted, `remarks`
    what may disturb it.
    """

    seconds: float
    threads: int
    cores: int
    probe_cv: float
    probe_ms: float
    steal: float | None = None
    busy_cores: float | None = None
    waited: float | None = None
    throttled: float | None = None
    reasons: tuple[str, ...] = ()
    remarks: tuple[str, ...] = ()

    @property
    def quiet(self) -> bool:
        """Tell whether nothing speaks against measuring now."""
        return not self.reasons

    def to_json(self) -> dict[str, Any]:
        """Return the look, ready for a report."""
        return {**asdict(self), "quiet": self.quiet}


@dataclass(frozen=True, slots=True)
class Counters:
    """Hold the kernel's running totals at one moment, in seconds.

    `cores` maps each core that this process may run on to its (busy, stolen) seconds.
    """

    at_s: float
    own_cpu_s: float
    cores: Mapping[int, tuple[float, float]] = field(default_factory=dict)
    waited_s: float | None = None
    throttled_s: float | None = None


def look(facts: Facts, threads: int, *, seconds: float = 0.8, root: Path = Path("/")) -> Noise:
    """Keep one core busy with the micro-probe for `seconds` and see what disturbs it.

    A busy core is what shows steal, throttling and a wait for a core; an idle one hides them.
    What is found noisy is looked at once more: a disturbance that has passed by then is no
    reason against measuring. `threads` is what will be measured with, 0 for every core. `root`
    is where `proc` and `sys` are found.
    """
    first = _look(facts, threads, seconds, root)
    return first if first.quiet else _look(facts, threads, seconds, root)


def _look(facts: Facts, threads: int, seconds: float, root: Path) -> Noise:
    probe_ms()  # the first one also pays for waking the core up
    before = read_counters(root)
    probes: list[float] = []
    while time.perf_counter() - before.at_s < seconds or len(probes) < 3 * _SLICES:
        probes.append(probe_ms())
    return noise_between(
        before, read_counters(root), probes, threads, remarks(facts, threads, root)
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


def noise_between(
    before: Counters,
    after: Counters,
    probes: Sequence[float],
    threads: int,
    remarks: Sequence[str] = (),
) -> Noise:
    """Return what the totals' growth and the probes, in ms, say of the time between."""
    seconds = after.at_s - before.at_s
    cores = len(after.cores) or os.cpu_count() or 1
    medians = np.array([np.median(part) for part in np.array_split(probes, _SLICES)])
    noise = Noise(
        seconds=seconds,
        threads=threads or cores,
        cores=cores,
        probe_cv=float(medians.std(ddof=1) / medians.mean()),
        probe_ms=float(np.median(medians)),
        steal=_steal(before, after),
        busy_cores=_busy_cores(before, after),
        waited=_share(before.waited_s, after.waited_s, seconds),
        throttled=_share(before.throttled_s, after.throttled_s, seconds),
        remarks=tuple(remarks),
    )
    return _with_reasons(noise)


def remarks(facts: Facts, threads: int, root: Path = Path("/")) -> list[str]:
    """Say what may disturb a longer measurement though it cannot be seen in a short one."""
    found = []
    if threads > facts.cpus:
        found.append(
            f"{threads} threads share {facts.cpus:g} CPUs: they wait for each other; "
            "measure with fewer"
        )
    if facts.governor not in _STEADY_GOVERNORS:
        found.append(
            f"the frequency governor is {facts.governor}: clock rates follow the load; "
            "with `performance` timings vary less"
        )
    return [*found, *_hot_zones(root)]


def resolvable_ratio(
    log_ratios: Sequence[float],
    confidence: float = 0.95,
    power: float = 0.8,
    rounds: int | None = None,
) -> float | None:
    """Return the smallest true ratio over an allowance that a t-bound calls with `power`.

    `log_ratios` are the logarithms of the rounds' ratios of a model to itself; the answer is for
    `rounds` rounds, as many as were seen by default. The bound is one-sided; the power is the
    noncentral t's (Cohen 1988, "Statistical Power Analysis", ch. 2; Johnson, Kotz &
    Balakrishnan, "Continuous Univariate Distributions" 2, ch. 31). The spread of a few rounds
    is itself a guess, so its upper 80 % bound is used: the estimate alone would promise too much
    every other time (Browne 1995, Statistics in Medicine 14, 1933-1940). None from fewer than
    FEWEST_ROUNDS.
    """
    if len(log_ratios) < FEWEST_ROUNDS:
        return None
    count = rounds or len(log_ratios)
    standard_error = _spread_bound(log_ratios) / math.sqrt(count)
    return math.exp(_standard_errors_needed(count - 1, confidence, power) * standard_error)


def _spread_bound(values: Sequence[float]) -> float:
    """Return the upper bound of normal values' standard deviation."""
    from scipy.stats import chi2

    freedom = len(values) - 1
    return float(np.std(values, ddof=1) * math.sqrt(freedom / chi2.ppf(1 - _SURE, freedom)))


def _standard_errors_needed(freedom: int, confidence: float, power: float) -> float:
    """Return the noncentrality at which a one-sided t-test has the power."""
    from scipy.optimize import brentq
    from scipy.stats import nct, t

    critical = float(t.ppf(confidence, freedom))
    most = 2 * (critical + float(t.ppf(power, freedom)))
    return float(brentq(lambda shift: nct.sf(critical, freedom, shift) - power, 0.0, most))


def _with_reasons(noise: Noise) -> Noise:
    return replace(noise, reasons=tuple(_reasons(noise)))


def _reasons(noise: Noise) -> Iterator[str]:
    if noise.probe_cv > PROBE_CV:
        yield (
            f"a fixed piece of work varies by {_percent(noise.probe_cv)} within "
            f"{noise.seconds:.1f} s (limit {_percent(PROBE_CV)}): the processor's speed changes; "
            "wait until the machine is idle and cool, or fix its clock rate"
        )
    if noise.steal is not None and noise.steal > STEAL:
        yield (
            f"the hypervisor withholds {_percent(noise.steal)} of the wanted time "
            f"(limit {_percent(STEAL)}): its other guests are busy; repeat it later, "
            "or on a machine of your own"
        )
    yield from _crowd_reasons(noise)
    if noise.throttled is not None and noise.throttled > THROTTLED:
        yield (
            f"the container's CPU quota stops this process {_percent(noise.throttled)} of the "
            f"time (limit {_percent(THROTTLED)}): raise the quota, or end what shares it"
        )


def _crowd_reasons(noise: Noise) -> Iterator[str]:
    """Give one reason for want of cores: who uses them where that shows, else the wait."""
    busy, spare = noise.busy_cores, noise.cores - noise.threads
    if busy is not None and busy > max(spare, 0) + CORES_SHORT:
        yield (
            f"others use {busy:.1f} of {noise.cores} cores and {noise.threads} "
            f"{'is' if noise.threads == 1 else 'are'} needed: end them, or wait until they end"
        )
    elif noise.waited is not None and noise.waited > WAITED:
        yield (
            f"this process waits for a core {_percent(noise.waited)} of the time "
            f"(limit {_percent(WAITED)}): end what else runs here, or wait until it ends"
        )


def _percent(share: float) -> str:
    return f"{100 * share:.1f} %"


def _busy_cores(before: Counters, after: Counters) -> float | None:
    """Return the cores that processes other than this one used on average."""
    seconds = after.at_s - before.at_s
    own = after.own_cpu_s - before.own_cpu_s
    busy = sum(core[0] for core in _grown(before, after))
    if seconds <= 0 or busy < own / 2:  # a sandbox may show counters that stand still
        return None
    return max(busy - own, 0.0) / seconds


def _steal(before: Counters, after: Counters) -> float | None:
    """Return the stolen share of the time in which a core was wanted: an idle one loses none."""
    grown = _grown(before, after)
    stolen, wanted = sum(core[1] for core in grown), sum(map(sum, grown))
    if not grown or not wanted:
        return None
    return stolen / wanted if stolen >= _FEWEST_STEAL_TICKS * _tick_s() - 1e-9 else 0.0


def _grown(before: Counters, after: Counters) -> list[tuple[float, float]]:
    """Return each core's growth; a core that went or came in between says nothing."""
    both = before.cores.keys() & after.cores.keys()
    return [
        (after.cores[n][0] - before.cores[n][0], after.cores[n][1] - before.cores[n][1])
        for n in both
    ]


def _share(before: float | None, after: float | None, seconds: float) -> float | None:
    if before is None or after is None or seconds <= 0:
        return None
    return min(max((after - before) / seconds, 0.0), 1.0)


def _cores(root: Path) -> dict[int, tuple[float, float]]:
    """Read /proc/stat for the cores that this process may use, or for all where none is listed.

    A container's own /proc/stat may number its cores anew.
    """
    found = {}
    for number, ticks in re.findall(r"^cpu(\d+) (.*)$", _text(root / "proc/stat"), re.MULTILINE):
        user, nice, system, _, _, irq, softirq, steal = [*map(int, ticks.split()), *[0] * 8][:8]
        busy = user + nice + system + irq + softirq
        found[int(number)] = (busy * _tick_s(), steal * _tick_s())
    affinity = getattr(os, "sched_getaffinity", None)
    mine = {n: core for n, core in found.items() if affinity and n in affinity(0)}
    return mine or found


def _waited_s(root: Path) -> float | None:
    """Read how long this thread was ready to run without a core (schedstat's second figure)."""
    figures = _text(root / "proc/thread-self/schedstat").split()
    return int(figures[1]) / 1e9 if len(figures) == 3 else None


def _throttled_s(root: Path) -> float | None:
    """Read how long quotas stopped this process's control groups, added up."""
    texts = [_text(folder / "cpu.stat") for folder in cgroup_folders(root)]
    found = [int(us) / 1e6 for us in re.findall(r"throttled_usec (\d+)", "\n".join(texts))]
    first_version = _text(root / "sys/fs/cgroup/cpu/cpu.stat")
    found += [int(ns) / 1e9 for ns in re.findall(r"throttled_time (\d+)", first_version)]
    return sum(found) if found else None


def _hot_zones(root: Path) -> Iterator[str]:
    """Name each thermal zone within 5 °C of where it slows the processor down."""
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
