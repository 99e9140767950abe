"""Text pair classification: one label for two texts, such as a premise and a hypothesis."""

from __future__ import annotations

from typing import ClassVar

from compress.tasks.pairs import ReadsPairs
from compress.tasks.text_classification import TextClassification


class TextPairClassification(ReadsPairs, TextClassification):
    """Assign one of several classes to a pair of texts.

    An input is {"text": ..., "text_pair": ...}, a target a class index, an answer the logits of all
    classes.
    """

    name: ClassVar[str] = "text-pair-classification"
