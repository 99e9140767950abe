"""A second task: rows of two texts, answered by all labels in the order of their scores."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from runtimes.tasks.text_classification import TextClassification

if TYPE_CHECKING:
    from runtimes.runtime import Feeds
    from runtimes.tasks import Answer


class Ranking(TextClassification):
    """Read `first` and `second` as one text; print every label, the best one first."""

    name: ClassVar[str] = "ranking"

    def feeds(self, row: Any) -> Feeds:
        """Return the inputs for both texts together."""
        return super().feeds(f"{row['first']} {row['second']}")

    def shown(self, answer: Answer, row: Any, top: int) -> dict[str, Any]:
        """Return the labels in their order, with their scores."""
        ranked = super().shown(answer, row, len(answer))["top"]
        return {"ranked": ranked, "row": row, "top": top}

    def line(self, shown: dict[str, Any]) -> str:
        """Return the labels alone."""
        return ",".join(str(one["label"]) for one in shown["ranked"])
