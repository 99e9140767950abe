"""Trials of invented shapes for the rules of a search, and a recipe that takes seconds."""

from __future__ import annotations

import csv
from pathlib import Path

from compress.search.choice import Standing
from compress.search.shape import Shape
from compress.search.space import Space
from compress.search.trial import Control, Latency, Trial
from profiles.scores import RowScores
from tests.compress.tiny_models import make_data, make_trained_model

ROWS = 1000
ONE_LAYER = Shape(1)

SPACE = Space(
    layers=(4, 3, 2, 1),
    hidden=(None, 288),
    weights=("int8", "int4"),
    embeddings=("int8", "int4"),
    positions=(True, False),
    scheme="int8-dynamic",
    teacher_hidden=384,
    teacher_ffn=1536,
)

RECIPE = """
schema = 1
name = "tiny"
[teacher]
path = "model"
[data]
train = "train.csv"
validation = "validation.csv"
test = "test.csv"
label = "class"
[target]
retention = 0.5
seeds = 1
rungs = [1]
max_trials = 3
"""


def right(count: int, rows: int = ROWS) -> RowScores:
    """Return that the first `count` rows are right."""
    return RowScores.right([row < count for row in range(rows)])


def trial(
    shape: Shape = ONE_LAYER,
    *,
    epochs: int = 20,
    hits: int = 900,
    deployed: bool = True,
    speedup: float = 10.0,
    size_mb: float = 2.0,
) -> Trial:
    """Return a trial that is right on so many of ROWS rows."""
    rows = right(hits)
    latency = Latency(5 / speedup, 8 / speedup, speedup)
    return Trial(shape, epochs, latency, size_mb, 60.0, rows, rows if deployed else None)


def standing(
    retention: float, speedup: float, size_mb: float, *, deployed: bool = True
) -> Standing:
    """Return a shape's standing with a lower bound half a point below its retention."""
    made = trial(speedup=speedup, size_mb=size_mb, deployed=deployed)
    return Standing(made, retention, retention - 0.005)


def control(hits: int = 900) -> Control:
    """Return a teacher that is right on so many rows."""
    return Control("teacher", right(hits), "it is")


def write_recipe(folder: Path, text: str = RECIPE) -> Path:
    """Write a trained one-layer teacher, its rows as csv files, and a recipe; return that."""
    data = make_data()
    make_trained_model(folder / "model", data=data, layers=1)
    (folder / "model" / "artifact.json").unlink()
    splits = {"train": data.train, "validation": data.validation, "test": data.test}
    for name, rows in splits.items():
        with (folder / f"{name}.csv").open("w", encoding="utf-8", newline="") as stream:
            writer = csv.writer(stream)
            writer.writerow(["text", "class"])
            writer.writerows(
                (text, data.labels[label])
                for text, label in zip(rows.inputs, rows.targets, strict=True)
            )
    recipe = folder / "tiny.toml"
    recipe.write_text(text, encoding="utf-8")
    return recipe
