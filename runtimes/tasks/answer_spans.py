"""The best span of a text, given how likely it begins and ends at each piece."""

from __future__ import annotations

from runtimes.lean_typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

LONGEST = 30
"""Pieces of the longest answer: BERT's and transformers' own limit for SQuAD, in tokens."""


def best_span(
    starts: Sequence[float], ends: Sequence[float], longest: int = LONGEST
) -> tuple[int, int]:
    """Return the first and the last piece of the span with the largest sum of both logits.

    A span ends where it begins or later, and has at most `longest` pieces. Of equal sums, the one
    that begins first is the best, and then the shortest. Takes time in proportion to the pieces.
    """
    best = (0, 0)
    most = starts[0] + ends[0]
    waiting: list[int] = []  # starts that may be the best of a later end, their logits falling
    head = 0
    for last, end in enumerate(ends):
        while len(waiting) > head and starts[waiting[-1]] < starts[last]:
            waiting.pop()
        waiting.append(last)
        if waiting[head] <= last - longest:
            head += 1
        first = waiting[head]
        total = starts[first] + end
        if total > most or (total == most and first < best[0]):
            best, most = (first, last), total
    return best
