"""Cells that hold texts, lists of words or tags, or spans of characters."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from compress.data.reading import text_of
from runtimes.errors import DataError

_TYPES = ("type", "label", "tag", "entity", "entity_group", "entity_type")
"""The names that files give to the type of a span."""


def cell_of(value: Any, place: str) -> Any:
    """Return a text, or a tuple of words, of tags or of spans (start, end, type).

    Raises DataError for anything else, with its place.
    """
    if not isinstance(value, list | tuple):
        return text_of(value, place)
    if value and all(isinstance(one, Mapping | list | tuple) for one in value):
        return tuple(_span(one, place) for one in value)
    words = tuple(text_of(one, place) for one in value)
    if any(not word.strip() for word in words):
        raise DataError(
            f"{place}: an empty word among {len(words)}",
            expected="a list of words, or of tags, none of them empty",
            action="leave the word and its tag out",
        )
    return words


def _span(value: Mapping[str, Any] | Sequence[Any], place: str) -> list[Any]:
    if isinstance(value, Mapping):
        kind = next((value[name] for name in _TYPES if name in value), None)
        parts = [value.get("start"), value.get("end"), kind]
    else:
        parts = list(value)
    if (
        len(parts) != 3
        or not all(type(one) is int for one in parts[:2])
        or not isinstance(parts[2], str)
        or not parts[2].strip()
    ):
        raise DataError(
            f"{place}: {str(value)[:80]} is no span",
            expected='{"start": 0, "end": 4, "label": "type"}, in characters, the end excluded',
            action="correct the row",
        )
    return [parts[0], parts[1], parts[2].strip()]
