"""Which pairs of neighboring pieces get a vector of their own, and the file that names them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path

import numpy as np

from runtimes.files import write_bytes
from runtimes.piece_pairs import FORMAT, HEADER

Pair = tuple[int, int]


def frequent_pairs(rows: Sequence[Sequence[int]], most: int, least_count: int) -> list[Pair]:
    """Return the pairs that stand in the most rows, `most` of them, of `least_count` rows or more.

    Of equally frequent ones those of lower ids come first.
    """
    counts: Counter[Pair] = Counter()
    for row in rows:
        counts.update(set(pairwise(row)))
    ranked = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    return [pair for pair, count in ranked[:most] if count >= least_count]


def write_pairs(path: Path, pairs: Sequence[Pair], first_id: int) -> None:
    """Write the file that runtimes/piece_pairs.py reads; the first pair has `first_id`."""
    pieces = np.array(pairs, dtype="<u4").reshape(-1, 2).T.tobytes()
    write_bytes(path, FORMAT + HEADER.pack(first_id, len(pairs)) + pieces)
