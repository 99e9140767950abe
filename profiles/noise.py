"""Whether a machine is quiet enough to measure on; it is observed for less than a second.

Something that a system does not show is no reason against measuring.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np

from profiles.quantiles import t_quantile
from runtimes.activity import Activity, Counters
from runtimes.facts import Facts

PROBE_CV = 0.05
"""The coefficient of variation of the micro-probe above which timings are not comparable."""
STEAL = 0.02
"""The share of the requested processor time that a hypervisor may withhold."""
WAITED = 0.10
"""The share of the observed time that this process may wait for a core."""
THROTTLED = 0.02
"""The share of the observed time for which a CPU quota may stop this process."""
CORES_SHORT = 0.25
"""The number of cores by which others may exceed the spare ones; the kernel itself uses some."""

FEWEST_ROUNDS = 3
"""The fewest rounds whose spread is informative."""

_SLICES = 5
_FEWEST_STEAL_TICKS = 2  # one tick of 10 ms is over 1 % of so short a time
_SURE = 0.8
_STEADY_GOVERNORS = ("performance", None)


@dataclass(frozen=True, slots=True)
class Noise:
    """Hold what disturbs a machine, as observed for `seconds`.

    `probe_cv` and `probe_ms` are of the micro-probe; `steal`, `waited` and `throttled` are shares,
    0 to 1, of that time. `busy_cores` is what other processes used of the `cores` that this process
    may run on. `reasons` say why a measurement could not be trusted; `remarks` say what may disturb
    it.
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
        """Tell whether there is no reason against measuring now."""
        return not self.reasons

    def to_json(self) -> dict[str, Any]:
        """Return the noise as JSON values."""
        return {**asdict(self), "quiet": self.quiet}


def noise(observe: Callable[[], Activity], facts: Facts, threads: int) -> Noise:
    """Observe the machine once, and a second time if the first time was noisy.

    A disturbance that has passed by then is no reason against measuring.
    """
    first = noise_of(observe(), facts, threads)
    return first if first.quiet else noise_of(observe(), facts, threads)


def unobserved(threads: int, why: str) -> Noise:
    """Return the noise of a machine that was not observed, with the reason as its remark."""
    return Noise(0.0, threads, 0, 0.0, 0.0, remarks=(why,))


def noise_of(activity: Activity, facts: Facts, threads: int) -> Noise:
    """Return how noisy the machine of `facts` is for a measurement with `threads`.

    `threads` 0 takes every core.
    """
    before, after = activity.before, activity.after
    seconds = after.at_s - before.at_s
    cores = len(after.cores) or activity.cpus
    medians = np.array([np.median(part) for part in np.array_split(activity.probes, _SLICES)])
    unjudged = Noise(
        seconds=seconds,
        threads=threads or cores,
        cores=cores,
        probe_cv=float(medians.std(ddof=1) / medians.mean()),
        probe_ms=float(np.median(medians)),
        steal=_steal(activity),
        busy_cores=_busy_cores(before, after),
        waited=_share(before.waited_s, after.waited_s, seconds),
        throttled=_share(before.throttled_s, after.throttled_s, seconds),
        remarks=(*_remarks(facts, threads), *activity.heat),
    )
    return _with_reasons(unjudged)


def _remarks(facts: Facts, threads: int) -> list[str]:
    """Say what may disturb a longer measurement, although a short one does not show it."""
    remarks = []
    if threads > facts.cpus:
        remarks.append(
            f"{threads} threads share {facts.cpus:g} CPUs: they wait for each other; "
            "measure with fewer"
        )
    if facts.governor not in _STEADY_GOVERNORS:
        remarks.append(
            f"the frequency governor is {facts.governor}: clock rates follow the load; "
            "with `performance` timings vary less"
        )
    return remarks


def resolvable_ratio(
    log_ratios: Sequence[float],
    confidence: float = 0.95,
    power: float = 0.8,
    rounds: int | None = None,
) -> float | None:
    """Return the smallest true ratio over an allowance that a t-bound detects with `power`.

    `log_ratios` are the logarithms of the rounds' ratios of a model to itself; the result is for
    `rounds` rounds, by default as many as were measured. The bound is one-sided; the power is the
    noncentral t's (Cohen 1988, "Statistical Power Analysis", ch. 2; Johnson, Kotz & Balakrishnan,
    "Continuous Univariate Distributions" 2, ch. 31). The spread of a few rounds is itself an
    estimate, so its upper 80 % bound is used: the estimate alone is too small half of the time
    (Browne 1995, Statistics in Medicine 14, 1933-1940). None for fewer than FEWEST_ROUNDS.
    """
    if len(log_ratios) < FEWEST_ROUNDS:
        return None
    count = rounds or len(log_ratios)
    standard_error = _spread_bound(log_ratios) / math.sqrt(count)
    return math.exp(_standard_errors_needed(count - 1, confidence, power) * standard_error)


def _spread_bound(values: Sequence[float]) -> float:
    """Return the upper bound of the standard deviation of normal values."""
    from scipy.stats import chi2

    freedom = len(values) - 1
    return float(np.std(values, ddof=1) * math.sqrt(freedom / chi2.ppf(1 - _SURE, freedom)))


def _standard_errors_needed(freedom: int, confidence: float, power: float) -> float:
    """Return the noncentrality at which a one-sided t-test has the power."""
    from scipy.optimize import brentq
    from scipy.stats import nct

    critical = t_quantile(confidence, freedom)
    most = 2 * (critical + t_quantile(power, freedom))
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
    """Give one reason for too few cores: who uses them if that is known, else the waiting time."""
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
    if seconds <= 0 or busy < own / 2:  # in a sandbox the counters may not move
        return None
    return max(busy - own, 0.0) / seconds


def _steal(activity: Activity) -> float | None:
    """Return the stolen share of the time in which a core was wanted; an idle core loses none."""
    grown = _grown(activity.before, activity.after)
    stolen, wanted = sum(core[1] for core in grown), sum(map(sum, grown))
    if not grown or not wanted:
        return None
    return stolen / wanted if stolen >= _FEWEST_STEAL_TICKS * activity.tick_s - 1e-9 else 0.0


def _grown(before: Counters, after: Counters) -> list[tuple[float, float]]:
    """Return the growth of each core's counters; cores that came or went are left out."""
    both = before.cores.keys() & after.cores.keys()
    return [
        (after.cores[n][0] - before.cores[n][0], after.cores[n][1] - before.cores[n][1])
        for n in both
    ]


def _share(before: float | None, after: float | None, seconds: float) -> float | None:
    if before is None or after is None or seconds <= 0:
        return None
    return min(max((after - before) / seconds, 0.0), 1.0)
