"""Does the order of the words matter? The teacher's accuracy on texts with shuffled words."""

from __future__ import annotations

import random
from collections.abc import Sequence


def shuffled(texts: Sequence[str], seed: int) -> list[str]:
    """Return each text with its words in a random order."""
    source = random.Random(seed)  # noqa: S311 - nothing is secret
    found = []
    for text in texts:
        words = text.split()
        source.shuffle(words)
        found.append(" ".join(words))
    return found
