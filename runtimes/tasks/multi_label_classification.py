"""Tell which labels a text has, any number of them: token ids in, a logit for each label out.

A label's threshold is part of its logit: the text has the label where the logit is above 0.
"""

from __future__ import annotations

from math import exp

from runtimes.lean_typing import TYPE_CHECKING
from runtimes.tasks.text_classification import TextClassification

if TYPE_CHECKING:
    from typing import Any, ClassVar

    from runtimes.tasks import Answer

_LARGE = 700.0
"""exp leaves float64's range above 709."""


class MultiLabelClassification(TextClassification):
    """Encode texts as text classification does; an answer is a logit for each label."""

    name: ClassVar[str] = "multi-label-classification"

    def shown(self, answer: Answer, row: Any, top: int) -> dict[str, Any]:
        """Return the labels above their thresholds, the surest first, and the best `top`.

        A score is sigmoid(logit): 0.5 at the label's threshold.
        """
        ranked = [
            {"label": self._labels[place], "score": round(sigmoid(answer[place]), 6)}
            for place in sorted(range(len(answer)), key=lambda place: -answer[place])
        ]
        over = sum(logit > 0 for logit in answer)
        return {"labels": ranked[:over], "text": row, **({"top": ranked[:top]} if top else {})}

    def line(self, shown: dict[str, Any]) -> str:
        """Return each label with its score; "-" where the text has none."""
        from runtimes.printing import one_line

        labels = (f"{one_line(one['label'])} {one['score']:.4f}" for one in shown["labels"])
        return "\t".join(labels) or "-"


def sigmoid(logit: float) -> float:
    """Return 1 / (1 + exp(-logit))."""
    return 1 / (1 + exp(min(-logit, _LARGE)))
