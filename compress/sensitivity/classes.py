"""What compression costs each class, as a table."""

from __future__ import annotations

from collections.abc import Sequence

from compress.explain.explanation import Column, Table
from compress.report.schema import ClassRow
from compress.report.wording import taken_for


def class_table(rows: Sequence[ClassRow]) -> Table:
    """Return the classes as a table, in their order."""
    columns = (
        *(Column("label", "class"), Column("rows", "rows", "d")),
        *(Column("teacher_right", "reference right", "d"), Column("right", "right", "d")),
        *(Column("lost", "lost", "d"), Column("gained", "gained", "d")),
        *(Column("retention", "retention", ".3f"), Column("lower", "lower", ".3f")),
        *(Column("upper", "upper", ".3f"), Column("confused", "now taken for")),
    )
    lines = tuple(
        (
            *(row.label, row.rows, row.teacher_right, row.right, row.lost, row.gained),
            *(row.retention.value, row.retention.lower, row.retention.upper),
            taken_for(row),
        )
        for row in rows
    )
    return Table("classes", "classes, the one that keeps least first", columns, lines)
