"""Turn a text into a vector: token ids in, the pooled vector out, which the graph computes."""

from __future__ import annotations

from runtimes.lean_json import dumps
from runtimes.lean_typing import TYPE_CHECKING
from runtimes.tasks.text_classification import TextClassification

if TYPE_CHECKING:
    from typing import Any, ClassVar

    from runtimes.tasks import Answer


class FeatureExtraction(TextClassification):
    """Encode texts as text classification does; an answer is a text's vector."""

    name: ClassVar[str] = "feature-extraction"

    def shown(self, answer: Answer, row: Any, top: int) -> dict[str, Any]:
        """Return the vector and the text; rounding would take longer than a small model."""
        return {"embedding": list(answer), "text": row}

    def line(self, shown: dict[str, Any]) -> str:
        """Return the vector as a JSON list."""
        return dumps(shown["embedding"])
