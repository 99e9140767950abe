"""Stacked batches are compared with single texts on a real model."""

from __future__ import annotations

import csv
import json
from pathlib import Path

from click.testing import CliRunner

from benchmarks.batching import main
from tests.runtimes.tiny import TEXTS, tiny_onnx


def test_a_float_model_keeps_its_answers(tmp_path: Path) -> None:
    with (tmp_path / "rows.csv").open("w", encoding="utf-8", newline="") as stream:
        csv.writer(stream).writerows([["text"], *([text] for text in TEXTS * 4)])
    model = tiny_onnx(tmp_path / "onnx").path
    options = ["--texts", str(tmp_path / "rows.csv"), "--size", "2", "--rounds", "2"]
    figures = tmp_path / "figures.json"
    done = CliRunner().invoke(main, [str(model), *options, "--json", str(figures)])
    assert done.exit_code == 0, done.output
    seen = json.loads(figures.read_text())
    assert seen["texts"] > 10
    assert seen["gain"]["lower"] <= seen["gain"]["value"] <= seen["gain"]["upper"]
    assert seen["largest_score_difference"] <= 2e-6
    assert "times as many texts" in done.output
