"""Why a model has its accuracy: by class, by confusion, row by row."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from compress.data.rows import Rows
from compress.explain.explanation import Column, Explanation, Table
from compress.explain.question import Question, answers_to
from profiles.metrics import confusion, f1_of
from profiles.paired import Paired
from profiles.plural import plural
from profiles.scores import RowScores
from runtimes.artifact import Artifact

Indices = NDArray[np.int64]

_SHORT = 72
_CERTAIN = 0.05


@dataclass(frozen=True, slots=True)
class Answered:
    """Hold a model's answers: class indices of shape (rows,), and the counts by class."""

    truth: Indices
    predicted: Indices
    counts: NDArray[np.int64]

    @property
    def right(self) -> NDArray[np.bool_]:
        """Tell for each row whether the answer is right."""
        right: NDArray[np.bool_] = self.truth == self.predicted
        return right

    @property
    def hits(self) -> NDArray[np.int64]:
        """Count the right rows of each class."""
        return np.diagonal(self.counts)

    @property
    def accuracy(self) -> float:
        """Return the share of rows that are right."""
        return float(self.right.mean())


def explain(question: Question) -> Explanation:
    """Find the classes with a model's errors, and the classes that lost against its reference.

    figures: accuracy, f1_macro, rows, classes; with a reference also reference_accuracy, lost,
    gained (rows that only one of the two has right), mcnemar_p (exact, two-sided; the hypothesis:
    both are right equally often). tables: classes, confusions; with a reference lost and gained
    rows.
    """
    rows = question.labeled()
    mine = answered(question.artifact, rows, question, "the model")
    if question.reference is None:
        return _alone(mine, question)
    theirs = answered(question.reference, rows, question, "the reference")
    return _compared(mine, theirs, rows, question)


def answered(artifact: Artifact, rows: Rows, question: Question, name: str) -> Answered:
    """Classify rows with the bundle's own code; `name` appears in the progress."""
    logits = np.stack(answers_to(rows, artifact, question, name))
    truth = np.asarray(rows.targets, dtype=np.int64)
    predicted = logits.argmax(axis=1).astype(np.int64)
    return Answered(truth, predicted, confusion(truth, predicted, len(artifact.labels)))


def _alone(mine: Answered, question: Question) -> Explanation:
    labels = question.artifact.labels
    wrong = int((~mine.right).sum())
    f1 = f1_of(mine.counts)
    present = np.flatnonzero(mine.counts.sum(axis=0) + mine.counts.sum(axis=1))
    worst = present[np.argsort(f1[present], kind="stable")]
    errors = mine.counts.sum(axis=1) - mine.hits
    half = _classes_of_half(errors)
    tables = (_worst(mine, worst[: question.top], labels), _confusions(mine, None, question))
    return Explanation(
        answer=f"{wrong} of {len(mine.truth)} rows are wrong; half of them are in"
        f" {half} of {len(present)} classes; the worst by F1 is {labels[worst[0]]}"
        f" ({f1[worst[0]]:.2f})",
        figures=_figures(mine),
        tables=tables,
        notes=("name the teacher with --reference to see what compression lost",),
    )


def _compared(mine: Answered, theirs: Answered, rows: Rows, question: Question) -> Explanation:
    labels = question.artifact.labels
    pair = Paired(RowScores.right(mine.right), RowScores.right(theirs.right))
    lost, gained = np.flatnonzero(pair.lost), np.flatnonzero(pair.gained)
    p = pair.mcnemar()
    change = mine.hits - theirs.hits
    worst = np.argsort(change, kind="stable")
    named = [f"{labels[i]} ({change[i]:+d})" for i in worst[:3] if change[i] < 0]
    verdict = "are right equally often as far as these rows show" if p > _CERTAIN else "differ"
    answer = (
        f"{plural(len(lost), 'row')} lost and {len(gained)} gained against the reference"
        f" ({mine.accuracy:.4f} to its {theirs.accuracy:.4f});"
        f" the two {verdict} (McNemar's exact p = {p:.2g})"
    )
    answer += f"; most lost in {', '.join(named)}" if named else ""
    return Explanation(
        answer=answer,
        figures={
            **_figures(mine),
            "reference_accuracy": theirs.accuracy,
            "lost": len(lost),
            "gained": len(gained),
            "mcnemar_p": p,
        },
        tables=(
            _changed(mine, theirs, worst[: question.top], labels),
            _confusions(mine, theirs, question),
            _examples("lost", "rows that only the reference has right", lost, rows, mine, question),
            _examples(
                "gained", "rows that only the model has right", gained, rows, theirs, question
            ),
        ),
    )


def _figures(mine: Answered) -> dict[str, float | int]:
    present = mine.counts.sum(axis=0) + mine.counts.sum(axis=1) > 0
    return {
        "accuracy": mine.accuracy,
        "f1_macro": float(f1_of(mine.counts)[present].mean()),
        "rows": len(mine.truth),
        "classes": len(mine.counts),
    }


def _classes_of_half(errors: NDArray[np.int64]) -> int:
    """Return the smallest set of classes that holds half of the errors."""
    reached = np.cumsum(np.sort(errors)[::-1])
    return int(np.searchsorted(reached, errors.sum() / 2)) + 1 if errors.sum() else 0


def _worst(mine: Answered, chosen: Indices, labels: tuple[str, ...]) -> Table:
    f1, rows, predicted = f1_of(mine.counts), mine.counts.sum(axis=1), mine.counts.sum(axis=0)
    lines = [
        (labels[i], int(rows[i]), int(mine.hits[i]), int(predicted[i]), float(f1[i]))
        for i in chosen
    ]
    columns = (
        *(Column("label", "class"), Column("rows", "rows", "d"), Column("right", "right", "d")),
        *(Column("predicted", "predicted", "d"), Column("f1", "F1", ".3f")),
    )
    return Table("classes", "the worst classes by F1", columns, tuple(lines))


def _changed(mine: Answered, theirs: Answered, chosen: Indices, labels: tuple[str, ...]) -> Table:
    before, after = f1_of(theirs.counts), f1_of(mine.counts)
    rows = [
        (
            *(labels[i], int(mine.counts[i].sum()), int(theirs.hits[i]), int(mine.hits[i])),
            *(int(mine.hits[i] - theirs.hits[i]), float(before[i]), float(after[i])),
        )
        for i in chosen
    ]
    columns = (
        *(Column("label", "class"), Column("rows", "rows", "d")),
        *(Column("reference_right", "reference right", "d"), Column("right", "right", "d")),
        *(Column("change", "change", "+d"), Column("reference_f1", "reference F1", ".3f")),
        Column("f1", "F1", ".3f"),
    )
    return Table("classes", "the classes that lost most", columns, tuple(rows))


def _confusions(mine: Answered, theirs: Answered | None, question: Question) -> Table:
    """List the most frequent confusions, or those that became more frequent."""
    before = theirs.counts if theirs else np.zeros_like(mine.counts)
    more = mine.counts - before
    np.fill_diagonal(more, 0)
    order = np.argsort(-more, axis=None, kind="stable")[: question.top]
    labels = question.artifact.labels
    rows = [
        (
            *(labels[truth], labels[predicted], int(mine.counts[truth, predicted])),
            int(before[truth, predicted]) if theirs else None,
        )
        for truth, predicted in zip(*np.unravel_index(order, more.shape), strict=True)
        if more[truth, predicted] > 0
    ]
    columns = (
        *(Column("truth", "truth"), Column("predicted", "predicted")),
        *(Column("rows", "rows", "d"), Column("reference_rows", "reference rows", "d")),
    )
    title = "confusions that became more frequent" if theirs else "the most frequent confusions"
    return Table("confusions", title, columns, tuple(rows))


def _examples(
    key: str, title: str, chosen: Indices, rows: Rows, wrong: Answered, question: Question
) -> Table:
    labels = question.artifact.labels
    lines = [
        (_shortened(rows.inputs[i]), labels[rows.targets[i]], labels[wrong.predicted[i]])
        for i in chosen[: question.top]
    ]
    columns = (
        *(Column("text", "text"), Column("truth", "truth")),
        Column("predicted", "the wrong model said"),
    )
    return Table(key, title, columns, tuple(lines))


def _shortened(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= _SHORT else line[: _SHORT - 1] + "…"
