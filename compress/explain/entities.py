"""Why a model has its entity F1: type by type, missed and invented."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

from compress.data.rows import Rows
from compress.explain.explanation import Column, Explanation, Table
from compress.explain.question import Question, answers_to
from compress.tasks.entity_scores import Found, Logits, decided, type_costs
from compress.tasks.tags import Numbers


@dataclass(slots=True)
class _Counts:
    """Count entities by type: true, predicted and right ones."""

    true: Counter[str] = field(default_factory=Counter)
    predicted: Counter[str] = field(default_factory=Counter)
    right: Counter[str] = field(default_factory=Counter)

    def f1(self, name: str) -> float:
        """Return a type's F1, 0 for one that nothing has."""
        total = self.true[name] + self.predicted[name]
        return 2 * self.right[name] / total if total else 0.0


def explain(question: Question) -> Explanation:
    """Find the types with a model's errors, and those that lost against its reference.

    figures: f1, precision, recall, rows, entities, missed, invented (predicted entities that are
    none); with a reference also reference_f1. tables: types, the worst F1 first; with a reference
    kept, the types that keep least of its recall first.
    """
    rows, labels = question.labeled(), question.artifact.labels
    answers = answers_to(rows, question.artifact, question, "the model")
    found, counts = Found.of(answers, rows.targets, labels), _counted(answers, rows, labels)
    missed = int(found.true.sum() - found.right.sum())
    invented = int(found.predicted.sum() - found.right.sum())
    names = sorted(counts.true | counts.predicted, key=lambda name: (counts.f1(name), name))
    figures = {
        "f1": found.f1.metric,
        "precision": found.precision.metric,
        "recall": found.recall.metric,
        "rows": len(rows.targets),
        "entities": int(found.true.sum()),
        "missed": missed,
        "invented": invented,
    }
    tables = [_types(counts, names[: question.top])]
    if question.reference is not None:
        theirs = answers_to(rows, question.reference, question, "the reference")
        figures["reference_f1"] = Found.of(theirs, rows.targets, labels).f1.metric
        tables.append(_kept(answers, theirs, rows, question))
    worst = f"; the worst type is {names[0]} (F1 {counts.f1(names[0]):.2f})" if names else ""
    return Explanation(
        answer=f"{missed} of {figures['entities']} entities are missed, {invented} are found that"
        f" are none{worst}",
        figures=figures,
        tables=tuple(tables),
        notes=("an entity is right where its type, its first and its last word are",),
    )


def _counted(answers: Logits, rows: Rows, labels: tuple[str, ...]) -> _Counts:
    numbers, counts = Numbers(labels), _Counts()
    for answer, target in zip(answers, rows.targets, strict=True):
        true, said = (set(numbers.entities(one)) for one in (target, decided(answer)))
        counts.true.update(entity.type for entity in true)
        counts.predicted.update(entity.type for entity in said)
        counts.right.update(entity.type for entity in true & said)
    return counts


def _types(counts: _Counts, names: list[str]) -> Table:
    columns = (
        Column("type", "type"),
        Column("f1", "F1", ".2f"),
        Column("entities", "entities", "d"),
        Column("missed", "missed", "d"),
        Column("invented", "invented", "d"),
    )
    rows = []
    for name in names:
        right = counts.right[name]
        lost, more = counts.true[name] - right, counts.predicted[name] - right
        rows.append((name, counts.f1(name), counts.true[name], lost, more))
    return Table("types", "types, the worst first", columns, tuple(rows))


def _kept(answers: Logits, theirs: Logits, rows: Rows, question: Question) -> Table:
    columns = (
        Column("type", "type"),
        Column("recall_retention", "kept", ".2f"),
        Column("lost", "lost", "d"),
        Column("gained", "gained", "d"),
    )
    costs = type_costs(answers, theirs, rows.targets, question.artifact.labels)
    cells = [(c.label, c.counts.retention, c.counts.lost, c.counts.gained) for c in costs]
    title = "types by what they keep of the reference's recall"
    return Table("kept", title, columns, tuple(cells[: question.top]))
