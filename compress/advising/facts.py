"""What advice rests on: the figures that were measured."""

from __future__ import annotations

from dataclasses import dataclass

from compress.advising.bags import Curve
from compress.advising.recorded import Range, Run, range_of
from compress.advising.rows import Look
from compress.report.schema import Estimate


@dataclass(frozen=True, slots=True)
class Option:
    """Hold the speed and the size of something that could be deployed.

    `kind` is "teacher", "quantize", "distil" or "linear". `layers` are those of a student, 0 for a
    bag of pieces and of their pairs. An untrained student has no `accuracy` and no `retention`.
    `missed` are the limits of the profile that it misses, `unknown` those that this measurement
    does not decide.
    """

    kind: str
    name: str
    p50_ms: float
    p90_ms: float
    speedup: float
    size_mb: float
    layers: int | None = None
    positions: bool = True
    accuracy: float | None = None
    retention: Estimate | None = None
    missed: tuple[str, ...] = ()
    unknown: tuple[str, ...] = ()

    @property
    def bag(self) -> bool:
        """Tell whether it is a student of no layer."""
        return self.layers == 0

    @property
    def meets(self) -> bool:
        """Tell whether it meets every limit that was measured."""
        return not self.missed and not self.unknown


@dataclass(frozen=True, slots=True)
class Facts:
    """Hold all that the rules decide by.

    `goal` is the least retention. `enough_is_said` where the profile limits a latency in
    milliseconds: then what meets its limits is fast enough. `order` is the retention of the teacher
    itself on texts with shuffled words. `suspects` counts labels that are probably wrong.
    """

    goal: float
    look: Look
    curve: Curve
    suspects: int
    options: tuple[Option, ...]
    order: Estimate
    held_rows: int
    enough_is_said: bool
    cuts: bool
    recorded: tuple[Run, ...]

    def option(self, kind: str) -> Option:
        """Return the first option of a kind."""
        return next(one for one in self.options if one.kind == kind)

    @property
    def students(self) -> tuple[Option, ...]:
        """Return the students that may be advised, the fewest layers first.

        One of layers keeps the order of words. A bag keeps that of neighbors alone: where order
        matters, it is none of them.
        """
        found = [one for one in self.options if one.kind == "distil"]
        able = [one for one in found if one.positions or (one.bag and not self.order_matters)]
        return tuple(sorted(able, key=lambda one: one.layers or 0))

    @property
    def rivals(self) -> tuple[Option, ...]:
        """Return the linear models, the smallest first."""
        found = [one for one in self.options if one.kind == "linear"]
        return tuple(sorted(found, key=lambda one: one.size_mb))

    @property
    def best_rival(self) -> Option:
        """Return the linear model that keeps most of the teacher's accuracy."""
        return max(self.rivals, key=lambda one: (one.retention and one.retention.value) or 0.0)

    @property
    def linear(self) -> Estimate:
        """Return the retention of the best linear model."""
        return self.best_rival.retention or Estimate()

    def recorded_range(self, answer: str, layers: int | None) -> Range | None:
        """Return what recorded runs of such an answer kept on rows like these, None without one.

        Rows are alike where a linear model keeps MOST_LINEAR of the teacher on both or on neither.
        """
        linear = self.linear.value
        here = linear is None or linear >= MOST_LINEAR
        alike = [run for run in self.recorded if (run.linear_retention >= MOST_LINEAR) == here]
        return range_of(alike, answer, layers)

    @property
    def suspect_share(self) -> float:
        """Return the share of the labels that are probably wrong."""
        return self.suspects / max(self.look.rows, 1)

    @property
    def order_matters(self) -> bool:
        """Tell whether shuffled words cost the teacher much and a linear model is far below it."""
        shuffled, linear = self.order.upper, self.linear.value
        return None not in (shuffled, linear) and (
            shuffled <= MOST_SHUFFLED and linear < MOST_LINEAR  # type: ignore[operator]
        )


MOST_SHUFFLED = 0.90
"""Order matters where shuffling surely costs the teacher a tenth of its accuracy or more. An
encoder that never saw shuffled text loses some points by their strangeness alone."""
MOST_LINEAR = 0.95
"""And where a linear model keeps less than this: what shuffling costs alone may be strangeness."""
