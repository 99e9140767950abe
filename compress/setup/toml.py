"""Write TOML with a comment beside each key; the standard library only reads it."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

_WIDTH = 26


@dataclass(frozen=True, slots=True)
class Key:
    """Hold a key with its value and its comment."""

    name: str
    value: Any
    comment: str = ""


@dataclass(frozen=True, slots=True)
class Table:
    """Hold a table's keys; `header` is "[data]", "[[stage]]" or "" for the top level."""

    header: str
    keys: Sequence[Key]
    comment: Sequence[str] = field(default=())


def to_toml(tables: Sequence[Table]) -> str:
    """Return the tables as text."""
    return "\n".join(_table(table) for table in tables)


def _table(table: Table) -> str:
    lines = [f"# {line}".rstrip() for line in table.comment]
    lines += [table.header] if table.header else []
    for key in table.keys:
        said = f"{key.name} = {_value(key.value)}"
        lines.append(f"{said:<{_WIDTH}}  # {key.comment}" if key.comment else said)
    return "\n".join(lines) + "\n"


def _value(value: Any) -> str:
    """Return a value in TOML's form, which is JSON's but for one control character."""
    if isinstance(value, list | tuple):
        return f"[{', '.join(map(_value, value))}]"
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
