"""Counts with their nouns."""

from __future__ import annotations

import pytest

from profiles.plural import plural


@pytest.mark.parametrize(
    ("count", "noun", "said"),
    [
        (0, "row", "0 rows"),
        (1, "process", "1 process"),
        (2, "process", "2 processes"),
        (1024, "entry", "1,024 entries"),
        (3, "day", "3 days"),
        (2, "batch", "2 batches"),
    ],
)
def test_a_noun_follows_its_count(count: int, noun: str, said: str) -> None:
    assert plural(count, noun) == said
