"""Find out whether a file's rows are pairs of texts, and in which columns, by the usual names."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

from compress.setup.columns import Choice, Columns, existing

CLASSIFICATION = "text-pair-classification"
RANKING = "text-ranking"

_RANKED = (("query", "passage"), ("query", "document"), ("question", "passage"))
_PAIRS = (
    *(("text", "text_pair"), ("sentence1", "sentence2"), ("sentence_1", "sentence_2")),
    *(("premise", "hypothesis"), ("question1", "question2"), ("text1", "text2")),
    *(("text_a", "text_b"), ("sentence_a", "sentence_b"), ("question", "sentence")),
    *_RANKED,
)
"""Common names of both columns; those of a query and a text may be ranked."""


@dataclass(frozen=True, slots=True)
class Pairing:
    """Name the columns of both texts, and the task of such rows."""

    text: Choice
    text_pair: Choice
    task: str


def find_pairing(
    columns: Columns, text: str | None, text_pair: str | None, label: str | None
) -> Pairing | None:
    """Return the columns of pairs; None for rows of one text, or where several pairs are possible.

    `text`, `text_pair` and `label` are columns that the user named: a text alone is no pair. With a
    column of the usual names for queries, whose labels are numbers of which each query has several
    kinds, the task is text-ranking. Raises DataError for a named column that is missing.
    """
    if text_pair is not None:
        first = "text" if text is None else text
        given = (existing(columns, first, "--text"), existing(columns, text_pair, "--text-pair"))
        return _pairing(columns, given, "as given", label)
    if text is not None:
        return None
    lower = {column.casefold(): column for column in columns}
    found = [(lower[one], lower[other]) for one, other in _PAIRS if {one, other} <= lower.keys()]
    return _pairing(columns, found[0], "by its name", label) if len(found) == 1 else None


def _pairing(columns: Columns, names: tuple[str, str], why: str, label: str | None) -> Pairing:
    one, other = names
    ranked = (one.casefold(), other.casefold()) in _RANKED
    labels = columns.get(label or "label") or columns.get("relevance")
    task = RANKING if ranked and labels and _ranks(columns[one], labels) else CLASSIFICATION
    return Pairing(Choice(one, why), Choice(other, why), task)


def _ranks(queries: Sequence[str], labels: Sequence[str]) -> bool:
    """Tell whether labels are numbers from 0 up, of which a query has several."""
    of_query: dict[str, set[str]] = defaultdict(set)
    for query, label in zip(queries, labels, strict=True):
        of_query[query].add(label)
    numbers = all(one.replace(".", "", 1).isdecimal() for one in labels)
    return numbers and any(len(kinds) > 1 for kinds in of_query.values())
