"""The phases of a cold start as one bar: how long each took, one after the other."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

WIDTH, HEIGHT = 720.0, 36.0


@dataclass(frozen=True, slots=True)
class Phase:
    """Hold one phase's place in the bar, its time and its share of the whole."""

    name: str
    ms: float
    share: float
    x: float
    width: float


def drawing(phases_ms: Mapping[str, float]) -> list[Phase]:
    """Return the phases from left to right; together they are as wide as the bar.

    They are medians, each of its own, so their sum need not be the median of the whole.
    """
    return list(_placed(phases_ms)) if sum(phases_ms.values()) > 0 else []


def _placed(phases_ms: Mapping[str, float]) -> Iterator[Phase]:
    whole, x = sum(max(ms, 0.0) for ms in phases_ms.values()), 0.0
    for name, ms in phases_ms.items():
        share = max(ms, 0.0) / whole
        yield Phase(name, ms, share, round(x, 2), round(share * WIDTH, 2))
        x += share * WIDTH
