"""Refuse a quantized model that no longer does its source's job, and say why."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from compress.answers.folder import folder_answers
from compress.data.rows import Rows
from compress.stage import RunContext
from runtimes.artifact import Artifact
from runtimes.errors import DataError, QualityError
from runtimes.runtime import model_files

CHECK_ROWS = 200
_SURE = 1.645
"""Standard errors of a one-sided 95 % bound."""


@dataclass(frozen=True, slots=True)
class Limits:
    """Hold what a result must keep: `largest` is its size as a part of its source's.

    `advice` says what to try when it does not.
    """

    scheme: str
    largest: float
    max_drop: float
    advice: str


@dataclass(frozen=True, slots=True)
class Comparison:
    """Hold how a source and its result predict the same labelled rows."""

    labels: NDArray[np.int64]
    source: NDArray[np.int64]
    result: NDArray[np.int64]
    classes: int

    @property
    def source_accuracy(self) -> float:
        """Return the source's share of right rows."""
        return float(np.mean(self.source == self.labels))

    @property
    def accuracy(self) -> float:
        """Return the result's share of right rows."""
        return float(np.mean(self.result == self.labels))

    @property
    def agreement(self) -> float:
        """Return the share of rows that both give the same class."""
        return float(np.mean(self.source == self.result))

    @property
    def chance(self) -> float:
        """Return the accuracy that guessing could reach by luck, at 95 % confidence."""
        counts = np.bincount(self.labels, minlength=self.classes)
        share = max(float(counts.max()) / len(self.labels), 1 / self.classes)
        return share + _SURE * math.sqrt(share * (1 - share) / len(self.labels))

    @property
    def sure_drop(self) -> float:
        """Return the accuracy that is lost beyond the noise of these rows, at 95 % confidence.

        The rows are paired, so only those where one is right and the other wrong count
        (McNemar 1947).
        """
        lost = int(np.sum((self.source == self.labels) & (self.result != self.labels)))
        won = int(np.sum((self.source != self.labels) & (self.result == self.labels)))
        return (lost - won - _SURE * math.sqrt(lost + won)) / len(self.labels)


def check_result(
    source: Artifact, folder: Path, limits: Limits, context: RunContext
) -> dict[str, float]:
    """Compare a quantized folder with its source; return size and agreement as metrics.

    Raises QualityError when it did not shrink, fell to chance, lost more than
    `limits.max_drop` or decides otherwise than its source too often.
    """
    ratio = _size_ratio(source, folder, limits)
    seen = compare(source, folder, pick_rows(context.data.validation, CHECK_ROWS))
    if seen.source_accuracy <= seen.chance:
        context.progress.warn(
            f"the model before quantization is right on {seen.source_accuracy:.1%} of the"
            " validation rows, which guessing could reach: the result cannot be judged"
        )
    else:
        _refuse_if_worse(seen, limits)
    return {
        "size_ratio": round(ratio, 4),
        "validation_rows": float(len(seen.labels)),
        "validation_accuracy": round(seen.accuracy, 4),
        "source_accuracy": round(seen.source_accuracy, 4),
        "agreement": round(seen.agreement, 4),
    }


def compare(source: Artifact, folder: Path, rows: Rows) -> Comparison:
    """Predict each row alone, at its own length, with the source and with the result."""
    before = predict(source, source.path, rows.inputs)
    after = predict(source, folder, rows.inputs)
    labels = np.array(rows.targets, dtype=np.int64)
    return Comparison(labels, before, after, len(source.labels))


def predict(artifact: Artifact, folder: Path, texts: Sequence[str]) -> NDArray[np.int64]:
    """Return the class of each text by the model in `folder`, as it is deployed."""
    found: NDArray[np.int64] = folder_answers(artifact, folder, texts).argmax(axis=1)
    return found


def pick_rows(rows: Rows, count: int) -> Rows:
    """Return up to `count` rows, evenly spaced, so that a sorted file is covered too."""
    if not len(rows):
        raise DataError("no validation rows", expected="labelled rows to check the result on")
    places = np.unique(np.linspace(0, len(rows) - 1, min(count, len(rows))).round().astype(int))
    return Rows(tuple(rows.inputs[i] for i in places), tuple(rows.targets[i] for i in places))


def _size_ratio(source: Artifact, folder: Path, limits: Limits) -> float:
    ratio = _weights_bytes(source.format, folder) / _weights_bytes(source.format, source.path)
    if ratio > limits.largest:
        raise QualityError(
            f"{limits.scheme} left {ratio:.0%} of the size",
            expected=f"at most {limits.largest:.0%} of the source's {source.size_mb:.1f} MB",
            action="fp32 weights were left behind: report the architecture",
        )
    return ratio


def _weights_bytes(form: str, folder: Path) -> int:
    """Return the size of the largest of a model's files, which holds the weights."""
    patterns = model_files(form)
    return max(file.stat().st_size for pattern in patterns for file in folder.glob(pattern))


def _refuse_if_worse(seen: Comparison, limits: Limits) -> None:
    rows = len(seen.labels)
    before, after = f"{seen.source_accuracy:.1%}", f"{seen.accuracy:.1%}"
    if seen.accuracy <= seen.chance and seen.source_accuracy - seen.accuracy > limits.max_drop:
        why = f"fell to chance: accuracy {before} → {after} on {rows} validation rows"
    elif seen.sure_drop > limits.max_drop:
        why = f"lost accuracy: {before} → {after} on {rows} validation rows"
    elif seen.agreement < 1 - 5 * max(limits.max_drop, 0.02):
        why = f"agrees with its source on only {seen.agreement:.1%} of {rows} validation rows"
    else:
        return
    raise QualityError(
        f"{limits.scheme} {why}",
        expected=f"a loss of at most {limits.max_drop:.1%} (max_drop)",
        action=limits.advice,
    )
