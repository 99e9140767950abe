"""What a device task that reads two texts does otherwise than one that reads one."""

from __future__ import annotations

from runtimes.lean_typing import TYPE_CHECKING
from runtimes.pairs import PAIR, pair_of
from runtimes.tasks.text_classification import TextClassification

if TYPE_CHECKING:
    from typing import Any, ClassVar

    from runtimes.runtime import Feeds
    from runtimes.tasks import Answer


class ReadsPairs(TextClassification):
    """Encode both texts of a row as one sequence, the longer one truncated first.

    It stands before the class of another task among the bases of a class.
    """

    keys: ClassVar[tuple[str, ...]] = PAIR
    optional_files: ClassVar[tuple[str, ...]] = ()

    def feeds(self, row: Any) -> Feeds:
        """Return the model's inputs for one pair: int64 of shape (1, tokens)."""
        return super().feeds(pair_of(row))

    def shown(self, answer: Answer, row: Any, top: int) -> dict[str, Any]:
        """Return what the task shows, with both texts."""
        return {**super().shown(answer, row, top), **row}
