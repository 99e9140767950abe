"""Questions that a tiny model learns: who paid, and what was bought, in the words of a context."""

from __future__ import annotations

from typing import Any

import numpy as np

NAMES = ("Ann", "Bo", "Carl", "Dana", "Eve", "Finn")
THINGS = ("card", "screen", "old card", "app", "new screen", "phone")
PLACES = ("Bonn", "Zürich", "Paris")


def question_rows(count: int, seed: int) -> list[dict[str, Any]]:
    """Return rows of question, context and answers, with their places in characters."""
    rng = np.random.default_rng(seed)
    rows = []
    for _ in range(count):
        who, thing, place = (str(rng.choice(one)) for one in (NAMES, THINGS, PLACES))
        context = (
            f"please refund {who} for the {thing} in {place} now"
            if rng.random() < 0.5
            else f"the {thing} of {who} crashed in {place}"
        )
        question, answer = (
            ("who is it about ?", who),
            ("what is it about ?", thing),
            ("where is it ?", place),
        )[int(rng.integers(3))]
        start = context.index(answer)
        answers = {"text": [answer], "answer_start": [start]}
        rows.append({"question": question, "context": context, "answers": answers})
    return rows
