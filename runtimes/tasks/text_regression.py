"""Predict a number from a text: token ids in, a number out, in the unit that it was learned in."""

from __future__ import annotations

from runtimes.lean_typing import TYPE_CHECKING
from runtimes.tasks.text_classification import TextClassification

if TYPE_CHECKING:
    from typing import Any, ClassVar

    from runtimes.tasks import Answer


class TextRegression(TextClassification):
    """Encode texts as text classification does; an answer is one number."""

    name: ClassVar[str] = "text-regression"

    def shown(self, answer: Answer, row: Any, top: int) -> dict[str, Any]:
        """Return the number, to seven digits as float32 has them, and the text."""
        return {"value": float(f"{answer[0]:.7g}"), "text": row}

    def line(self, shown: dict[str, Any]) -> str:
        """Return the number."""
        return f"{shown['value']:.7g}"
