"""A count with its noun."""

from __future__ import annotations

_HISSED = ("s", "x", "ch", "sh")


def plural(count: int, noun: str) -> str:
    """Return a count with its noun: "1 process", "2 processes", "1,024 entries"."""
    return f"{count:,} {noun if count == 1 else _several(noun)}"


def _several(noun: str) -> str:
    if noun.endswith(_HISSED):
        return noun + "es"
    if noun.endswith("y") and noun[-2] not in "aeiou":
        return noun[:-1] + "ies"
    return noun + "s"
