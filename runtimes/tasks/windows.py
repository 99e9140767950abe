"""The feeds of a row that runs as several windows, in one batch."""

from __future__ import annotations

from array import array
from typing import TYPE_CHECKING

from runtimes.tasks.text_classification import INT64

if TYPE_CHECKING:
    from collections.abc import Sequence


def window_columns(
    ids: Sequence[Sequence[int]], types: Sequence[Sequence[int]], padding_id: int
) -> dict[str, memoryview[int]]:
    """Return every input that a tokenizer makes, by name: int64 of shape (windows, tokens)."""
    longest = max(map(len, ids))
    return {
        "input_ids": _table(ids, padding_id, longest),
        "attention_mask": _table([[1] * len(line) for line in ids], 0, longest),
        "token_type_ids": _table(types, 0, longest),
    }


def _table(lines: Sequence[Sequence[int]], padding: int, length: int) -> memoryview[int]:
    """Return lines of numbers as int64 of shape (lines, length)."""
    flat = array(INT64)
    for line in lines:
        flat.extend(line)
        flat.extend([padding] * (length - len(line)))
    return memoryview(flat).cast("B").cast(INT64, (len(lines), length))
