"""The n-grams of texts as a sparse matrix, a column for each hash."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from runtimes.ngrams import character_hashes, pair_hash, word_hash, words_of

if TYPE_CHECKING:
    from scipy.sparse import csr_matrix


@dataclass(frozen=True, slots=True)
class NGrams:
    """Say which n-grams count: of `word` words at most, of `shortest` to `longest` characters."""

    word: int
    shortest: int
    longest: int

    def counted(self, words: Sequence[str]) -> Counter[int]:
        """Return how often each hash occurs in a text's words."""
        counts = Counter(self._hashes(words))
        if self.word == 2:
            counts.update(pair_hash(*pair) for pair in pairwise(words))
        return counts

    def spelled(self, words: Sequence[str]) -> Iterator[tuple[str, ...]]:
        """Yield each n-gram as it is spelled: one or two words, or "" and characters."""
        yield from ((word,) for word in words)
        yield from pairwise(words) if self.word == 2 else ()
        for word in words:
            ends = f" {word} "
            for start in range(len(ends)):
                for end in range(start + self.shortest, start + self.longest + 1):
                    if end <= len(ends):
                        yield "", ends[start:end]

    def _hashes(self, words: Sequence[str]) -> Iterator[int]:
        for word in words:
            yield word_hash(word)
            yield from character_hashes(word, self.shortest, self.longest)


@dataclass(frozen=True, slots=True)
class Columns:
    """Hold the hash of each column, and its weight: the inverse document frequency.

    A row of the matrix is divided by the root of its text's number of words, as the runtime does.
    `collisions` counts n-grams of the texts whose hash another one has too.
    """

    ngrams: NGrams
    hashes: NDArray[np.uint32]
    weights: NDArray[np.float64]
    collisions: int = 0

    @classmethod
    def of(cls, texts: Sequence[str], ngrams: NGrams, least_count: int) -> Columns:
        """Return a column for each hash in `least_count` of the texts or more.

        The weight is ln((1 + texts) / (1 + texts that have it)) + 1, as scikit-learn's.
        """
        seen: Counter[int] = Counter()
        spelled: set[tuple[str, ...]] = set()
        for text in texts:
            words = words_of(text)
            seen.update(ngrams.counted(words).keys())
            spelled.update(ngrams.spelled(words))
        kept = sorted(value for value, count in seen.items() if count >= least_count)
        rows = np.array([seen[value] for value in kept], dtype=np.float64)
        weights = np.log((1 + len(texts)) / (1 + rows)) + 1
        collisions = len(spelled) - len(seen)
        return cls(ngrams, np.array(kept, dtype=np.uint32), weights, collisions)

    def only(self, kept: NDArray[np.int64]) -> Columns:
        """Return the columns at these places."""
        return replace(self, hashes=self.hashes[kept], weights=self.weights[kept])

    def matrix(self, texts: Sequence[str]) -> csr_matrix:
        """Return the weighted counts of texts, shape (texts, columns)."""
        from scipy.sparse import csr_matrix

        places = {int(value): place for place, value in enumerate(self.hashes)}
        values: list[float] = []
        columns: list[int] = []
        ends = [0]
        for text in texts:
            words = words_of(text)
            scale = max(1, len(words)) ** -0.5
            for value, count in self.ngrams.counted(words).items():
                if (place := places.get(value)) is not None:
                    columns.append(place)
                    values.append(count * scale)
            ends.append(len(columns))
        weighted = np.array(values) * self.weights[columns]
        return csr_matrix((weighted, columns, ends), shape=(len(texts), len(self.hashes)))
