"""The measurements of a shape: its latency, its size and its scores."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from compress.search.shape import Shape
from profiles.scores import RowScores, unpacked


@dataclass(frozen=True, slots=True)
class Latency:
    """Hold a shape's latency beside the teacher's fp32 ONNX, in milliseconds a row."""

    p50_ms: float
    p90_ms: float
    speedup: float


@dataclass(frozen=True, slots=True)
class Trial:
    """Hold one training of a shape, which took `seconds`.

    `student` holds the validation scores of the fp32 student, `model` those of the deployable
    model, None before that is made. `seed` is that of a repeated training, None in the first.
    `whole` says that a linear student kept all n-grams of the rows: with more it would be the same.
    """

    shape: Shape
    epochs: int
    latency: Latency
    size_mb: float
    seconds: float
    student: RowScores
    model: RowScores | None = None
    seed: int | None = None
    whole: bool = False

    @property
    def name(self) -> str:
        """Return the shape's name and the epochs; a linear student has none."""
        if self.shape.linear:
            return self.shape.name
        return f"{self.shape.name}-epochs-{self.epochs}"

    @property
    def deployed(self) -> bool:
        """Tell whether the deployable model was made and judged."""
        return self.model is not None

    @property
    def scores(self) -> RowScores:
        """Return the scores of the deployable model, or else of the student."""
        return self.student if self.model is None else self.model

    @property
    def accuracy(self) -> float:
        """Return the metric on the validation rows."""
        return self.scores.metric

    def to_json(self) -> dict[str, Any]:
        """Return the trial as JSON values; rows are packed."""
        return {
            "shape": dataclasses.asdict(self.shape),
            "epochs": self.epochs,
            "latency": dataclasses.asdict(self.latency),
            "size_mb": self.size_mb,
            "seconds": self.seconds,
            "rows": len(self.student),
            "student": self.student.packed(),
            "model": None if self.model is None else self.model.packed(),
            "seed": self.seed,
            "whole": self.whole,
        }


def trial_from_json(content: Mapping[str, Any]) -> Trial:
    """Return the trial that `to_json` wrote."""
    rows = content["rows"]
    student = unpacked(content["student"], rows)
    assert student is not None  # `to_json` always writes it
    return Trial(
        shape=Shape(**content["shape"]),
        epochs=content["epochs"],
        latency=Latency(**content["latency"]),
        size_mb=content["size_mb"],
        seconds=content["seconds"],
        student=student,
        model=unpacked(content["model"] or {}, rows),
        seed=content.get("seed"),
        whole=content.get("whole", False),
    )


@dataclass(frozen=True, slots=True)
class Control:
    """Hold the model that retention is measured against, its scores, and why it was chosen.

    `shape` and `epochs` are those of a student, if the teacher has seen the validation rows. One
    that only `stands_in` ranks the shapes until there is a control, and no answer is judged by it.
    """

    name: str
    scores: RowScores
    why: str
    shape: Shape | None = None
    epochs: int = 0
    stands_in: bool = False
