"""Score how relevant a text is to a query: rerankers, which are also called cross-encoders."""

from __future__ import annotations

from math import exp

from runtimes.lean_typing import TYPE_CHECKING
from runtimes.tasks.pairs import ReadsPairs

if TYPE_CHECKING:
    from typing import Any, ClassVar

    from runtimes.tasks import Answer

_LARGE = 700.0
"""exp leaves float64's range above 709."""


class TextRanking(ReadsPairs):
    """Encode a query and a text; an answer is one logit, or those of "not relevant" and "relevant".

    The score is sigmoid(logit), or the second class's probability: sort a query's texts by it.
    """

    name: ClassVar[str] = "text-ranking"

    def shown(self, answer: Answer, row: Any, top: int) -> dict[str, Any]:
        """Return the score, from 0 to 1, with query and text."""
        margin = answer[1] - answer[0] if len(answer) == 2 else answer[0]
        return {"score": round(1 / (1 + exp(min(-margin, _LARGE))), 6), **row}

    def line(self, shown: dict[str, Any]) -> str:
        """Return the score."""
        return f"{shown['score']:.6f}"
