"""Acme's task on a device: the tags of a text, any number of them."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from runtimes.tasks.text_classification import TextClassification


class Tags(TextClassification):
    """Encode texts as classification does; an answer is a logit a tag."""

    name: ClassVar[str] = "acme-tags"

    def shown(self, answer: NDArray[np.float32], row: Any, top: int) -> dict[str, Any]:
        """Return the tags whose logits are above 0."""
        return {"tags": [self._labels[place] for place in np.flatnonzero(answer > 0)], "text": row}

    def line(self, shown: dict[str, Any]) -> str:
        """Return the tags."""
        return ", ".join(shown["tags"]) or "–"
