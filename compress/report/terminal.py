"""The report in a terminal: the table and the verdict that a run ends with."""

from __future__ import annotations

import io
import sys
from typing import TYPE_CHECKING

from compress.progress import console
from compress.report import units, wording
from compress.report.schema import Report, StageRow
from profiles import gate
from runtimes.printing import one_line

if TYPE_CHECKING:
    from rich.console import RenderableType
    from rich.table import Table
    from rich.text import Text

_COLUMNS = ("params", "MB", "", "retention", "p50/p90 ms", "speed-up")
"""The columns after the stage's; the one without a name is the task's score."""

_STYLES = {
    gate.Status.PASS: "bold green",
    gate.Status.FAIL: "bold red",
    gate.Status.INCONCLUSIVE: "bold yellow",
    gate.Status.NOT_MEASURED: "bold yellow",
    gate.Status.WRONG_DEVICE: "bold magenta",
}
_PLAIN_WIDTH = 80


def show(*parts: RenderableType) -> None:
    """Print parts on stdout: in colors on a terminal that has them, lines as long as they are."""
    from rich.text import Text

    stdout = console(sys.stdout)
    for part in parts:
        stdout.print(part, soft_wrap=isinstance(part, Text))


def plain(*parts: RenderableType) -> str:
    """Return parts as plain text of at most 80 columns, for a file."""
    from rich.console import Console

    stream = io.StringIO()
    drawn = Console(file=stream, width=_PLAIN_WIDTH, color_system=None)
    for part in parts:
        drawn.print(part)
    return stream.getvalue()


def signed(status: gate.Status, said: str, rest: str = "") -> Text:
    """Return a status's sign and what it says in the status's color, and the rest without."""
    from rich.text import Text

    return Text.assemble((f"{status.sign} {said}".rstrip(), _STYLES[status]), rest)


def gate_lines(verdict: gate.Verdict) -> list[Text]:
    """Return a gate's table with its head and the sign of each check in their colors."""
    from rich.text import Text

    head, *rows = map(Text, gate.render(verdict).splitlines())
    said = signed(verdict.status, f"{verdict.status.words} on {verdict.profile}")
    head.stylize(_STYLES[verdict.status], 0, len(said))
    checks = rows[1:] if verdict.why else rows
    for row, check in zip(checks, verdict.checks, strict=False):
        row.stylize(_STYLES[check.status], 1, 2)
    return [head, *rows]


def summary(report: Report) -> list[RenderableType]:
    """Return the stage table and, after an empty line, the verdicts."""
    from rich.text import Text

    return [table(report), Text(), *verdict_lines(report)]


def table(report: Report) -> Table:
    """Return the stage table, fit for 80 columns; the final model's row is bold and marked."""
    from rich.box import SIMPLE_HEAD
    from rich.table import Table
    from rich.text import Text

    shown = Table(box=SIMPLE_HEAD, show_edge=False, pad_edge=False, collapse_padding=True)
    shown.add_column("stage", overflow="fold")
    for name in _COLUMNS:
        shown.add_column(name or wording.score_name(report), justify="right", no_wrap=True)
    for row in wording.table_rows(report):
        style = "bold" if row.selected else ""
        shown.add_row(*(Text(cell) for cell in _cells(row)), style=style)
    return shown


def verdict_lines(report: Report) -> list[Text]:
    """Return a line for each verdict, for each check that decided it, and for what to do next."""
    from rich.text import Text

    lines: list[Text] = []
    for verdict in report.verdicts:
        headline = one_line(wording.headline(verdict, report.summary))
        said, _, rest = headline.partition(" — ")
        lines.append(signed(gate.Status(verdict.status), said, f" — {rest}" if rest else ""))
        lines += [Text(f"  {one_line(reason)}") for reason in wording.reasons(verdict)]
        lines += [Text(f"  → {one_line(advice)}") for advice in wording.advice_lines(verdict)]
    return lines


def _cells(row: StageRow) -> tuple[str, ...]:
    return (
        one_line(row.name) + " ←" * row.selected,
        units.parameters(row.parameters),
        units.megabytes(row.size_mb),
        units.percent(row.judged.value),
        _stacked(units.percent_interval(row.retention)),
        f"{units.number(row.latency_p50_ms)} / {units.number(row.latency_p90_ms)}",
        _stacked(units.ratio_interval(row.speedup)),
    )


def _stacked(text: str) -> str:
    """Put an interval below its value, so that the table fits 80 columns."""
    return text.replace(" [", "\n[", 1)
