"""One label for a text: how a model's answers are judged."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from profiles.metrics import accuracy, f1_macro


class TextClassification:
    """Judge single-label classification by accuracy and macro F1."""

    name: ClassVar[str] = "text-classification"

    def score(self, logits: NDArray[np.float32], labels: NDArray[np.int64]) -> Mapping[str, float]:
        """Return accuracy and macro F1 of logits (rows, classes) against class indices."""
        answers = logits.argmax(axis=1)
        return {
            "accuracy": accuracy(labels, answers),
            "f1_macro": f1_macro(labels, answers, logits.shape[1]),
        }
