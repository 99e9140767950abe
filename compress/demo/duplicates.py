"""Near-duplicates: tickets whose words are nearly the same set."""

import re
from collections import defaultdict
from collections.abc import Mapping
from math import ceil

THRESHOLD = 0.7  # Jaccard similarity of the two word sets
_WORD = re.compile(r"[a-z]+|\d+")


def words(text: str) -> frozenset[str]:
    """Return the words of the text; every number counts as the same word."""
    plain = text.lower().replace("'", "")
    return frozenset("0" if word.isdigit() else word for word in _WORD.findall(plain))


class NearDuplicates:
    """Admit a text only when no admitted one is like it.

    Exact, not approximate: two sets of Jaccard similarity t or more share a word among the first
    |x| - ceil(t |x|) + 1 of each in any common order (prefix filtering, Chaudhuri et al. 2006).
    Rare words come first, by `frequencies` of words in text of this kind: fewer texts share them.
    """

    def __init__(self, frequencies: Mapping[str, int], threshold: float = THRESHOLD) -> None:
        self._frequencies = frequencies
        self._threshold = threshold
        self._admitted: list[frozenset[str]] = []
        self._index: dict[str, list[int]] = defaultdict(list)

    def admit(self, text: str) -> bool:
        """Return whether the text is new, and remember it if so."""
        own = words(text)
        prefix = self._prefix(own)
        candidates = {row for word in prefix for row in self._index.get(word, ())}
        if any(self._alike(own, self._admitted[row]) for row in candidates):
            return False
        for word in prefix:
            self._index[word].append(len(self._admitted))
        self._admitted.append(own)
        return True

    def _prefix(self, own: frozenset[str]) -> list[str]:
        ordered = sorted(own, key=lambda word: (self._frequencies.get(word, 0), word))
        return ordered[: len(own) - ceil(self._threshold * len(own)) + 1]

    def _alike(self, one: frozenset[str], other: frozenset[str]) -> bool:
        shared = len(one & other)
        return shared >= self._threshold * (len(one) + len(other) - shared)
