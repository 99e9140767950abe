"""Classify a pair of texts, such as a premise and a hypothesis: one label for both."""

from __future__ import annotations

from runtimes.lean_typing import TYPE_CHECKING
from runtimes.tasks.pairs import ReadsPairs

if TYPE_CHECKING:
    from typing import ClassVar


class TextPairClassification(ReadsPairs):
    """Classify as text classification does."""

    name: ClassVar[str] = "text-pair-classification"
