"""Rows of two texts that a model reads together, such as a premise and a hypothesis."""

from __future__ import annotations

from runtimes.errors import DataError
from runtimes.lean_typing import TYPE_CHECKING
from runtimes.texts import TEXT

if TYPE_CHECKING:
    from typing import Any

PAIR = (TEXT, "text_pair")
"""The keys of a row, in the order in which a tokenizer takes its texts."""


def pair_of(row: Any) -> tuple[str, str]:
    """Return a row's two texts; raise DataError for a row that does not have both."""
    if isinstance(row, dict) and all(isinstance(row.get(key), str) for key in PAIR):
        text, text_pair = (row[key] for key in PAIR)
        return text, text_pair
    keys = f" with {', '.join(map(repr, row)) or 'nothing'}" if isinstance(row, dict) else ""
    raise DataError(
        f"a row is a {type(row).__name__}{keys}",
        expected='two texts: {"text": "...", "text_pair": "..."}',
        action="give both texts of every row",
    )
