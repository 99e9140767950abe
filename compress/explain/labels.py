"""Why a model has its micro F1: label by label, missed and invented."""

from __future__ import annotations

import numpy as np

from compress.explain.explanation import Column, Explanation, Table
from compress.explain.question import Question, answers_to
from compress.tasks.multi_label_scores import Flags, chosen, f1_rows, hot, label_costs

_COUNTS = (
    Column("label", "label"),
    Column("f1", "F1", ".2f"),
    Column("rows", "rows", "d"),
    Column("missed", "missed", "d"),
    Column("invented", "invented", "d"),
)
_KEPT = (
    Column("label", "label"),
    Column("recall_retention", "kept", ".2f"),
    Column("lost", "lost", "d"),
    Column("gained", "gained", "d"),
)


def explain(question: Question) -> Explanation:
    """Find the labels with a model's errors, and those that lost against its reference.

    figures: f1, rows, labels (that rows have), missed, invented (given to rows without them); with
    a reference also reference_f1. tables: labels, the worst F1 first; with a reference kept, the
    labels that keep least of its recall first.
    """
    rows, labels = question.labeled(), question.artifact.labels
    wanted = hot(rows.targets, len(labels))
    said = chosen(answers_to(rows, question.artifact, question, "the model"))
    worst = _labels(said, wanted, labels)
    figures = {
        "f1": f1_rows(said, wanted).metric,
        "rows": len(rows.targets),
        "labels": int(wanted.sum()),
        "missed": int((wanted & ~said).sum()),
        "invented": int((said & ~wanted).sum()),
    }
    tables = [Table("labels", "labels, the worst first", _COUNTS, worst[: question.top])]
    if question.reference is not None:
        theirs = chosen(answers_to(rows, question.reference, question, "the reference"))
        figures["reference_f1"] = f1_rows(theirs, wanted).metric
        costs = label_costs(said, theirs, wanted, labels)[: question.top]
        cells = [(c.label, c.counts.retention, c.counts.lost, c.counts.gained) for c in costs]
        title = "labels by what they keep of the reference's recall"
        tables.append(Table("kept", title, _KEPT, tuple(cells)))
    first = f"; the worst is {worst[0][0]} (F1 {worst[0][1]:.2f})" if worst else ""
    return Explanation(
        answer=f"{figures['missed']} of {figures['labels']} labels are missed,"
        f" {figures['invented']} are given to rows without them{first}",
        figures=figures,
        tables=tuple(tables),
        notes=("a text has a label where its logit is above 0, the threshold",),
    )


def _labels(
    said: Flags, wanted: Flags, labels: tuple[str, ...]
) -> tuple[tuple[str, float, int, int, int], ...]:
    """Return each label that occurs with its F1, rows, missed and invented, the worst F1 first."""
    hits, given, true = ((one).sum(axis=0) for one in (said & wanted, said, wanted))
    f1 = 2 * hits / np.maximum(given + true, 1)
    cells = [
        (labels[k], float(f1[k]), int(true[k]), int(true[k] - hits[k]), int(given[k] - hits[k]))
        for k in np.flatnonzero(given + true)
    ]
    return tuple(sorted(cells, key=lambda cell: (cell[1], cell[0])))
