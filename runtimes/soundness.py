"""Whether a model's answers are answers: finite numbers, which depend on the row."""

from __future__ import annotations

from math import isfinite

from runtimes.errors import AnswerError
from runtimes.lean_json import dumps
from runtimes.lean_typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from typing import Any

    import numpy as np
    from numpy.typing import NDArray

    from runtimes.tasks import Answer

FEWEST_ROWS = 4
"""The fewest different rows that tell a constant model: two texts may have the same tokens."""


def finite(answer: Answer) -> Answer:
    """Return an answer; raise AnswerError when one of its numbers is NaN or infinite.

    It is part of every timed run, so it must be fast.
    """
    if isfinite(_total(answer)) or all(map(isfinite, numbers_of(answer))):
        return answer
    raise AnswerError(
        f"the model's answer has numbers that are none: {_shown(answer)}",
        expected="finite numbers",
        action="check the weights that it was made from; export it again in fp32 if it is fp16",
    )


class Variety:
    """See whether a model's answers depend on the row at all."""

    def __init__(self) -> None:
        self._first: Answer | None = None
        self._rows: set[str] = set()
        self._varied = False

    def saw(self, row: Any, answer: Answer) -> None:
        """Take one row and its answer."""
        if self._varied:
            return
        if self._first is None:
            self._first = answer
        self._varied = answer != self._first
        if len(self._rows) < FEWEST_ROWS:
            self._rows.add(dumps(row, canonical=True))

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

    The answers are arrays, as the host keeps them. `model` names the model in the error.
    """
    seen = Variety()
    try:
        for row, answer in zip(rows, answers):
            seen.saw(row, finite(answer.tolist()))
        seen.check()
    except AnswerError as error:
        raise error.of(model) from None


def different(rows: Sequence[Any]) -> list[Any]:
    """Return the first different rows, FEWEST_ROWS at most."""
    found: dict[str, Any] = {}
    for row in rows:
        found.setdefault(dumps(row, canonical=True), row)
        if len(found) == FEWEST_ROWS:
            break
    return list(found.values())


def numbers_of(answer: Answer) -> Iterator[float]:
    """Yield the numbers of an answer in their order."""
    for one in answer:
        if isinstance(one, (float, int)):
            yield one
        else:
            yield from numbers_of(one)


def _total(answer: Answer) -> float:
    """Return the sum: not finite where a number is not, or, of huge ones, where all are."""
    try:
        return sum(answer)
    except TypeError:  # lists
        return sum(map(_total, answer))


def _shown(answer: Answer) -> str:
    """Return the first numbers of an answer."""
    numbers = list(numbers_of(answer))
    return ", ".join(
        [*(f"{number:.4g}" for number in numbers[:4]), *(["…"] if numbers[4:] else [])]
    )
