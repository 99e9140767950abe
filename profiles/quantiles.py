"""Quantiles of the distributions that bounds are made of, each computed once."""

from __future__ import annotations

import functools


@functools.cache
def normal_quantile(probability: float) -> float:
    """Return the standard normal distribution's quantile."""
    from scipy.special import ndtri

    return float(ndtri(probability))


@functools.lru_cache(maxsize=4096)
def t_quantile(probability: float, freedom: float) -> float:
    """Return Student's t distribution's quantile, with so many degrees of freedom."""
    from scipy.stats import t

    return float(t.ppf(probability, freedom))
