"""A search on a terminal: a live table of its shapes; plain lines without a terminal."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from compress.progress import Advance, Meter, Terminal, console
from compress.report import units
from compress.search.choice import Goal, Standing, fastest, meets, pareto

if TYPE_CHECKING:
    from rich.live import Live
    from rich.table import Table

_COLUMNS = ("epochs", "score", "retention", "speed-up", "MB")
_WIDTHS = (10, 8, 16, 7, 7)
_ROWS = 24


@dataclass(slots=True)
class TerminalBoard(Terminal):
    """Show every shape's longest training, and the running task below.

    It is also the search's progress: a live table and separate bars would overwrite each other.
    `quiet` shows warnings only.
    """

    rows: Sequence[Standing] = ()
    goal: Goal = field(default_factory=Goal)
    doing: str = ""
    live: Live | None = None

    @contextmanager
    def shown(self) -> Iterator[None]:
        """Show the table during the block, if stderr is a terminal."""
        if self.quiet or not sys.stderr.isatty():
            yield
            return
        from rich.live import Live

        with Live(console=console(sys.stderr), refresh_per_second=4, transient=True) as live:
            self.live = live
            try:
                yield
            finally:
                self.live = None

    def show(self, rows: Sequence[Standing], goal: Goal) -> None:
        """Show every shape's longest training; as lines, only new ones."""
        before = plain(self.rows, self.goal)
        self.rows, self.goal = rows, goal
        if self.live is None and not self.quiet:
            for line in plain(rows, goal):
                if line not in before:
                    print(f"  {line}", file=sys.stderr, flush=True)
        self._refresh()

    @contextmanager
    def task(self, name: str, total: int) -> Iterator[Advance]:
        """Show a task's progress below the table."""
        if self.live is None:
            with Terminal.task(self, name, total) as advance:
                yield advance
            return
        meter = Meter(name, total)

        def count(units: int, note: str) -> None:
            meter.done += units
            self.doing = meter.text(note)
            self._refresh()

        yield count

    def note(self, text: str) -> None:
        """Print one line above the table."""
        if self.live is None:
            Terminal.note(self, text)
        else:
            self.live.console.print(self.stamped(text), highlight=False, markup=False)

    def _refresh(self) -> None:
        if self.live is not None:
            self.live.update(table(self.rows, self.goal, self.doing))


def table(rows: Sequence[Standing], goal: Goal, caption: str = "") -> Table:
    """Return the shapes as a table, the fastest first; ← marks the answer, * the front."""
    from rich.box import SIMPLE_HEAD
    from rich.table import Table
    from rich.text import Text

    shown = Table(box=SIMPLE_HEAD, pad_edge=False, collapse_padding=True, caption=caption)
    shown.add_column("shape", overflow="fold")
    for name in _COLUMNS:
        shown.add_column(name, justify="right", no_wrap=True)
    best, front = fastest(rows, goal), pareto(rows)
    for row in rows[:_ROWS]:
        style = "bold" if row is best else "" if meets(row, goal) else "dim"
        mark = " ←" if row is best else " *" if row in front else ""
        shown.add_row(
            *(Text(cell) for cell in (row.trial.shape.name + mark, *_cells(row))), style=style
        )
    return shown


def plain(rows: Sequence[Standing], goal: Goal) -> list[str]:
    """Return the shapes as lines, the fastest first; ← marks the answer, * the front."""
    best, front = fastest(rows, goal), pareto(rows)
    lines = []
    for row in rows:
        mark = " ←" if row is best else " *" if row in front else ""
        cells = (f"{cell:>{width}}" for cell, width in zip(_cells(row), _WIDTHS, strict=True))
        lines.append(f"{row.trial.shape.name + mark:<30}{''.join(cells)}")
    return lines


def _cells(row: Standing) -> tuple[str, ...]:
    trial = row.trial
    return (
        f"{trial.epochs or '–'}{'' if trial.deployed else ' (fp32)'}",
        units.percent(trial.accuracy),
        f"{units.percent(row.retention)} ≥{units.percent(row.lower)}",
        f"{trial.latency.speedup:.1f}×",
        units.megabytes(trial.size_mb),
    )
