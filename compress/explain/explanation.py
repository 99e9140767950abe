"""The parts of an explanation: one sentence, figures, tables and notes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from runtimes.printing import one_line

SCHEMA = 1


@dataclass(frozen=True, slots=True)
class Column:
    """Describe a table's column: its JSON key, its heading and its number format."""

    key: str
    heading: str
    form: str = ""


@dataclass(frozen=True, slots=True)
class Table:
    """Hold rows of raw values, one for each column; None is printed as blank."""

    key: str
    title: str
    columns: tuple[Column, ...]
    rows: tuple[tuple[Any, ...], ...]

    def to_json(self) -> list[dict[str, Any]]:
        """Return the rows as objects with the columns' keys."""
        keys = [column.key for column in self.columns]
        return [dict(zip(keys, row, strict=True)) for row in self.rows]

    def cells(self, row: tuple[Any, ...]) -> list[str]:
        """Format one row's values, each in its column's format."""
        return [_cell(value, column) for value, column in zip(row, self.columns, strict=True)]

    def lines(self) -> list[str]:
        """Draw the table as plain text; empty columns are left out."""
        columns = [self._column(place) for place in range(len(self.columns))]
        shown = [column for column in columns if any(cell.strip() for cell in column[1:])]
        return [self.title, *("  " + "  ".join(row).rstrip() for row in zip(*shown, strict=True))]

    def _column(self, place: int) -> list[str]:
        """Return a column's heading and cells in one width, numbers right-aligned."""
        column = self.columns[place]
        cells = [column.heading, *(_cell(row[place], column) for row in self.rows)]
        width = max(map(len, cells))
        return [cell.rjust(width) if column.form else cell.ljust(width) for cell in cells]


@dataclass(frozen=True, slots=True)
class Explanation:
    """Explain a figure.

    `answer` is the explanation in one sentence. `figures` are single numbers by documented name,
    `tables` are their parts, `notes` are what a reader must know to trust them.
    """

    answer: str
    figures: Mapping[str, Any]
    tables: tuple[Table, ...] = ()
    notes: tuple[str, ...] = ()

    def to_json(self, metric: str) -> dict[str, Any]:
        """Return the explanation as `--json` prints it."""
        return {
            "schema_version": SCHEMA,
            "metric": metric,
            "answer": self.answer,
            "figures": dict(self.figures),
            "tables": {table.key: table.to_json() for table in self.tables},
            "notes": list(self.notes),
        }

    def text(self, metric: str) -> str:
        """Draw the explanation as plain text: the answer, the tables, the notes."""
        parts = [f"{metric}: {self.answer}"]
        parts += ["\n".join(table.lines()) for table in self.tables if table.rows]
        parts += ["\n".join(f"note: {note}" for note in self.notes)] if self.notes else []
        return "\n\n".join(parts)


def percent(share: float) -> str:
    """Format a share in whole percent; a small share above 0 as `<1 %`."""
    return "<1 %" if 0 < share < 0.005 else f"{100 * share:.0f} %"


def _cell(value: Any, column: Column) -> str:
    if value is None:
        return ""
    if column.form == "%":
        return percent(value)
    return format(value, column.form) if column.form else one_line(str(value))
