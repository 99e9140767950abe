"""The report in a terminal: the table and the verdict that a run ends with."""

from __future__ import annotations

from typing import TYPE_CHECKING

from compress.report import units, wording
from compress.report.schema import Report, StageRow, Status

if TYPE_CHECKING:
    from rich.table import Table
    from rich.text import Text

_COLUMNS = ("params", "MB", "accuracy", "retention", "p50/p90 ms", "speed-up")
_STYLES: dict[Status, str] = {
    "PASS": "bold green",
    "FAIL": "bold red",
    "INCONCLUSIVE": "bold yellow",
    "NOT_MEASURED": "bold yellow",
    "WRONG_DEVICE": "bold magenta",
}


def table(report: Report) -> Table:
    """Return the stage table, fit for 80 columns; the final model's row is bold and marked."""
    from rich.box import SIMPLE_HEAD
    from rich.table import Table
    from rich.text import Text

    shown = Table(box=SIMPLE_HEAD, pad_edge=False, collapse_padding=True)
    shown.add_column("stage", overflow="fold")
    for name in _COLUMNS:
        shown.add_column(name, justify="right", no_wrap=True)
    for row in wording.table_rows(report):
        style = "bold" if row.selected else ""
        shown.add_row(*(Text(cell) for cell in _cells(row)), style=style)
    return shown


def verdict_lines(report: Report) -> list[Text]:
    """Return a line for each verdict, for each check that decided it, and for what to do next."""
    from rich.text import Text

    lines: list[Text] = []
    for verdict in report.verdicts:
        said, _, rest = wording.headline(verdict, report.summary).partition(" — ")
        line = Text(f"{wording.SIGNS[verdict.status]} {said}", style=_STYLES[verdict.status])
        lines.append(Text.assemble(line, f" — {rest}" if rest else ""))
        lines += [Text(f"  {reason}") for reason in wording.reasons(verdict)]
        lines += [Text(f"  → {advice}") for advice in wording.advice_lines(verdict)]
    return lines


def _cells(row: StageRow) -> tuple[str, ...]:
    return (
        f"{row.name} ←" if row.selected else row.name,
        units.parameters(row.parameters),
        units.megabytes(row.size_mb),
        units.percent(row.accuracy),
        _stacked(units.percent_interval(row.retention)),
        f"{units.number(row.latency_p50_ms)} / {units.number(row.latency_p90_ms)}",
        _stacked(units.ratio_interval(row.speedup)),
    )


def _stacked(text: str) -> str:
    """Put an interval below its value, so that the table fits 80 columns."""
    return text.replace(" [", "\n[", 1)
