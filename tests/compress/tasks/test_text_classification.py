"""Text classification on the host, and its own rules."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

import numpy as np
import pytest

from compress.tasks import Answer
from compress.tasks.text_classification import TextClassification
from runtimes.errors import DataError
from tests.compress.tasks.contract_task import TaskContract

TASK = TextClassification()
WORDS = ("refund my card", "the screen is broken", "thanks for the help")


class TestTextClassification(TaskContract):
    """Hold text classification to the contract."""

    name: ClassVar[str] = "text-classification"
    settings: ClassVar[dict[str, Any]] = {"text": "said", "label": "topic"}
    records: ClassVar[Sequence[dict[str, Any]]] = [
        {"said": f"{WORDS[n % 3]} {n}", "topic": "abc"[n % 3]} for n in range(60)
    ]
    refused: ClassVar[Sequence[Sequence[dict[str, Any]]]] = [
        [{"said": f"text {n}", "topic": "a"} for n in range(20)],
        [{"said": f"text {n}", "topic": f"{n % 2}.5"} for n in range(20)],
        [{"said": f"text {n}", "topic": "a" if n else "b"} for n in range(20)],
        [{"said": "", "topic": "a"}, {"said": "text", "topic": "b"}],
    ]

    def perfect(self, targets: Sequence[Any], labels: tuple[str, ...]) -> list[Answer]:
        """Return logits that favor the right class strongly."""
        return list(10 * np.eye(len(labels), dtype=np.float32)[list(targets)])

    def random(self, targets: Sequence[Any], labels: tuple[str, ...], seed: int) -> list[Answer]:
        """Return logits drawn at random."""
        rng = np.random.default_rng(seed)
        return list(rng.normal(size=(len(targets), len(labels))).astype(np.float32))


def _logits(classes: Any, count: int) -> list[Answer]:
    return list(np.eye(count, dtype=np.float32)[np.asarray(classes)])


def test_quality_is_paired_with_the_reference() -> None:
    rng = np.random.default_rng(0)
    truth = rng.integers(0, 4, 1000)
    teacher = np.where(rng.random(1000) < 0.95, truth, (truth + 1) % 4)
    student = np.where(rng.random(1000) < 0.99, teacher, (truth + 2) % 4)
    labels, said = tuple("abcd"), _logits(student, 4)
    figures = TASK.figures(said, truth.tolist(), labels, _logits(teacher, 4)).all(0.95)
    kept, accuracy = figures["accuracy_retention"], figures["accuracy"]
    assert kept.value == pytest.approx((student == truth).sum() / (teacher == truth).sum())
    width = [(x.upper or 0) - (x.lower or 0) for x in (kept, accuracy)]
    assert width[0] < width[1]  # pairing takes the shared rows' luck out
    assert set(figures) == {"accuracy", "f1_macro", "accuracy_retention", "worst_class_retention"}


def test_a_reference_that_is_never_right_has_no_retention() -> None:
    with pytest.raises(DataError, match="no row right"):
        TASK.figures(_logits([0, 1], 2), [0, 1], ("a", "b"), _logits([1, 0], 2))


def test_guessing_may_reach_the_most_frequent_class() -> None:
    assert TASK.chance([0] * 80 + [1] * 20, ("a", "b")) == pytest.approx(0.8 + 1.645 * 0.04)
