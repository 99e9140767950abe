"""Acme's task on a device: the tags of a text, any number of them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from runtimes.tasks.text_classification import TextClassification

if TYPE_CHECKING:
    from runtimes.tasks import Answer


class Tags(TextClassification):
    """Encode texts as classification does; an answer is a logit a tag."""

    name: ClassVar[str] = "acme-tags"

    def shown(self, answer: Answer, row: Any, top: int) -> dict[str, Any]:
        """Return the tags whose logits are above 0."""
        tags = [tag for tag, logit in zip(self._labels, answer, strict=True) if logit > 0]
        return {"tags": tags, "text": row}

    def line(self, shown: dict[str, Any]) -> str:
        """Return the tags."""
        return ", ".join(shown["tags"]) or "–"
