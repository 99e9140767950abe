"""One budget as a line: the allowed side, the limit, the measured value and its interval."""

from __future__ import annotations

from dataclasses import dataclass

from compress.report.scale import Scale, linear
from compress.report.schema import CheckRow


@dataclass(frozen=True, slots=True)
class Bullet:
    """Lay out a check's drawing."""

    check: CheckRow
    width: float = 320.0

    @property
    def limit(self) -> float:
        """Return the place of the limit."""
        return self._scale.at(self.check.limit)

    @property
    def allowed(self) -> tuple[float, float]:
        """Return the ends of the side that the budget allows."""
        return (0.0, self.limit) if self.check.bound == "max" else (self.limit, self.width)

    @property
    def anchor(self) -> str:
        """Return how the limit's text lies, so that it stays inside."""
        return "start" if self.limit < 60 else "end" if self.limit > self.width - 60 else "middle"

    @property
    def interval(self) -> tuple[float, ...]:
        """Return the places of lower bound, value and upper bound; empty where none is known."""
        check = self.check
        if check.value is None:
            return ()
        ends = (check.lower, check.value, check.upper)
        return tuple(self._scale.at(check.value if end is None else end) for end in ends)

    @property
    def _scale(self) -> Scale:
        check = self.check
        ends = (check.limit, check.value, check.lower, check.upper)
        known = [value for value in ends if value is not None]
        least = 1e-9 if len(known) > 1 else abs(check.limit) or 1.0
        return linear(known, 0.0, self.width, pad=0.3, least=least)
