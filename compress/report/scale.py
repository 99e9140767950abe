"""Axes: map a figure to a place in a drawing, and choose round figures as ticks."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

_FEW = 3
_STEPS = (1.0, 2.0, 2.5, 5.0, 10.0)
_COARSE = (1.0, 2.0, 5.0)
_FINE = (1.0, 1.5, 2.0, 3.0, 4.0, 5.0, 6.0, 8.0)


@dataclass(frozen=True, slots=True)
class Scale:
    """Map `low..high` to `start..end`, linearly or by the logarithm."""

    low: float
    high: float
    start: float
    end: float
    log: bool = False

    def at(self, value: float) -> float:
        """Return the place of a figure to 2 decimals; one beyond the ends is put at the end."""
        value = min(max(value, self.low), self.high)
        low, high = self._bend(self.low), self._bend(self.high)
        share = (self._bend(value) - low) / (high - low)
        return round(self.start + (self.end - self.start) * share, 2)

    def ticks(self, most: int = 6) -> list[float]:
        """Return round figures within the scale, few enough to be read."""
        return self._log_ticks(most) if self.log else self._linear_ticks(most)

    def _bend(self, value: float) -> float:
        return math.log(value) if self.log else value

    def _linear_ticks(self, most: int) -> list[float]:
        rough = (self.high - self.low) / most
        unit = 10.0 ** math.floor(math.log10(rough))
        step = unit * next(size for size in _STEPS if unit * size >= rough * (1 - 1e-9))
        first, last = math.ceil(self.low / step - 1e-9), math.floor(self.high / step + 1e-9)
        return [round(index * step, 12) for index in range(first, last + 1)]

    def _log_ticks(self, most: int) -> list[float]:
        ticks = self._decades(_COARSE)
        if len(ticks) < _FEW:
            ticks = self._decades(_FINE)
        if len(ticks) < _FEW:
            return self._linear_ticks(most)
        every = math.ceil(len(ticks) / (2 * most))
        return ticks[::every]

    def _decades(self, digits: Sequence[float]) -> list[float]:
        first, last = math.floor(math.log10(self.low)), math.ceil(math.log10(self.high))
        values = (digit * 10.0**power for power in range(first, last + 1) for digit in digits)
        return [value for value in values if self.low <= value <= self.high]


def linear(values: Sequence[float], start: float, end: float, *, pad: float, least: float) -> Scale:
    """Return a linear scale that holds the values with room around them.

    `pad` is a share of their span, `least` the smallest span.
    """
    low, high = min(values), max(values)
    room = max((high - low) * pad, (least - (high - low)) / 2, 1e-12)
    return Scale(low - room, high + room, start, end)


def logarithmic(values: Sequence[float], start: float, end: float, *, pad: float) -> Scale:
    """Return a logarithmic scale that holds the positive values, with a factor `pad` around."""
    return Scale(min(values) / pad, max(values) * pad, start, end, log=True)
