"""Find out whether a file of rows holds questions with answers in a context, in which columns."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import islice
from pathlib import Path
from typing import Any

from compress.data.reading import read_records
from compress.setup.columns import LOOKED_AT, Choice, Layout
from compress.tasks.gold_answers import Gold, cell_of, found_in, golds_of
from runtimes.errors import DataError

TASK = "question-answering"
_QUESTIONS = ("question", "query")
_CONTEXTS = ("context", "passage", "paragraph")
_ANSWERS = ("answers", "answer")
_MOSTLY = 0.8
"""The share of rows whose context has the answer, from which on the columns are taken for such."""


def find_questions(path: Path, text: str | None, label: str | None) -> Layout | None:
    """Return the columns of questions, contexts and answers; None for rows of another kind.

    `text` and `label` are columns that the user named. Raises DataError as reading does.
    """
    rows = [record for _, record in islice(read_records(str(path), Path()), LOOKED_AT)]
    names = [str(name) for name in rows[0]] if rows else []
    question, answers = text or _only(names, _QUESTIONS), label or _only(names, _ANSWERS)
    context = _only(names, _CONTEXTS)
    if question not in names or answers not in names or context is None:
        return None
    share = sum(_has_answer(row, context, answers) for row in rows) / len(rows)
    if share < _MOSTLY:
        return None
    return Layout(
        TASK,
        Choice(question, "as given" if text else "by its name"),
        Choice(answers, "as given" if label else f"{share:.0%} of them are in the context"),
        Choice(context, "by its name"),
    )


def _only(names: Sequence[str], known: Sequence[str]) -> str | None:
    """Return the only column with one of these names."""
    found = [name for name in names if name.casefold() in known]
    return found[0] if len(found) == 1 else None


def _has_answer(row: Mapping[str, Any], context: str, answers: str) -> bool:
    """Tell whether a row's context has its answer, or the row says that it has none."""
    try:
        golds = golds_of(cell_of(row.get(answers), ""), "")
    except DataError:
        return False
    return all(found_in(str(row.get(context)), Gold(*gold)) for gold in golds[:1])
