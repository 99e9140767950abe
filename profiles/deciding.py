"""What it takes to decide: sample sizes, the risk of each look, and of several checks."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

from profiles.quantiles import normal_quantile, t_quantile

_FIXED_POINT_STEPS = 8


def rows_needed(variance: float, margin: float, confidence: float, power: float = 0.8) -> int:
    """Return the rows that decide a one-sided question with the given power.

    n = (z_confidence + z_power)² · variance / margin² (Connor 1987, Biometrics 43(1), for pairs).
    `variance` is that of one row's paired difference, about the share of rows on which the two
    models disagree: 3 % of them and a margin of 0.76 points need about 3,200 rows.
    """
    reach = normal_quantile(confidence) + normal_quantile(power)
    return math.ceil(reach**2 * variance / margin**2)


def samples_to_decide(
    samples: int,
    reach: float,
    margin: float,
    confidence: float,
    freedom: int | None = None,
    power: float = 0.8,
) -> int:
    """Return the samples that put a bound on the value's side of a limit with the given power.

    `samples` left the bound `reach` away from the value, which lies `margin` from the limit. The
    reach is a standard error times the quantile of `confidence`: of t with so many degrees of
    `freedom`, which grow with the samples, or else of the normal distribution.
    """
    error = reach / _quantile_of(confidence, freedom)
    needed = rows_needed(error**2 * samples, margin, confidence, power)
    if freedom is None:
        return needed
    for _ in range(_FIXED_POINT_STEPS):
        later = max(round((freedom + 1) * needed / samples) - 1, 1)
        together = t_quantile(confidence, later) + t_quantile(power, later)
        needed = math.ceil(samples * (together * error / margin) ** 2)
    return needed


def _quantile_of(probability: float, freedom: int | None) -> float:
    return normal_quantile(probability) if freedom is None else t_quantile(probability, freedom)


def spent(information: Sequence[float]) -> tuple[float, ...]:
    """Return the share of the risk that each look at growing data may spend.

    `information[k]` is the share of the maximal data that look k sees. The shares of risk add up to
    at most 1, and to 1 when the last look sees all data. Lan & DeMets (1983), Biometrika 70(3),
    with the spending function ln(1 + (e - 1) t), which is nearly Pocock's. Each look's bounds use
    its own share alone, so by Bonferroni's inequality they hold together, however dependent the
    looks are (repeated confidence intervals: Jennison & Turnbull 1989, JRSS B 51).
    """
    used = [math.log(1 + (math.e - 1) * t) for t in information]
    return tuple(now - before for now, before in zip(used, [0.0, *used], strict=False))


def holm(rejects: Callable[[int, float], bool], count: int) -> frozenset[int]:
    """Return which of `count` hypotheses Holm's test rejects (1979, Scand. J. Stat. 6).

    `rejects(i, share)` tells whether hypothesis i is rejected with that share of its risk. The
    probability that any true hypothesis is rejected is at most the largest risk among them.
    """
    fallen: set[int] = set()
    while len(fallen) < count:
        share = 1 / (count - len(fallen))
        more = {i for i in range(count) if i not in fallen and rejects(i, share)}
        if not more:
            break
        fallen |= more
    return frozenset(fallen)
