"""Why a model has its nearest-neighbour accuracy: which labels are found for one another."""

from __future__ import annotations

from collections import Counter

import numpy as np

from compress.data.rows import Rows
from compress.explain.explanation import Column, Explanation, Table
from compress.explain.question import Question, answers_to
from compress.tasks.embedding_scores import Found, label_numbers, search, similarity_spearman

_LABELS = (
    Column("label", "label"),
    Column("rows", "rows", "d"),
    Column("found", "found", ".3f"),
    Column("reference_found", "reference found", ".3f"),
)
_CONFUSIONS = (
    Column("truth", "label"),
    Column("predicted", "nearest row's label"),
    Column("rows", "rows", "d"),
)
_ROWS = (Column("text", "text"), Column("nearest", "its nearest text"), Column("label", "label"))
_TEXT = 60


def explain(question: Question) -> Explanation:
    """Find the labels whose rows have another label's row nearest, and what a reference had right.

    figures: nearest_neighbour_accuracy, ndcg_at_10, recall_at_10, rows, labels; with a reference
    also reference_accuracy, lost, gained (rows that only one of the two has right),
    similarity_spearman. tables: labels, what was found least of first; confusions, the most
    frequent first; rows, of which the nearest has another label, those that a reference had right
    first.
    """
    rows = question.labeled()
    vectors = np.stack(answers_to(rows, question.artifact, question, "the model"))
    found = search(vectors, rows.targets)
    right = found.hits[:, 0]
    figures: dict[str, float | int] = {
        "nearest_neighbour_accuracy": found.nearest_right().metric,
        "ndcg_at_10": found.ndcg().metric,
        "recall_at_10": found.recall().metric,
        "rows": len(right),
        "labels": len(label_numbers(rows.targets)[1]),
    }
    beside = None
    if question.reference is not None:
        theirs = np.stack(answers_to(rows, question.reference, question, "the reference"))
        beside = search(theirs, rows.targets)
        figures |= {
            "reference_accuracy": beside.nearest_right().metric,
            "lost": int((beside.hits[:, 0] & ~right).sum()),
            "gained": int((right & ~beside.hits[:, 0]).sum()),
            "similarity_spearman": float(similarity_spearman(vectors, theirs).mean()),
        }
    said = f"{(~right).sum()} of {len(right)} rows have a row of another label nearest"
    if beside is not None:
        said += (
            f"; {figures['lost']} of them the reference has right, {figures['gained']} only this"
        )
    return Explanation(
        answer=said,
        figures=figures,
        tables=(
            _labels(found, beside, rows, question.top),
            _confusions(found, rows, question.top),
            _rows(found, beside, rows, question.top),
        ),
        notes=("each row is searched among all other rows of the file",),
    )


def _labels(found: Found, beside: Found | None, rows: Rows, top: int) -> Table:
    cells = []
    for number, name in enumerate(label_numbers(rows.targets)[1]):
        own = found.labels == number
        theirs = None if beside is None else float(beside.hits[own, 0].mean())
        cells.append((name, int(own.sum()), float(found.hits[own, 0].mean()), theirs))
    cells.sort(key=lambda cell: cell[2] - (cell[3] or 0.0))
    return Table("labels", "labels of which least is found", _LABELS, tuple(cells[:top]))


def _confusions(found: Found, rows: Rows, top: int) -> Table:
    names = label_numbers(rows.targets)[1]
    wrong = ~found.hits[:, 0]
    pairs = zip(found.labels[wrong].tolist(), found.predicted[wrong].tolist(), strict=True)
    cells = [(names[a], names[b], count) for (a, b), count in Counter(pairs).most_common(top)]
    return Table("confusions", "the most frequent confusions", _CONFUSIONS, tuple(cells))


def _rows(found: Found, beside: Found | None, rows: Rows, top: int) -> Table:
    wrong = np.flatnonzero(~found.hits[:, 0])
    if beside is not None:
        wrong = wrong[np.argsort(~beside.hits[wrong, 0], kind="stable")]
    texts = [str(text)[:_TEXT] for text in rows.inputs]
    cells = [
        (texts[row], texts[found.nearest[row, 0]], str(rows.targets[row]))
        for row in wrong[:top].tolist()
    ]
    return Table("rows", "rows whose nearest row has another label", _ROWS, tuple(cells))
