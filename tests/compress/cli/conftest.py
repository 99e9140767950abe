"""The inputs of the commands' tests: a tiny teacher, its rows and its ONNX export."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest

from tests.compress.tiny_models import LABELS, make_data, make_model


@pytest.fixture(scope="session")
def ground(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Write `teacher`, `train.csv` and `test.csv` once; tests only read them."""
    folder = tmp_path_factory.mktemp("ground")
    make_model(folder / "teacher")
    data = make_data()
    for name, rows in (("train", data.train), ("test", data.test)):
        with (folder / f"{name}.csv").open("w", encoding="utf-8", newline="") as stream:
            lines = ((t, LABELS[n]) for t, n in zip(rows.inputs, rows.targets, strict=True))
            csv.writer(stream).writerows([("text", "label"), *lines])
    return folder


@pytest.fixture(scope="session")
def onnx(ground: Path) -> Path:
    """Export the teacher once."""
    from compress.cli.main import run

    assert run(["export", str(ground / "teacher"), "--out", str(ground / "onnx"), "-q"]) == 0
    return ground / "onnx"
