"""Texts as a model's input: their UTF-8 bytes, for models that read the text themselves."""

from __future__ import annotations

from runtimes.errors import DataError
from runtimes.lean_typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

    from runtimes.runtime import Feeds

TEXT = "text"
"""The only input of a model that reads the text itself: uint8 of shape (rows, bytes)."""


def text_feeds(row: Any) -> Feeds:
    """Return one text as uint8 of shape (1, bytes); raise DataError for what is none."""
    try:
        return _tensor(row.encode() or b" ", 1)
    except AttributeError:
        raise DataError(
            f"a row is a {type(row).__name__}", expected="a text", action="give texts alone"
        ) from None
    except UnicodeEncodeError:
        raise DataError(
            "a text holds half of a character (a lone surrogate)",
            expected="a text that UTF-8 can write",
            action="convert it again from its source, or leave it out",
        ) from None


def text_batch(rows: Sequence[Feeds]) -> Feeds:
    """Stack texts as uint8 of shape (rows, longest), with zeros behind the shorter ones."""
    texts = [memoryview(row[TEXT]).tobytes() for row in rows]
    longest = max(map(len, texts))
    return _tensor(b"".join(text.ljust(longest, b"\0") for text in texts), len(texts))


def _tensor(content: bytes, rows: int) -> Feeds:
    return {TEXT: memoryview(content).cast("B", (rows, len(content) // rows))}
