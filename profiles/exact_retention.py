"""Bounds of a ratio of two shares of right rows, from the counts of paired rows alone.

`both` rows are right in both models, `gained` ones in the candidate alone, `lost` ones in the
reference alone.
The ratio, (both + gained) / (both + lost), is what the candidate keeps of the reference's accuracy.
No normal approximation: nothing lost of n rows leaves a lower bound of about 1 - 3 / n at 95 %.
"""

from __future__ import annotations

import functools
import math

import numpy as np
from numpy.typing import NDArray

_NEGLIGIBLE = 1e-12
_STEPS = 20
"""The number of halvings of the search interval: they reach a millionth of its width."""


def retention_lower(both: int, gained: int, lost: int, confidence: float) -> float:
    """Return the ratio's lower bound; 0 where the candidate has no row right."""
    turned = _upper_bound(both, lost, gained, 1 - confidence)
    return 1 / turned if turned else math.inf


def retention_upper(both: int, gained: int, lost: int, confidence: float) -> float:
    """Return the ratio's upper bound; infinite where the reference has no row right."""
    return _upper_bound(both, gained, lost, 1 - confidence)


def graded_bounds(
    lost: NDArray[np.float64], gained: NDArray[np.float64], one_more: float, confidence: float
) -> tuple[float, float]:
    """Return both bounds of 1 + Σ gained - Σ lost, from the size of each changed row.

    Each sum counts rare rows that weigh differently: its bounds are the gamma quantiles of Fay &
    Feuer (1997, Statistics in Medicine 16), where the upper one allows for `one_more` row of this
    size. The two sums' bounds are joined by squares (MOVER: Zou & Donner 2008, Statistics in
    Medicine 27).
    """
    value = 1 + float(gained.sum() - lost.sum())
    fewer, more = _weighted_sum(lost, one_more, confidence)
    least, most = _weighted_sum(gained, one_more, confidence)
    return value - math.hypot(more, least), value + math.hypot(fewer, most)


def _weighted_sum(
    sizes: NDArray[np.float64], one_more: float, confidence: float
) -> tuple[float, float]:
    """Return how far the lower and the upper bound lie from the sum of the sizes."""
    from scipy.special import gammaincinv

    total, square = float(sizes.sum()), float(np.square(sizes).sum())
    more, spread = total + one_more, square + one_more**2
    upper = spread / more * float(gammaincinv(more**2 / spread, confidence))
    lower = square / total * float(gammaincinv(total**2 / square, 1 - confidence)) if total else 0.0
    return total - lower, max(upper - total, 0.0)


@functools.lru_cache(maxsize=65536)
def _upper_bound(both: int, gained: int, lost: int, risk: float) -> float:
    """Return the largest ratio that the counts do not reject at this `risk`.

    The test is unconditional and its probabilities are exact sums. The share of gained rows, a
    nuisance parameter, takes its most likely value under the hypothesis (the E-test: Lloyd 2008,
    Biometrics 64; the score test of this ratio: Nam & Blackwelder 2002, Statistics in Medicine 21).
    Normal approximations fail at the small risks that remain for each of many classes.
    """
    if both + lost == 0:
        return math.inf
    low = (both + gained) / (both + lost)
    high = max(2 * low, 1.0)
    while _as_poor(high, both, gained, lost) > risk:
        low, high = high, 2 * high
    for _ in range(_STEPS):
        middle = (low + high) / 2
        if _as_poor(middle, both, gained, lost) > risk:
            low = middle
        else:
            high = middle
    return high


def _as_poor(ratio: float, both: int, gained: int, lost: int) -> float:
    """Return P(lost - ratio · gained is at least as large as observed) if `ratio` is the truth.

    Rows that neither model has right say nothing about the ratio and are left out (the sum is
    conditional on the number of the others). The ratio then fixes the share lost, given the share
    gained.
    """
    from scipy.special import betainc, gammaln, xlog1py, xlogy

    count = both + gained + lost
    share_gained = _likeliest_gained(ratio, both, gained, lost)
    share_lost = 1 - ratio * (1 - share_gained)
    seen = lost - ratio * gained
    more = _likely_counts(count, share_gained)
    chances = np.exp(
        gammaln(count + 1) - gammaln(more + 1) - gammaln(count - more + 1)
        + xlogy(more, share_gained) + xlog1py(count - more, -share_gained)
    )  # fmt: skip
    least = np.ceil(seen + ratio * more - 1e-9)
    left = count - more
    share = min(max(share_lost / (1 - share_gained), 0.0), 1.0) if share_gained < 1 else 0.0
    # P(X >= k) of a binomial, k from 1 to n: 1 for a smaller k, 0 for a larger one.
    inside = np.clip(least, 1, np.maximum(left, 1))
    tails = betainc(inside, left - inside + 1, share, where=left > 0, out=np.zeros_like(left))
    tails = np.where(least <= 0, 1.0, np.where(least > left, 0.0, tails))
    return float(np.clip(np.sum(chances * tails), 0, 1))


def _likeliest_gained(ratio: float, both: int, gained: int, lost: int) -> float:
    """Return the likeliest share of gained rows under the ratio, the root of a quadratic."""
    square = (both + gained + lost) * (1 + ratio) * ratio
    linear = gained * (2 * ratio**2 - 1) + lost * ratio**2 - both * (1 - ratio**2)
    constant = gained * ratio * (1 - ratio)
    root = (linear + math.sqrt(max(linear**2 + 4 * square * constant, 0))) / (2 * square)
    return min(max(root, 0.0, 1 - 1 / ratio), ratio / (1 + ratio))


def _likely_counts(count: int, share: float) -> NDArray[np.float64]:
    """Return the counts that a binomial takes with a probability worth summing."""
    from scipy.special import ndtri

    reach = -float(ndtri(_NEGLIGIBLE)) * math.sqrt(count * share * (1 - share)) + 20
    low, high = max(math.floor(count * share - reach), 0), math.ceil(count * share + reach)
    return np.arange(low, min(high, count) + 1, dtype=np.float64)
