"""What each row of a data set earns: the scores that quality metrics are made of."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from runtimes.errors import DataError

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class RowScores:
    """Hold each row's earned value and its weight: a metric is Σ value / Σ weight.

    Both have shape (rows,); more is better, and nothing is negative. Accuracy: value 1 for a right
    row, weight 1. Entity F1: value 2 TP, weight 2 TP + FP + FN. Scores with equal arrays are equal
    and have the same hash.
    """

    value: Floats
    weight: Floats

    def __post_init__(self) -> None:
        for name in ("value", "weight"):
            array = np.array(getattr(self, name), dtype=np.float64)
            array.flags.writeable = False
            object.__setattr__(self, name, array)
        _check(self.value, self.weight)

    @classmethod
    def right(cls, right: ArrayLike) -> RowScores:
        """Return the scores of rows that are right or wrong."""
        value = np.asarray(right, dtype=bool)
        return cls(value, np.ones(value.shape))

    def __len__(self) -> int:
        return len(self.value)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, RowScores) and self._content() == other._content()

    def __hash__(self) -> int:
        return hash(self._content())

    @property
    def metric(self) -> float:
        """Return Σ value / Σ weight; 0 where nothing can be earned."""
        weight = float(self.weight.sum())
        return float(self.value.sum()) / weight if weight else 0.0

    @property
    def binary(self) -> bool:
        """Tell whether every row is right or wrong, with equal weights."""
        return bool((self.weight == 1).all() and np.isin(self.value, (0, 1)).all())

    def of(self, rows: NDArray[np.bool_] | NDArray[np.int64]) -> RowScores:
        """Return the scores of some rows, chosen by a mask or by indices."""
        return RowScores(self.value[rows], self.weight[rows])

    def packed(self) -> dict[str, str]:
        """Return the scores as base64: one bit a row in `right`, or else `value` and `weight`."""
        if self.binary:
            return {"right": _text(np.packbits(self.value.astype(bool)).tobytes())}
        return {"value": _text(_bytes(self.value)), "weight": _text(_bytes(self.weight))}

    def _content(self) -> tuple[bytes, bytes]:
        return _bytes(self.value), _bytes(self.weight)


def unpacked(content: Mapping[str, str | None], rows: int) -> RowScores | None:
    """Return the scores that `packed` wrote, None where `content` has none.

    Raises ValueError when their number is not `rows`.
    """
    if (right := content.get("right")) is not None:
        bits = np.frombuffer(base64.b64decode(right, validate=True), dtype=np.uint8)
        if len(bits) != -(-rows // 8):
            raise ValueError(f"{len(bits)} bytes for {rows} rows")
        return RowScores.right(np.unpackbits(bits, count=rows))
    value, weight = content.get("value"), content.get("weight")
    if value is None or weight is None:
        return None
    return RowScores(_floats(value, rows), _floats(weight, rows))


def _check(value: Floats, weight: Floats) -> None:
    if value.shape != weight.shape or value.ndim != 1 or not value.size:
        raise DataError(
            f"scores of shape {value.shape} with weights of shape {weight.shape}",
            expected="one of each a row, at least one row",
            action="correct the task's `score`",
        )
    if not (np.isfinite(value).all() and np.isfinite(weight).all()):
        raise DataError(
            "a row's score is not a finite number",
            expected="a number a row",
            action="correct the task's `score`, or see whether the model's answers are numbers",
        )
    if min(value.min(), weight.min()) < 0:
        raise DataError(
            f"a row's score is {min(value.min(), weight.min()):g}",
            expected="0 or more: a task's score says what a row earned",
            action="correct the task's `score`",
        )


def _bytes(values: Floats) -> bytes:
    return values.astype("<f8").tobytes()


def _text(content: bytes) -> str:
    return base64.b64encode(content).decode()


def _floats(text: str, rows: int) -> Floats:
    scores = np.frombuffer(base64.b64decode(text, validate=True), dtype="<f8")
    if len(scores) != rows:
        raise ValueError(f"{len(scores)} scores for {rows} rows")
    return scores.astype(np.float64)
