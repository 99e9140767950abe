"""Whether a model's answers are answers: finite numbers, which depend on the row."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from runtimes.errors import AnswerError

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np
    from numpy.typing import NDArray

FEWEST_ROWS = 4
"""The fewest different rows that tell a constant model: two texts may have the same tokens."""


def finite(answer: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return an answer; raise AnswerError when one of its numbers is NaN or infinite.

    It is part of every timed run, so it must be fast.
    """
    import numpy as np

    if np.isfinite(answer).all():
        return answer
    raise AnswerError(
        f"the model's answer has numbers that are none: {_shown(answer)}",
        expected="finite numbers",
        action="check the weights that it was made from; export it again in fp32 if it is fp16",
    )


class Variety:
    """See whether a model's answers depend on the row at all."""

    def __init__(self) -> None:
        self._first: NDArray[np.float32] | None = None
        self._rows: set[str] = set()
        self._varied = False

    def saw(self, row: Any, answer: NDArray[np.float32]) -> None:
        """Take one row and its answer."""
        if self._varied:
            return
        if self._first is None:
            self._first = answer
        self._varied = answer.shape != self._first.shape or bool((answer != self._first).any())
        if len(self._rows) < FEWEST_ROWS:
            self._rows.add(json.dumps(row, sort_keys=True))

    def check(self) -> None:
        """Raise AnswerError when FEWEST_ROWS different rows or more have the same answer."""
        if self._varied or self._first is None or len(self._rows) < FEWEST_ROWS:
            return
        raise AnswerError(
            f"the model gives the same answer to every row: {_shown(self._first)}",
            expected="answers that depend on the row",
            action="check the weights that it was made from; try the model that it comes from",
        )


def require_sound(rows: Sequence[Any], answers: Sequence[NDArray[np.float32]], model: str) -> None:
    """Raise AnswerError when an answer is not finite, or all different rows have the same one.

    `model` names the model in the error.
    """
    seen = Variety()
    try:
        for row, answer in zip(rows, answers):
            seen.saw(row, finite(answer))
        seen.check()
    except AnswerError as error:
        raise error.of(model) from None


def different(rows: Sequence[Any]) -> list[Any]:
    """Return the first different rows, FEWEST_ROWS at most."""
    found: dict[str, Any] = {}
    for row in rows:
        found.setdefault(json.dumps(row, sort_keys=True), row)
        if len(found) == FEWEST_ROWS:
            break
    return list(found.values())


def _shown(answer: NDArray[np.float32]) -> str:
    """Return the first numbers of an answer."""
    numbers = [f"{float(number):.4g}" for number in answer.ravel()[:4]]
    return ", ".join([*numbers, *(["…"] if answer.size > len(numbers) else [])])
