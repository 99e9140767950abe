"""Draws that are the same on every platform and Python version."""

import random
from collections.abc import Sequence
from typing import TypeVar

T = TypeVar("T")


class Dice:
    """Draw from a stream that a seed and a name determine.

    Only `random()` is promised to stay the same between Python versions, so every draw rests on
    it. A string seed is hashed with SHA-512, never with the interpreter's salted `hash`.
    """

    def __init__(self, seed: int, name: str) -> None:
        self._random = random.Random(f"{seed}/{name}").random  # noqa: S311 - repeatable is the aim

    def below(self, limit: int) -> int:
        """Return a whole number from 0 to `limit` - 1."""
        return int(self._random() * limit)

    def between(self, low: int, high: int) -> int:
        """Return a whole number from `low` to `high`, both included."""
        return low + self.below(high - low + 1)

    def chance(self, share: float) -> bool:
        """Return true in `share` of the calls."""
        return self._random() < share

    def pick(self, items: Sequence[T]) -> T:
        """Return one of the items."""
        return items[self.below(len(items))]

    def shuffled(self, items: Sequence[T]) -> list[T]:
        """Return the items in a drawn order."""
        return [item for _, item in sorted(((self._random(), item) for item in items), key=_first)]


def _first(pair: tuple[float, object]) -> float:
    return pair[0]
