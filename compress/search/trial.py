"""What a search knows of a shape: how fast and large it is, and how well it answers."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from compress.search.shape import Shape
from profiles.statistics import Interval, paired_retention


@dataclass(frozen=True, slots=True)
class Latency:
    """Hold how fast a shape is beside the teacher's fp32 ONNX; milliseconds a row."""

    p50_ms: float
    p90_ms: float
    speedup: float


@dataclass(frozen=True, slots=True)
class Trial:
    """Hold one training of a shape; `seconds` went into it.

    `student_right` is of the fp32 student, `model_right` of what would be deployed, None before
    that was made.
    """

    shape: Shape
    epochs: int
    latency: Latency
    size_mb: float
    seconds: float
    student_right: tuple[bool, ...]
    model_right: tuple[bool, ...] | None = None

    @property
    def name(self) -> str:
        """Return the shape's name and the epochs."""
        return f"{self.shape.name}-epochs-{self.epochs}"

    @property
    def deployed(self) -> bool:
        """Tell whether the model that would be deployed was made and judged."""
        return self.model_right is not None

    @property
    def right(self) -> tuple[bool, ...]:
        """Return the rows that the deployed model is right on, or else the student."""
        return self.student_right if self.model_right is None else self.model_right

    @property
    def accuracy(self) -> float:
        """Return the share of validation rows that are right."""
        return sum(self.right) / len(self.right)

    def to_json(self) -> dict[str, Any]:
        """Return the trial as JSON values; rows are packed into hexadecimal digits."""
        packed = {
            "student_right": _packed(self.student_right),
            "model_right": None if self.model_right is None else _packed(self.model_right),
        }
        return dataclasses.asdict(self) | packed | {"rows": len(self.student_right)}


def trial_from_json(content: Mapping[str, Any]) -> Trial:
    """Return the trial that `to_json` wrote."""
    rows, model = content["rows"], content["model_right"]
    return Trial(
        shape=Shape(**content["shape"]),
        epochs=content["epochs"],
        latency=Latency(**content["latency"]),
        size_mb=content["size_mb"],
        seconds=content["seconds"],
        student_right=_unpacked(content["student_right"], rows),
        model_right=None if model is None else _unpacked(model, rows),
    )


def _packed(right: tuple[bool, ...]) -> str:
    return np.packbits(np.array(right, dtype=bool)).tobytes().hex()


def _unpacked(digits: str, rows: int) -> tuple[bool, ...]:
    packed = np.frombuffer(bytes.fromhex(digits), dtype=np.uint8)
    return tuple(np.unpackbits(packed, count=rows).astype(bool).tolist())


@dataclass(frozen=True, slots=True)
class Control:
    """Name the model that retention is measured against, what it is right on, and why it.

    `shape` and `epochs` are the student's where the teacher has seen the validation rows.
    """

    name: str
    right: tuple[bool, ...]
    why: str
    shape: Shape | None = None
    epochs: int = 0

    def retention(self, trial: Trial, seed: int) -> Interval:
        """Bound a trial's accuracy over the control's at 95 %, paired by row."""
        return _retention(trial.right, self.right, seed)


@functools.lru_cache(maxsize=4096)
def _retention(right: tuple[bool, ...], control: tuple[bool, ...], seed: int) -> Interval:
    """Return what a search asks for each time that it looks at what it knows."""
    return paired_retention(right, control, 0.95, seed)
