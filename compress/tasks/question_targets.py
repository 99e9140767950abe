"""What a model learns of a question: where its right answer stands, in pieces of the context."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from compress.data.rows import Record
from compress.tasks.gold_answers import Found, Gold, found_in, kind_of, pieces_in
from compress.tasks.losses import UNLABELED
from runtimes.question_windows import KEYS, pieces_of


def target_of(record: Record) -> dict[str, Any]:
    """Return {"context", "answers", "first", "last", "kind"} of a question.

    `first` and `last` are the pieces of its first right answer, None where it is not there.
    """
    question, context = (record.input[key] for key in KEYS)
    found = _found(record)
    first, last = (found and pieces_in(found, pieces_of(context))) or (None, None)
    return {
        "context": context,
        "answers": [text for text, _ in record.target],
        "first": first,
        "last": last,
        "kind": kind_of(question),
    }


def wanted(targets: Sequence[Mapping[str, Any] | None]) -> NDArray[np.int64]:
    """Return the first and the last piece of each row in turn, UNLABELED without them."""
    places = [
        (UNLABELED, UNLABELED)
        if target is None or target["first"] is None
        else (target["first"], target["last"])
        for target in targets
    ]
    return np.array(places, dtype=np.int64).reshape(-1)


def doubts(train: Sequence[Record], **others: Sequence[Record]) -> list[str]:
    """Warn of answers that are not in their context, and of those learned at one of many places."""
    said = []
    for name, rows in {"train": train, **others}.items():
        found = Counter(one and one.sure for one in map(_found, rows))
        if found[None]:
            said.append(
                f"{name}: answers that are not in their context: {found[None]}; no model can give"
                " them, and none learns from them"
            )
        if found[False] and name == "train":
            said.append(
                f"{name}: answers that are at several places of their context, none of them"
                f" stated: {found[False]}; a model learns the first"
            )
    return said


def _found(record: Record) -> Found | None:
    context = record.input[KEYS[1]]
    return found_in(context, Gold(*record.target[0])) if record.target else None
