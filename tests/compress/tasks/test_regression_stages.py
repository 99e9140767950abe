"""Text regression through every stage, on a tiny model that learns its numbers."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from compress.explain.explanation import Explanation
from compress.models.teacher import open_model
from tests.compress.tasks.contract_stages import StagesContract
from tests.compress.tasks.stage_bench import Bench

_WORDS = {"thanks": 30, "great": 20, "help": 10, "broken": -20, "refund": -30, "error": -10}


class TestRegressionStages(StagesContract):
    """Hold text regression to the contract; the numbers are far from 0 and from 1."""

    name: ClassVar[str] = "text-regression"
    settings: ClassVar[Mapping[str, Any]] = {"label": "stars"}
    quantized = (
        ("onnx", {"scheme": "int8-dynamic", "weights": "int4"}),
        ("onnx", {"scheme": "int8-static"}),
        ("openvino", {"scheme": "int8-dynamic"}),
    )
    pruned: ClassVar[float] = 0.5
    budgets: ClassVar[Mapping[str, float]] = {
        "bounded_r2": 0.3,
        "bounded_r2_retention": 0.4,
        "worst_range_retention": 0.1,
        "mae": 40,
        "rmse": 60,
        "r2": 0.2,
        "spearman": 0.3,
        "mae_retention": 0.1,
    }
    explained: ClassVar[str] = "mae"
    text: ClassVar[str] = "thanks for the great help"

    @staticmethod
    def rows(count: int, seed: int) -> list[dict[str, Any]]:
        """Return texts whose words add up to a number around 500."""
        rng = np.random.default_rng(seed)
        rows = []
        for _ in range(count):
            words = [word for word in _WORDS if rng.random() < 0.4]
            number = 500 + sum(_WORDS[word] for word in words)
            text = " ".join([*rng.permutation(words).tolist(), f"order {rng.integers(1000)}"])
            rows.append({"text": text, "stars": float(number)})
        return rows

    def check_explained(self, said: Explanation) -> None:
        """The ranges hold all rows, and nothing is lost beside itself."""
        assert said.figures["mae"] == said.figures["reference_mae"] < said.figures["spread"]
        ranges, rows, kept = said.tables
        assert sum(row["rows"] for row in ranges.to_json()) == said.figures["rows"] == 60
        assert len(rows.to_json()) <= 60
        assert all(row["retention"] in (None, 1) for row in kept.to_json())

    def check_shown(self, shown: Mapping[str, Any]) -> None:
        """The number is in the rows' unit."""
        assert 350 < shown["value"] < 650

    def test_a_folder_with_one_output_predicts_a_number(self, bench: Bench, tmp_path: Path) -> None:
        assert bench.teacher is not None
        folder = tmp_path / "plain"
        folder.mkdir()
        for file in bench.teacher.path.iterdir():
            if file.name != "artifact.json" and file.is_file():
                (folder / file.name).write_bytes(file.read_bytes())
        config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
        config["id2label"], config["label2id"] = {"0": "LABEL_0"}, {"LABEL_0": 0}
        del config["problem_type"]  # as transformers writes it where nobody named the problem
        (folder / "config.json").write_text(json.dumps(config), encoding="utf-8")
        opened = open_model(str(folder), task=None)
        assert (opened.task, opened.labels) == (self.name, ("LABEL_0",))
        assert bench.data.labels == ("value",)
