"""The time from a text to its label, of real models in processes of their own."""

from __future__ import annotations

import csv
import math
from pathlib import Path

from click.testing import CliRunner

from benchmarks.text_to_label import main, times
from tests.compress.exported import exported

_TEXTS = ["my card is lost", "where is the refund"] * 12


def _rows(folder: Path) -> str:
    path = folder / "rows.csv"
    with path.open("w", encoding="utf-8", newline="") as stream:
        csv.writer(stream).writerows([["text"], *([text] for text in _TEXTS)])
    return str(path)


def test_every_text_is_timed_the_whole_way_and_in_the_model_alone(tmp_path: Path) -> None:
    measured = times(str(exported("onnx").path), _rows(tmp_path), "text", "20")
    assert [len(measured[kind]) for kind in ("whole", "run")] == [20, 20]
    assert sum(measured["whole"]) > sum(measured["run"])
    assert all(math.isfinite(second) and second > 0 for second in measured["run"])


def test_the_table_has_a_row_for_each_model(tmp_path: Path) -> None:
    model = str(exported("onnx").path)
    options = ["--texts", _rows(tmp_path), "--rounds", "2", "--rows", "20"]
    done = CliRunner().invoke(main, [model, model + "/", *options])
    assert done.exit_code == 0, done.output
    assert [line.count("|") for line in done.output.splitlines()] == [6] * 4


def test_a_folder_that_is_no_model_is_an_error(tmp_path: Path) -> None:
    done = CliRunner().invoke(main, [str(tmp_path), "--texts", _rows(tmp_path), "--rounds", "2"])
    assert done.exit_code == 1
    assert "artifact.json" in done.output
