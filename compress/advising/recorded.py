"""What edgepress's own recorded runs kept of their teachers' accuracy."""

from __future__ import annotations

import tomllib
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.resources import files


@dataclass(frozen=True, slots=True)
class Run:
    """Hold one recorded run; accuracies are in percent, `source` names its row.

    `layers` is 0 for a bag of pieces and of their pairs.
    `linear` is the accuracy of the best linear model of the same rows.
    """

    answer: str
    layers: int
    accuracy: float
    teacher: float
    linear: float
    data: str
    source: str

    @property
    def retention(self) -> float:
        """Return the share of the teacher's accuracy that the model kept."""
        return self.accuracy / self.teacher

    @property
    def linear_retention(self) -> float:
        """Return the share that the best linear model kept."""
        return self.linear / self.teacher


@dataclass(frozen=True, slots=True)
class Range:
    """Hold the least and the most that such runs kept."""

    runs: tuple[Run, ...]

    @property
    def lower(self) -> float:
        """Return the least retention."""
        return min(run.retention for run in self.runs)

    @property
    def upper(self) -> float:
        """Return the greatest retention."""
        return max(run.retention for run in self.runs)

    @property
    def words(self) -> str:
        """Return both, or the one of a single run."""
        most = f" to {self.upper:.1%}" if len(self.runs) > 1 else ""
        return f"{self.lower:.1%}{most}"


def recorded() -> tuple[Run, ...]:
    """Return every recorded run."""
    text = files("compress.advising").joinpath("recorded.toml").read_text(encoding="utf-8")
    return tuple(Run(**row) for row in tomllib.loads(text)["run"])


def range_of(runs: Sequence[Run], answer: str, layers: int | None = None) -> Range | None:
    """Return what runs of such an answer kept, None where none is recorded."""
    like = [run for run in runs if run.answer == answer and layers in (None, run.layers)]
    return Range(tuple(like)) if like else None
