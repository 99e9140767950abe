"""The comparison of runtimes: what agrees, what fails, and one row a model."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest

from benchmarks.mobile_runtimes import compare, table
from runtimes.errors import InputError
from tests.runtimes.tiny import LABELS, TEXTS, tiny_onnx, tiny_ort, tiny_tflite


def _rows(folder: Path) -> str:
    path = folder / "rows.csv"
    lines = [(text, LABELS[0]) for text in TEXTS]
    with path.open("w", newline="", encoding="utf-8") as stream:
        csv.writer(stream).writerows([("text", "label"), *lines])
    return str(path)


def test_the_same_graph_answers_the_same_in_every_runtime(tmp_path: Path) -> None:
    onnx, ort = tiny_onnx(tmp_path / "onnx").path, tiny_ort(tmp_path / "ort").path
    lite = tiny_tflite(tmp_path / "lite")
    result = compare(
        groups=[f"{onnx},{ort},{lite.path}"],
        test=_rows(tmp_path),
        text="text",
        label="label",
        rows=6,
        processes=2,
    )
    rows = result["models"]["onnx"]
    assert [row["runtime"] for row in rows.values()] == ["onnxruntime", "onnxruntime", "litert"]
    assert {row["agreement"] for row in rows.values()} == {1.0}
    assert rows["onnx"]["faster"]["value"] == 1
    assert len(table(result).splitlines()) == 5


def test_two_folders_of_one_name_are_refused(tmp_path: Path) -> None:
    onnx = tiny_onnx(tmp_path / "onnx").path
    with pytest.raises(InputError, match="two folders of one name"):
        compare(
            groups=[f"{onnx},{onnx}"],
            test=_rows(tmp_path),
            text="text",
            label="label",
            rows=6,
            processes=2,
        )
