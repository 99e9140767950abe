"""A whole run that takes seconds: a tiny untrained model, a few hundred rows, every stage."""

from __future__ import annotations

import csv
import os
import subprocess
import sys
from pathlib import Path

from tests.compress.tiny_models import make_data, make_model

RECIPE = """
schema = 1
name = "tiny"
seed = 7
profiles = ["local"]
[teacher]
path = "model"
[data]
train = "train.csv"
test = "test.csv"
label = "class"
[[stage]]
kind = "finetune"
epochs = 4
learning_rate = 1e-3
[[stage]]
kind = "distill"
layers = 1
epochs = 3
[[stage]]
kind = "prune"
ffn = 0.5
vocabulary = true
recovery_epochs = 1
[[stage]]
kind = "quantize"
scheme = "int8-dynamic"
[export]
formats = ["onnx", "openvino"]
"""


def write_inputs(folder: Path) -> Path:
    """Write a pretrained model without a head's classes, csv files and a recipe; return it."""
    make_model(folder / "model", "bert")
    (folder / "model" / "artifact.json").unlink()
    data = make_data()
    for name, rows in (("train", data.train), ("test", data.test)):
        with (folder / f"{name}.csv").open("w", encoding="utf-8", newline="") as stream:
            writer = csv.writer(stream)
            writer.writerow(["text", "class"])
            writer.writerows(
                (text, f"class {data.labels[label]}")
                for text, label in zip(rows.inputs, rows.targets, strict=True)
            )
    recipe = folder / "tiny.toml"
    recipe.write_text(RECIPE, encoding="utf-8")
    return recipe


def start(recipe: Path, out: Path, cache: Path, *more: str) -> subprocess.Popen[str]:
    """Start `edgepress run` as a process of its own."""
    code = "from compress.cli.main import main; main()"
    return subprocess.Popen(
        [
            sys.executable,
            "-c",
            code,
            "run",
            str(recipe),
            "--out",
            str(out),
            "--tier",
            "quick",
            *more,
        ],
        env={**os.environ, "EDGEPRESS_CACHE": str(cache)},
        cwd=Path(__file__).parents[2],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
