"""The time that a search may take, and what a training is expected to take of it."""

from __future__ import annotations

import time
from dataclasses import dataclass, field

CLOSING_S = 120.0
"""The last measurement and the report, at the tier of a run."""
_MORE_ROWS = 1.25
"""What a refit takes longer, with the validation rows among the others."""


@dataclass(slots=True)
class SearchClock:
    """Hold the limit in seconds, None for none, and how long trainings took.

    `making_s` is what exporting and quantizing a model took at most, `answering_s` what the
    teacher's answers took, which a refit needs once more.
    """

    limit_s: float | None
    started: float = field(default_factory=time.monotonic)
    paces: dict[float, float] = field(default_factory=dict)
    making_s: float = 0.0
    answering_s: float = 0.0

    @property
    def spent_s(self) -> float:
        """Return the seconds since the start."""
        return time.monotonic() - self.started

    @property
    def left_s(self) -> float:
        """Return the seconds that are left."""
        return float("inf") if self.limit_s is None else self.limit_s - self.spent_s

    def trained(self, work: float, epochs: int, seconds: float) -> None:
        """Keep what an epoch of this much work took."""
        self.paces[work] = seconds / epochs

    @property
    def closing_s(self) -> float:
        """Return what comes after the last training but a refit: answers, measuring, report."""
        return CLOSING_S + self.making_s + self.answering_s * _MORE_ROWS

    def training_s(self, work: float, epochs: int) -> float:
        """Return the seconds that a training may take: 0 before any was seen.

        From the training of the nearest work; time grows with the work and never shrinks.
        """
        if not self.paces:
            return 0.0
        nearest = min(self.paces, key=lambda known: abs(known - work))
        return epochs * self.paces[nearest] * max(1.0, work / nearest)

    def allows(self, work: float, epochs: int, refits: int) -> bool:
        """Tell whether a training fits, and then `refits` of it on more rows."""
        training = self.training_s(work, epochs)
        needed = training * (1 + refits * _MORE_ROWS) + refits * self.making_s
        return needed + self.closing_s <= self.left_s
