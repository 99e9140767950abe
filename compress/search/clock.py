"""The time limit of a search, and the expected time of a training."""

from __future__ import annotations

import time
from dataclasses import dataclass, field

CLOSING_S = 120.0
"""The time of the last measurement and the report, at a run's tier."""
_MORE_ROWS = 1.25
"""The factor by which a refit takes longer: it learns from the validation rows too."""


@dataclass(slots=True)
class SearchClock:
    """Hold the limit in seconds, None for no limit, and how long trainings took.

    `making_s` is the longest time to export and quantize a model, `answering_s` the time of the
    teacher's answers, which a refit needs again, `judging_s` that of many test rows' answers,
    `fitting_s` the longest fit of a linear student, whose work is 0.
    """

    limit_s: float | None
    started: float = field(default_factory=time.monotonic)
    paces: dict[float, float] = field(default_factory=dict)
    making_s: float = 0.0
    answering_s: float = 0.0
    judging_s: float = 0.0
    fitting_s: float = 0.0

    @property
    def spent_s(self) -> float:
        """Return the seconds since the start."""
        return time.monotonic() - self.started

    @property
    def left_s(self) -> float:
        """Return the seconds that are left."""
        return float("inf") if self.limit_s is None else self.limit_s - self.spent_s

    def trained(self, work: float, epochs: int, seconds: float) -> None:
        """Keep the time of an epoch of this much work, or of a linear student's fit."""
        if not work:
            self.fitting_s = max(self.fitting_s, seconds)
            return
        self.paces[work] = seconds / epochs

    @property
    def closing_s(self) -> float:
        """Return the time after the last training, without refits: answers, measuring, report."""
        answering_s = self.answering_s * _MORE_ROWS
        return CLOSING_S + self.making_s + answering_s + self.judging_s

    def training_s(self, work: float, epochs: int) -> float:
        """Return the expected seconds of a training; 0 before the first one.

        Estimated from the training of the most similar work; more work never takes less time.
        """
        if not work:
            return self.fitting_s
        if not self.paces:
            return 0.0
        nearest = min(self.paces, key=lambda known: abs(known - work))
        return epochs * self.paces[nearest] * max(1.0, work / nearest)

    def allows(self, work: float, epochs: int, refits: float, after_s: float = 0.0) -> bool:
        """Tell whether a training fits into the time, with `refits` of it on more rows.

        `after_s` is what is done before it.
        A linear student takes little time: where nothing else can be tried, it is.
        """
        if not work:
            return after_s + self.fitting_s + CLOSING_S <= self.left_s
        training = self.training_s(work, epochs)
        needed = training * (1 + refits * _MORE_ROWS) + refits * self.making_s
        return after_s + needed + self.closing_s <= self.left_s
