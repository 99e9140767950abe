"""Text pair classification through every stage, on a tiny model that learns which text complains.

Both texts are of the same words, so that a model which mixes them up is right on a third of rows.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest

from compress.distill.stage import Distill
from compress.explain.explanation import Explanation
from compress.export.stage import Export
from compress.models.positions import require_positions
from compress.prune.stage import Prune
from compress.search.space import space_of
from runtimes.errors import UnsupportedError
from tests.compress.tasks.contract_stages import StagesContract
from tests.compress.tasks.stage_bench import Bench
from tests.compress.tiny_models import make_model
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
        return pair_rows(2 * count, seed)

    def check_explained(self, said: Explanation) -> None:
        """Nothing is lost beside itself."""
        assert said.figures["accuracy"] == said.figures["reference_accuracy"] > 0.8

    def check_shown(self, shown: Mapping[str, Any]) -> None:
        """The answer names a label and both texts."""
        assert shown["label"] in LABELS
        assert shown["text"] == "broken the card 7"
        assert shown["text_pair"] == "thanks my order 12"

    def test_a_student_without_positions_tells_both_texts_apart_by_their_types(
        self, bench: Bench
    ) -> None:
        assert bench.teacher is not None
        one = bench.run(Distill(layers=1, epochs=6), bench.teacher, "one-layer")
        student = bench.run(Prune(positions=False, recovery_epochs=6), one, "unordered")
        assert bench.score(student) > 0.8
        made = bench.run(Export(format="onnx"), student, "unordered-onnx")
        for mine, theirs in zip(bench.answers(made), bench.answers(student), strict=True):
            np.testing.assert_allclose(mine, theirs, atol=1e-4, rtol=1e-4)


def test_positions_stay_where_pairs_have_no_types(tmp_path: Path) -> None:
    require_positions("distilbert", pairs=False)
    require_positions("bert", pairs=True)
    with pytest.raises(UnsupportedError, match="nothing else tells both texts apart") as caught:
        require_positions("distilbert", pairs=True)
    assert caught.value.available == "bert, electra"
    for model_type, choices in (("bert", (True, False)), ("roberta", (True,))):
        made = make_model(tmp_path / model_type, model_type)
        teacher = dataclasses.replace(made, task="text-pair-classification")
        assert space_of(teacher, "int8-dynamic", "onnx").positions == choices
