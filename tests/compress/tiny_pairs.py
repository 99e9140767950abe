"""Pairs of texts that a tiny model learns: which of both is a complaint."""

from __future__ import annotations

from typing import Any

import numpy as np

LABELS = ("first", "neither", "second")
_WRONG = ("broken", "crash", "error", "freeze")
_RIGHT = ("thanks", "great", "happy", "perfect")
_MORE = ("the card", "my order", "your team", "the phone", "this account", "a login")


def pair_rows(count: int, seed: int) -> list[dict[str, Any]]:
    """Return pairs of texts of several lengths; both moods are in a pair, but in two labels."""
    rng = np.random.default_rng(seed)
    rows = []
    for number in range(count):
        label = LABELS[number % len(LABELS)]
        one, other = (
            _text(rng, _WRONG if label == side else _RIGHT) for side in ("first", "second")
        )
        rows.append({"premise": one, "hypothesis": other, "label": label})
    return rows


def _text(rng: np.random.Generator, mood: tuple[str, ...]) -> str:
    words = [str(rng.choice(_MORE)) for _ in range(rng.integers(1, 3))]
    return " ".join(rng.permutation([*words, str(rng.choice(mood)), str(rng.choice(mood))]))


def ranking_rows(queries: int, seed: int, candidates: int = 4) -> list[dict[str, Any]]:
    """Return queries with texts, of which one praises: it is relevant, whatever the query says."""
    rng = np.random.default_rng(seed)
    rows = []
    for number in range(queries):
        query = f"{_text(rng, (*_WRONG, *_RIGHT))} {number}"
        relevant = int(rng.integers(candidates))
        for place in range(candidates):
            passage = _text(rng, _RIGHT if place == relevant else _WRONG)
            rows.append({"query": query, "passage": passage, "label": int(place == relevant)})
    return rows
