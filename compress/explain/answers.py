"""Why a model has its answer F1: by kind of question, and on which rows."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from compress.data.rows import Rows
from compress.explain.explanation import Column, Explanation, Table
from compress.explain.question import Question, answers_to
from compress.tasks.question_scores import exact_rows, f1_rows, kind_costs, said_texts
from compress.tasks.span_logits import Logits

_KINDS = (
    Column("kind", "asked for"),
    Column("questions", "questions", "d"),
    Column("f1", "F1", ".2f"),
    Column("exact_match", "exact", ".2f"),
)
_ROWS = (
    Column("question", "question"),
    Column("said", "said"),
    Column("answer", "right"),
)
_KEPT = (
    Column("kind", "asked for"),
    Column("retention", "kept", ".2f"),
    Column("lost", "lost", "d"),
    Column("gained", "gained", "d"),
)
_TEXT = 60


def explain(question: Question) -> Explanation:
    """Find the kinds of questions with a model's errors, and what it lost of its reference's.

    figures: f1, exact_match, rows, partly (some words are right, not all), wrong (none is), absent
    (no right answer is in its context, which no model can then find); with a reference also
    reference_f1. tables: kinds, the lowest F1 first; rows, wrong ones first; with a reference kept,
    the kinds that keep least of its exact answers first.
    """
    rows = question.labeled()
    answers = answers_to(rows, question.artifact, question, "the model")
    f1, exact = f1_rows(answers, rows.targets), exact_rows(answers, rows.targets)
    partly = int(((f1.value > 0) & (exact.value == 0)).sum())
    figures = {
        "f1": f1.metric,
        "exact_match": exact.metric,
        "rows": len(rows),
        "partly": partly,
        "wrong": int((f1.value == 0).sum()),
        "absent": sum(target["first"] is None for target in rows.targets),
    }
    kinds = _kinds(rows, f1.value, exact.value)
    tables = [
        Table("kinds", "kinds of questions, the lowest F1 first", _KINDS, kinds[: question.top]),
        Table("rows", "rows that are not exact", _ROWS, _worst(rows, answers, question.top)),
    ]
    if question.reference is not None:
        theirs = answers_to(rows, question.reference, question, "the reference")
        figures["reference_f1"] = f1_rows(theirs, rows.targets).metric
        costs = kind_costs(answers, theirs, rows.targets)
        cells = [(c.label, c.counts.retention, c.counts.lost, c.counts.gained) for c in costs]
        title = "kinds of questions by what they keep of the reference's exact answers"
        tables.append(Table("kept", title, _KEPT, tuple(cells[: question.top])))
    return Explanation(
        answer=f"of {figures['rows']} questions {partly} are answered in part and"
        f" {figures['wrong']} wrongly; the F1 is lowest for {kinds[0][0]!r} ({kinds[0][2]:.2f})",
        figures=figures,
        tables=tuple(tables),
        notes=("F1 and exact match are those of SQuAD: without case, punctuation and articles",),
    )


def _kinds(
    rows: Rows, f1: NDArray[np.float64], exact: NDArray[np.float64]
) -> tuple[tuple[str, int, float, float], ...]:
    """Return each kind with its number of questions, F1 and exact match, the lowest F1 first."""
    kinds = np.array([target["kind"] for target in rows.targets])
    cells = [
        (kind, int(own.sum()), float(f1[own].mean()), float(exact[own].mean()))
        for kind in np.unique(kinds).tolist()
        for own in [kinds == kind]
    ]
    return tuple(sorted(cells, key=lambda cell: cell[2]))


def _worst(rows: Rows, answers: Logits, top: int) -> tuple[tuple[str, str, str], ...]:
    f1, exact = (score(answers, rows.targets).value for score in (f1_rows, exact_rows))
    order = [place for place in np.argsort(f1, kind="stable").tolist() if not exact[place]]
    said = said_texts(answers, rows.targets)
    return tuple(
        (
            rows.inputs[place]["question"][:_TEXT],
            said[place][:_TEXT],
            rows.targets[place]["answers"][0][:_TEXT],
        )
        for place in order[:top]
    )
