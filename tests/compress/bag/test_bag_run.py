"""A recipe that prunes the vocabulary, makes a bag student and quantizes it, from end to end."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from compress.cli.main import run
from runtimes.artifact import read_artifact
from runtimes.piece_pairs import PAIRS
from tests.compress.brief_tier import shorten
from tests.compress.tiny_models import make_trained_model
from tests.compress.tiny_run import write_inputs

_STAGES = """
[[stage]]
kind = "prune"
vocabulary = true
vocabulary_floor = 100
recovery_epochs = 0
[[stage]]
kind = "bag"
width = 48
inner = 64
pairs = 50
epochs = 8
learning_rate = 5e-3
augment = 1
[[stage]]
kind = "quantize"
"""


def test_a_recipe_makes_measures_and_bundles_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shorten(monkeypatch)
    recipe = write_inputs(tmp_path)
    make_trained_model(tmp_path / "teacher")
    for file in tmp_path.glob("*.csv"):  # the teacher's classes have shorter names
        file.write_text(file.read_text(encoding="utf-8").replace(",class ", ","), encoding="utf-8")
    head = recipe.read_text().split("[[stage]]")[0]
    recipe.write_text(head.replace('"model"', '"teacher"') + _STAGES)
    out = tmp_path / "out"
    assert run(["run", str(recipe), "--out", str(out), "--tier", "quick", "-q"]) in (0, 1, 3)
    rows = json.loads((out / "report.json").read_text())["stages"]
    assert [row["kind"] for row in rows] == ["teacher", "prune", "bag", "quantize"]
    assert all(row["accuracy"] > 0.9 for row in rows if row["kind"] in ("bag", "quantize"))
    assert all(row["latency_p50_ms"] > 0 for row in rows)
    assert rows[-1]["size_mb"] < rows[-2]["size_mb"] < rows[1]["size_mb"]
    assert PAIRS in read_artifact(out / "bundle").files
