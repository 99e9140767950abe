"""Rows with entities, and a whole run on them that takes seconds."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np

from tests.compress.tiny_models import make_model

NAMES = ("ann", "bo", "carl", "dana", "eve", "finn")
THINGS = ("card", "screen", "old card", "app", "new screen")

RECIPE = """
schema = 1
name = "tags"
seed = 7
profiles = ["local"]
[teacher]
path = "model"
task = "token-classification"
[data]
train = "train.jsonl"
test = "test.jsonl"
text = "tokens"
label = "tags"
[[stage]]
kind = "finetune"
epochs = 4
learning_rate = 1e-3
[[stage]]
kind = "distill"
layers = 1
augment = 1
epochs = 3
[[stage]]
kind = "prune"
ffn = 0.5
heads = 0.5
vocabulary = true
recovery_epochs = 1
[[stage]]
kind = "quantize"
scheme = "int8-dynamic"
[export]
formats = ["onnx", "openvino"]
"""


def tagged_rows(count: int, seed: int) -> list[dict[str, Any]]:
    """Return rows of words and BIO tags: names and things, in sentences of several kinds."""
    rng = np.random.default_rng(seed)
    rows = []
    for _ in range(count):
        who = [str(rng.choice(NAMES)).capitalize()]
        thing = str(rng.choice(THINGS)).split()
        parts = [
            *((["please", "refund"], ""), (who, "who")),
            *((["for", "the"], ""), (thing, "thing"), (["now"], "")),
        ]
        if rng.random() < 0.5:
            parts = [(["the"], ""), (thing, "thing"), (["of"], ""), (who, "who"), (["crashed"], "")]
        words = [word for part, _ in parts for word in part]
        tags = [
            f"{'BI'[place > 0]}-{kind}" if kind else "O"
            for part, kind in parts
            for place in range(len(part))
        ]
        rows.append({"tokens": words, "tags": tags})
    return rows


def write_jsonl(path: Path, rows: list[dict[str, Any]]) -> Path:
    """Write rows a line each."""
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path


def write_inputs(folder: Path) -> Path:
    """Write a pretrained model without a head, files of rows and a recipe; return it."""
    make_model(folder / "model", "bert")
    (folder / "model" / "artifact.json").unlink()
    write_jsonl(folder / "train.jsonl", tagged_rows(300, 1))
    write_jsonl(folder / "test.jsonl", tagged_rows(120, 2))
    recipe = folder / "tags.toml"
    recipe.write_text(RECIPE, encoding="utf-8")
    return recipe
