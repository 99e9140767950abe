"""Rows with several labels that a tiny model learns, and a whole run on them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from tests.compress.tiny_models import make_model
from tests.compress.tiny_tags import RECIPE, write_jsonl

LABELS = ("billing", "crash", "praise")
_SAID = {
    "billing": ("refund my card", "the invoice is wrong", "a charge on the card"),
    "crash": ("the screen is broken", "an error after the update", "the login crashed"),
    "praise": ("thanks for the help", "a great team", "I love the app"),
}


def labeled_rows(count: int, seed: int) -> list[dict[str, Any]]:
    """Return texts that say up to three things, labeled with them."""
    rng = np.random.default_rng(seed)
    rows = []
    for _ in range(count):
        labels = [name for name in LABELS if rng.random() < 0.4]
        parts = [str(rng.choice(_SAID[name])) for name in rng.permutation(labels)]
        text = " and ".join([*parts, f"order {rng.integers(1000)}"])
        rows.append({"text": text, "label": sorted(labels)})
    return rows


def write_inputs(folder: Path) -> Path:
    """Write a pretrained model without a head, files of rows and a recipe; return it."""
    make_model(folder / "model", "bert")
    (folder / "model" / "artifact.json").unlink()
    write_jsonl(folder / "train.jsonl", labeled_rows(300, 1))
    write_jsonl(folder / "test.jsonl", labeled_rows(120, 2))
    recipe = folder / "labels.toml"
    named = RECIPE.replace("token-classification", "multi-label-classification")
    named = named.replace('"int8-dynamic"', '"int8-dynamic"\nmax_drop = 0.3')
    recipe.write_text(
        named.replace('text = "tokens"\nlabel = "tags"\n', "").replace('"tags"', '"labels"'),
        encoding="utf-8",
    )
    return recipe
