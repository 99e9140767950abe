"""Rows with several labels that a tiny model learns."""

from __future__ import annotations

from typing import Any

import numpy as np

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
