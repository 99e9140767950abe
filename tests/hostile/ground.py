"""The good inputs that each case damages: a tiny model in several formats, its rows and files."""

from __future__ import annotations

import csv
from pathlib import Path

from compress.cli.main import run
from tests.compress.tiny_models import LABELS, make_data, make_model

PROFILE = """schema = 1
name = "card"
[budgets]
accuracy = {min = 0.1}
artifact_mb = {max = 25}
"""
RECIPE = """schema = 1
name = "card"
profiles = ["local"]
[teacher]
path = "teacher"
[data]
train = "train.csv"
test = "test.csv"
[[stage]]
kind = "distill"
layers = 1
[[stage]]
kind = "quantize"
"""


DRY_RUN = ("run", "recipe.toml", "--out", "out", "--dry-run")
PREDICT = ("predict", "onnx", "my card")
IMPORT = ("import", "theirs", "--out", "out", "-q", "--labels", "a,b,c")
"""Command lines that read the ground's files."""


def make_ground(folder: Path) -> Path:
    """Write `teacher`, `onnx`, `bundle`, train.csv, test.csv, card.toml and recipe.toml."""
    make_model(folder / "teacher")
    data = make_data()
    for name, rows in (("train", data.train), ("test", data.test)):
        with (folder / f"{name}.csv").open("w", encoding="utf-8", newline="") as stream:
            lines = ((t, LABELS[n]) for t, n in zip(rows.inputs, rows.targets, strict=True))
            csv.writer(stream).writerows([("text", "label"), *lines])
    (folder / "card.toml").write_text(PROFILE, encoding="utf-8")
    (folder / "recipe.toml").write_text(RECIPE, encoding="utf-8")
    for arguments in (
        ["export", str(folder / "teacher"), "--out", str(folder / "onnx"), "-q"],
        ["bundle", str(folder / "onnx"), "--out", str(folder / "bundle")],
    ):
        if run(arguments) != 0:
            raise RuntimeError(f"{arguments[0]} of the hostile cases' model failed")
    return folder
