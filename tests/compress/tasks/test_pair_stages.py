"""Text pair classification through every stage, on a tiny model that learns which text complains.

Both texts are of the same words, so that a model which mixes them up is right on a third of rows.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from compress.explain.explanation import Explanation
from tests.compress.tasks.contract_stages import StagesContract
from tests.compress.tiny_pairs import LABELS, pair_rows


class TestPairStages(StagesContract):
    """Hold text pair classification to the contract."""

    name: ClassVar[str] = "text-pair-classification"
    settings: ClassVar[Mapping[str, Any]] = {"text": "premise", "text_pair": "hypothesis"}
    quantized = (
        ("onnx", {"scheme": "int8-dynamic", "weights": "int4"}),
        ("onnx", {"scheme": "int8-static"}),
        ("openvino", {"scheme": "int8-dynamic"}),
    )
    budgets: ClassVar[Mapping[str, float]] = {
        "accuracy": 0.5,
        "accuracy_retention": 0.5,
        "worst_class_retention": 0.3,
        "f1_macro": 0.5,
    }
    explained: ClassVar[str] = "accuracy_retention"
    text: ClassVar[str] = '{"text": "broken the card 7", "text_pair": "thanks my order 12"}'

    @staticmethod
    def rows(count: int, seed: int) -> list[dict[str, Any]]:
        """Return pairs of which one text may be a complaint."""
        return pair_rows(count, seed)

    def check_explained(self, said: Explanation) -> None:
        """Nothing is lost beside itself."""
        assert said.figures["accuracy"] == said.figures["reference_accuracy"] > 0.8

    def check_shown(self, shown: Mapping[str, Any]) -> None:
        """The answer names a label and both texts."""
        assert shown["label"] in LABELS
        assert shown["text"] == "broken the card 7"
        assert shown["text_pair"] == "thanks my order 12"
