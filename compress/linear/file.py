"""Write the file that runtimes/linear_file.py opens."""

from __future__ import annotations

import math
from collections.abc import Iterable
from itertools import chain
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from compress.linear.features import NGrams
from runtimes.files import write_bytes
from runtimes.linear_file import HEADER, MAGIC, VERSION, ZERO, Header
from runtimes.ngrams import character_hashes, word_hash

_LARGEST = 127
_LARGEST_SUM = 2**15 - 1

Steps = NDArray[np.int64]
"""Weights as multiples of the file's unit, a row for each hash."""


def write_linear(
    path: Path,
    hashes: NDArray[np.uint32],
    weights: NDArray[np.float64],
    biases: NDArray[np.float64],
    ngrams: NGrams,
    words: Iterable[str] = (),
) -> None:
    """Write weights, shape (hashes, classes), in steps of their largest magnitude / 127.

    `hashes` differ from each other. The sums of those `words` that have a hash themselves are
    stored too: the first text of a process then takes hardly longer than a later one.
    """
    unit = float(np.abs(weights).max()) / _LARGEST or 1.0
    steps = np.rint(weights / unit).astype(np.int64)
    sums = _sums(hashes, steps, ngrams, words)
    inside = ~np.isin(hashes, list(sums))
    inside[np.argmin(inside)] |= not inside.any()  # a table has a row at least
    rows = {int(value): row for value, row in zip(hashes[inside], steps[inside], strict=True)}
    header = Header(
        weights.shape[1],
        *(len(rows), _bits(rows)),
        *(len(sums), _bits(sums)),
        *(ngrams.word, ngrams.shortest, ngrams.longest),
        unit,
    )
    parts = (
        HEADER.pack(MAGIC, VERSION, *header),
        biases.astype("<f4").tobytes(),
        _table(rows, header.bucket_bits, ZERO, "u1"),
        _table(sums, header.word_bits, ZERO << 8, "<u2"),
    )
    write_bytes(path, b"".join(parts))


def _sums(
    hashes: NDArray[np.uint32], steps: Steps, ngrams: NGrams, words: Iterable[str]
) -> dict[int, Steps]:
    """Return the sum of each word's n-grams by the word's hash, where 16 bits hold it."""
    places = {int(value): place for place, value in enumerate(hashes)}
    sums = {}
    for word in sorted(set(words)):
        own = word_hash(word)
        if own in places:
            parts = chain([own], character_hashes(word, ngrams.shortest, ngrams.longest))
            total = steps[[places[value] for value in parts if value in places]].sum(axis=0)
            if np.abs(total).max() <= _LARGEST_SUM:
                sums[own] = total
    return sums


def _bits(rows: dict[int, Steps]) -> int:
    return max(1, math.ceil(math.log2(max(1, len(rows)))))


def _table(rows: dict[int, Steps], bits: int, zero: int, stored: str) -> bytes:
    """Return a table's buckets, its ascending hashes and their rows."""
    ascending = np.array(sorted(rows), dtype=np.uint64)
    edges = np.arange(2**bits + 1, dtype=np.uint64) << np.uint64(32 - bits)
    starts = np.searchsorted(ascending, edges)
    weights = [(rows[int(value)] + zero).astype(stored).tobytes() for value in ascending]
    return b"".join([starts.astype("<u4").tobytes(), ascending.astype("<u4").tobytes(), *weights])
