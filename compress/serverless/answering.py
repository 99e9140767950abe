"""Read a row's answer from what the function says of it, whatever its task is.

A classifier names the score of every label, which is its answer. What other tasks show is less than
their answer: it is compared with what the bundle itself shows, whose answer is taken where the two
agree.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from compress.package.check import SCORE_TOLERANCE, difference
from runtimes.errors import AnswerError
from runtimes.predict import Predictor
from runtimes.request_body import shown

if TYPE_CHECKING:
    from runtimes.tasks import Answer

CLASSIFIER = "text-classification"

_SMALLEST = 1e-7
"""Below the least score that is shown: they are rounded to six digits."""


def event_of(row: Any) -> dict[str, Any]:
    """Return the event that asks about a row; the words of a row are asked as a text of them."""
    if isinstance(row, dict):
        return row
    return {"text": " ".join(row) if isinstance(row, list) else row}


def classified(row: Any, labels: Sequence[str], ask: Callable[[dict[str, Any]], Any]) -> Answer:
    """Return a classifier's answer: the logarithms of the scores, by label."""
    answer = ask({**event_of(row), "top": len(labels)})
    scores = {one["label"]: one["score"] for one in answer["top"]}
    found = [math.log(max(scores[label], _SMALLEST)) for label in labels]
    found[labels.index(answer["label"])] += 1e-6  # the first of equal scores
    return found


def as_bundle(
    row: Any, place: int, bundle: Predictor, ask: Callable[[dict[str, Any]], Any], *, emulated: bool
) -> Answer:
    """Return the bundle's answer to a row; raise AnswerError where the function says another.

    Scores of an emulated processor, whose kernels round otherwise, are not compared.
    """
    event = event_of(row)
    own = shown(bundle, row if isinstance(row, dict) else event["text"], 0)
    if not difference(ask(event), own) <= (1.0 if emulated else SCORE_TOLERANCE):
        raise AnswerError(
            f"row {place + 1} of the data: the function answers otherwise than its bundle",
            expected="what the bundle shows of the same text",
            action="package the bundle again; report this where it stays",
        )
    return bundle.answer(row)
