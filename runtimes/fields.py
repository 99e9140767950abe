"""Typed fields of a JSON object: a value of another type is refused, never converted."""

from __future__ import annotations

from runtimes.lean_typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

_SHOWN = 60
_WHOLE_MOST = 2**53
"""Every JSON reader keeps whole numbers up to here."""


def text(content: Mapping[str, Any], key: str) -> str:
    """Return a text that is not empty; raise ValueError for anything else."""
    value = content.get(key)
    if not isinstance(value, str) or not value:
        raise _refused(content, key, "a text that is not empty")
    return value


def texts(content: Mapping[str, Any], key: str) -> tuple[str, ...]:
    """Return a list of different texts; raise ValueError for anything else."""
    value = content.get(key)
    if not isinstance(value, list) or not all(isinstance(one, str) for one in value):
        raise _refused(content, key, "a list of texts")
    if len(set(value)) != len(value):
        raise _refused(content, key, "texts that differ from each other")
    return tuple(value)


def whole(content: Mapping[str, Any], key: str, least: int, most: int = _WHOLE_MOST) -> int:
    """Return a whole number from `least` to `most`; raise ValueError for anything else."""
    value = content.get(key)
    if type(value) is not int or not least <= value <= most:
        raise _refused(content, key, f"a whole number from {least} to {most:,}")
    return value


def number(content: Mapping[str, Any], key: str) -> float:
    """Return a number that is finite and not negative; raise ValueError for anything else."""
    value = content.get(key)
    counts = isinstance(value, (int, float)) and not isinstance(value, bool)
    if not counts or not 0 <= value < float("inf"):  # type: ignore[operator]
        raise _refused(content, key, "a number from 0 up")
    return float(value)  # type: ignore[arg-type]


def mapping(content: Mapping[str, Any], key: str) -> dict[str, Any]:
    """Return an object; raise ValueError for anything else."""
    value = content.get(key)
    if not isinstance(value, dict):
        raise _refused(content, key, "an object")
    return value


def rows(content: Mapping[str, Any], key: str) -> list[dict[str, Any]]:
    """Return a list of objects; raise ValueError for anything else."""
    value = content.get(key)
    if not isinstance(value, list) or not all(isinstance(row, dict) for row in value):
        raise _refused(content, key, "a list of objects")
    return value


def named_texts(content: Mapping[str, Any], key: str) -> dict[str, str]:
    """Return an object whose values are texts; raise ValueError for anything else."""
    value = mapping(content, key)
    if not all(isinstance(one, str) for one in value.values()):
        raise _refused(content, key, "an object of texts")
    return value


def _refused(content: Mapping[str, Any], key: str, expected: str) -> ValueError:
    if key not in content:
        return ValueError(f"{key!r} is missing; expected {expected}")
    shown = repr(content[key])
    if len(shown) > _SHOWN:
        shown = f"{shown[:_SHOWN]}…"
    return ValueError(f"{key!r} is {shown}; expected {expected}")
