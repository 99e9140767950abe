"""Why a model has its error: in which range of the numbers, and on which rows."""

from __future__ import annotations

import numpy as np

from compress.explain.explanation import Column, Explanation, Table
from compress.explain.question import Question, answers_to
from compress.tasks.number_scores import CLOSE, Floats, numbers, range_costs, ranges, spread_of

_RANGES = (
    Column("range", "range"),
    Column("rows", "rows", "d"),
    Column("mae", "mean error", ".4g"),
    Column("bias", "bias", "+.4g"),
)
_ROWS = (
    Column("said", "said", ".5g"),
    Column("wanted", "wanted", ".5g"),
    Column("text", "text"),
)
_KEPT = (
    Column("range", "range"),
    Column("retention", "kept", ".2f"),
    Column("lost", "lost", "d"),
    Column("gained", "gained", "d"),
)
_TEXT = 60


def explain(question: Question) -> Explanation:
    """Find the ranges and rows with a model's errors, and what it lost against its reference.

    figures: mae, rows, spread (the targets' standard deviation), close (rows within half of it);
    with a reference also reference_mae. tables: ranges, the largest mean error first; rows, the
    largest error first; with a reference kept, the ranges that keep least of its close rows first.
    """
    rows = question.labeled()
    wanted = np.asarray(rows.targets, dtype=np.float64)
    said = numbers(answers_to(rows, question.artifact, question, "the model"))
    errors, spread = np.abs(said - wanted), spread_of(wanted)
    figures = {
        "mae": float(errors.mean()),
        "rows": len(wanted),
        "spread": spread,
        "close": int((errors <= CLOSE * spread).sum()),
    }
    by_range = _ranges(said, wanted)
    worst = [
        (float(said[k]), float(wanted[k]), str(rows.inputs[k])[:_TEXT])
        for k in np.argsort(-errors, kind="stable")[: question.top].tolist()
    ]
    tables = [
        Table("ranges", "fifths of the numbers, the largest error first", _RANGES, by_range),
        Table("rows", "rows with the largest errors", _ROWS, tuple(worst)),
    ]
    if question.reference is not None:
        theirs = numbers(answers_to(rows, question.reference, question, "the reference"))
        figures["reference_mae"] = float(np.abs(theirs - wanted).mean())
        costs = range_costs(said, theirs, wanted)
        cells = [(c.label, c.counts.retention, c.counts.lost, c.counts.gained) for c in costs]
        title = "ranges by what they keep of the reference's close rows"
        tables.append(Table("kept", title, _KEPT, tuple(cells)))
    return Explanation(
        answer=f"the mean error is {figures['mae']:.4g}, {figures['mae'] / spread:.0%} of the"
        f" numbers' standard deviation; it is largest from {by_range[0][0]}",
        figures=figures,
        tables=tuple(tables),
        notes=(f"a row is close within {CLOSE:g} standard deviations of the numbers",),
    )


def _ranges(said: Floats, wanted: Floats) -> tuple[tuple[str, int, float, float], ...]:
    """Return each fifth of the numbers with rows, mean error and bias, the largest error first."""
    places, names = ranges(wanted)
    cells = []
    for place in np.unique(places).tolist():
        errors = (said - wanted)[places == place]
        cells.append(
            (names[place], len(errors), float(np.abs(errors).mean()), float(errors.mean()))
        )
    return tuple(sorted(cells, key=lambda cell: -cell[2]))
