"""Rows with entities that a tiny model learns."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np

NAMES = ("ann", "bo", "carl", "dana", "eve", "finn")
THINGS = ("card", "screen", "old card", "app", "new screen")


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
