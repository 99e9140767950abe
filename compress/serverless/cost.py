"""What a million requests cost, by Lambda's published formula and the user's own prices.

Compute is counted in GB-seconds: the granted memory in GB (MB / 1024) times the billed duration,
which is each request's, rounded up to 1 ms; requests are counted besides (the platform's pricing
page). A cold request's initialization is billed like a duration: it counts by the share of requests
that are cold, which the user gives.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

MILLION = 1_000_000


@dataclass(frozen=True, slots=True)
class Prices:
    """Hold a user's prices, of a GB-second and of a million requests, in any one currency."""

    gb_s: float
    million_requests: float


@dataclass(frozen=True, slots=True)
class Bill:
    """Hold what a million requests are billed for at one memory size.

    `billed_ms` is the mean of the billed durations, of which `cold_share` are those of cold starts.
    """

    memory_mb: int
    billed_ms: float
    cold_share: float = 0.0

    @property
    def requests(self) -> str:
        """Name the million requests that are billed."""
        if not self.cold_share:
            return "a million warm requests"
        return f"a million requests, {100 * self.cold_share:g} % of them cold,"

    @property
    def gb_s(self) -> float:
        """Return the GB-seconds of a million requests."""
        return self.billed_ms / 1_000 * self.memory_mb / 1_024 * MILLION

    def cost(self, prices: Prices) -> float:
        """Return the cost of a million requests."""
        return self.gb_s * prices.gb_s + prices.million_requests


def bill(
    memory_mb: int,
    durations_ms: Sequence[float],
    cold_starts_ms: Sequence[float] = (),
    cold_share: float = 0.0,
) -> Bill:
    """Return the bill of requests with these durations, a share of which are cold starts."""
    billed_ms = _billed_ms(durations_ms)
    if cold_share and cold_starts_ms:
        billed_ms += cold_share * (_billed_ms(cold_starts_ms) - billed_ms)
    return Bill(memory_mb, billed_ms, cold_share if cold_starts_ms else 0.0)


def _billed_ms(durations_ms: Sequence[float]) -> float:
    """Return the mean of durations, each rounded up to 1 ms."""
    return sum(map(math.ceil, durations_ms)) / len(durations_ms)
