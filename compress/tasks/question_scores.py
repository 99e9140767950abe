"""What each question earns, and what each kind of questions keeps of a reference's."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from compress.tasks.answer_scores import exact_match, token_f1
from compress.tasks.classes import ClassCost, worst_first
from compress.tasks.span_logits import Logits, span_of
from profiles.class_retention import ClassCounts
from profiles.scores import RowScores
from runtimes.question_windows import pieces_of
from runtimes.tasks.answer_spans import LONGEST

_DRAWN = 20
"""Spans that are drawn of each context, to see what guessing earns."""

Target = Mapping[str, Any]


def said_texts(answers: Logits, targets: Sequence[Target]) -> list[str]:
    """Return the text of each answer's best span."""
    return [
        _text(target["context"], *span_of(answer))
        for answer, target in zip(answers, targets, strict=True)
    ]


def f1_rows(answers: Logits, targets: Sequence[Target]) -> RowScores:
    """Return each question's F1 over words, of weight 1."""
    return _rows(token_f1, answers, targets)


def exact_rows(answers: Logits, targets: Sequence[Target]) -> RowScores:
    """Return 1 for each question that is answered exactly, of weight 1."""
    return _rows(exact_match, answers, targets)


def best_guess(targets: Sequence[Target]) -> float:
    """Return the mean F1 of spans drawn at random, or of whole contexts where that is more."""
    rng = np.random.default_rng(7)
    drawn, whole = [], []
    for target in targets:
        context, pieces = target["context"], pieces_of(target["context"])
        firsts = rng.integers(len(pieces), size=_DRAWN)
        lasts = rng.integers(firsts, np.minimum(firsts + LONGEST, len(pieces)))
        spans = zip(firsts.tolist(), lasts.tolist(), strict=True)
        texts = [context[pieces[first][0] : pieces[last][1]] for first, last in spans]
        drawn.append(np.mean([token_f1(text, target["answers"]) for text in texts]))
        whole.append(token_f1(context, target["answers"]))
    return float(max(np.mean(drawn), np.mean(whole)))


def kind_costs(
    answers: Logits, reference: Logits, targets: Sequence[Target]
) -> tuple[ClassCost, ...]:
    """Return what each kind of questions keeps of its exact answers, what keeps least first.

    `taken_for` counts what the lost ones are now: "partly" where a word is right, "wrong" else.
    """
    mine, theirs = exact_rows(answers, targets), exact_rows(reference, targets)
    partly = f1_rows(answers, targets).value > 0
    kinds = np.array([target["kind"] for target in targets])
    costs = []
    for place, kind in enumerate(np.unique(kinds).tolist()):
        rows = kinds == kind
        kept, known = mine.value[rows] > 0, theirs.value[rows] > 0
        both, gained, lost = (
            int(one.sum()) for one in (kept & known, kept & ~known, known & ~kept)
        )
        now = Counter("partly" if one else "wrong" for one in partly[rows][known & ~kept].tolist())
        costs.append(ClassCost(kind, ClassCounts(place, both, gained, lost, int(rows.sum())), now))
    return tuple(sorted(costs, key=worst_first))


def _rows(
    score: Callable[[str, Sequence[str]], float], answers: Logits, targets: Sequence[Target]
) -> RowScores:
    pairs = zip(said_texts(answers, targets), targets, strict=True)
    value = np.array([score(said, target["answers"]) for said, target in pairs])
    return RowScores(value, np.ones(len(value)))


def _text(context: str, first: int, last: int) -> str:
    pieces = pieces_of(context)
    return context[pieces[first][0] : pieces[last][1]]
