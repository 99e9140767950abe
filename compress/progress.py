"""Progress on a terminal: bars with a note; plain lines where there is no terminal."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

from runtimes.printing import escaped, styled

if TYPE_CHECKING:
    from typing import TextIO

    from rich.console import Console
    from rich.progress import Progress as Bars

_PLAIN_EVERY_S = 15.0
_NAME_WIDTH = 24
_BAR_WIDTH = 20

Advance = Callable[[int, str], None]
"""Report `n` more units of work done, with a short note ("loss 0.31")."""


class Progress(Protocol):
    """Show how far a long step is; a terminal's bar, plain lines, or nothing."""

    def task(self, name: str, total: int) -> AbstractContextManager[Advance]:
        """Open a task of `total` units and yield what advances it."""

    warnings: list[str]

    def note(self, text: str) -> None:
        """Print one line about what happens."""

    def warn(self, text: str) -> None:
        """Print a warning, and keep it for the report."""

    def say_only(self, text: str) -> None:
        """Print what no report may hold, as the name of a host: always, and keep it nowhere."""


@dataclass(slots=True)
class Silence:
    """Progress that shows nothing and keeps the warnings."""

    warnings: list[str] = field(default_factory=list)

    @contextmanager
    def task(self, name: str, total: int) -> Iterator[Advance]:
        """Open a task that nobody sees."""
        yield lambda units, note: None

    def note(self, text: str) -> None:
        """Say nothing."""

    def warn(self, text: str) -> None:
        """Keep the warning."""
        self.warnings.append(text)

    def say_only(self, text: str) -> None:
        """Say nothing."""


@dataclass(slots=True)
class Terminal:
    """Show progress on stderr; each note carries the time since `began`. `quiet` warns only."""

    quiet: bool = False
    warnings: list[str] = field(default_factory=list)
    began: float = field(default_factory=lambda: time.monotonic())
    _table: _Table = field(default_factory=lambda: _Table())

    @contextmanager
    def task(self, name: str, total: int) -> Iterator[Advance]:
        """Show one bar, or a line now and then where stderr is not a terminal.

        Tasks of several threads share one table.
        """
        if self.quiet:
            yield lambda units, note: None
        elif sys.stderr.isatty():
            with self._table.bar(name, total) as advance:
                yield advance
        else:
            with _lines(name, total) as advance:
                yield advance

    def note(self, text: str) -> None:
        """Print one line, with the time since the command began."""
        if not self.quiet:
            print(self.stamped(text), file=sys.stderr, flush=True)

    def stamped(self, text: str) -> str:
        """Return a note as it is printed: "[ 0:45] 2/6 02-distill"."""
        return f"[{clock(time.monotonic() - self.began):>5}] {text}"

    def warn(self, text: str) -> None:
        """Print a warning once, and keep it."""
        if text not in self.warnings:
            self.warnings.append(text)
            print(f"warning: {text}", file=sys.stderr, flush=True)

    def say_only(self, text: str) -> None:
        """Print it, also when quiet."""
        print(self.stamped(text), file=sys.stderr, flush=True)


@dataclass(slots=True)
class Meter:
    """Count a task's units, and say how far it is and how long the rest takes."""

    name: str
    total: int
    done: int = 0
    began: float = field(default_factory=lambda: time.monotonic())

    @property
    def elapsed_s(self) -> float:
        """Return the seconds since the task began."""
        return time.monotonic() - self.began

    def text(self, note: str) -> str:
        """Return "distill: 300/1200, loss 0.31, 0:45 elapsed, about 2:15 left"."""
        parts = [f"{self.name}: {self.done}/{self.total}", note]
        parts.append(f"{clock(self.elapsed_s)} elapsed")
        if self.done:
            rest = max(self.total - self.done, 0) / self.done
            parts.append(f"about {clock(self.elapsed_s * rest)} left")
        return ", ".join(filter(None, parts))


def clock(seconds: float) -> str:
    """Write a duration: 0:45, 12:03, 1:02:45."""
    minutes, second = divmod(round(seconds), 60)
    hours, minute = divmod(minutes, 60)
    return f"{hours}:{minute:02d}:{second:02d}" if hours else f"{minute}:{second:02d}"


class _Table:
    """Draw the bars of all open tasks: rich draws one table at a time."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._bars: Bars | None = None
        self._open = 0

    @contextmanager
    def bar(self, name: str, total: int) -> Iterator[Advance]:
        """Draw a bar until the block ends."""
        progress = self._opened()
        bar = progress.add_task(name, total=max(total, 1), note="")

        def advance(units: int, note: str) -> None:
            progress.update(bar, advance=units)
            if note:
                progress.update(bar, note=note)

        try:
            yield advance
        finally:
            self._closed()

    def _opened(self) -> Bars:
        with self._lock:
            if self._bars is None:
                self._bars = bars(console(sys.stderr))
                self._bars.start()
            self._open += 1
            return self._bars

    def _closed(self) -> None:
        with self._lock:
            self._open -= 1
            if self._bars is not None and not self._open:
                self._bars.stop()
                self._bars = None


def bars(console: Console) -> Bars:
    """Return rich's bars in one line of 80 columns: the note takes what is left, and is cut."""
    from rich.progress import (
        BarColumn,
        Progress,
        TaskProgressColumn,
        TextColumn,
        TimeRemainingColumn,
    )
    from rich.table import Column

    def cell(width: int | None = None, ratio: int | None = None) -> Column:
        return Column(no_wrap=True, overflow="ellipsis", width=width, ratio=ratio)

    return Progress(
        TextColumn("  {task.description}", markup=False, table_column=cell(width=_NAME_WIDTH)),
        BarColumn(bar_width=_BAR_WIDTH),
        TaskProgressColumn(table_column=cell(width=4)),
        TimeRemainingColumn(compact=True, elapsed_when_finished=True, table_column=cell(width=7)),
        TextColumn("{task.fields[note]}", markup=False, table_column=cell(ratio=1)),
        console=console,
        expand=True,
    )


@contextmanager
def _lines(name: str, total: int) -> Iterator[Advance]:
    meter = Meter(name, total)
    last = meter.began

    def advance(units: int, note: str) -> None:
        nonlocal last
        meter.done += units
        if time.monotonic() - last >= _PLAIN_EVERY_S:
            last = time.monotonic()
            print(f"  {meter.text(note)}", file=sys.stderr, flush=True)

    yield advance
    if meter.elapsed_s >= 1:
        print(f"  {name}: done in {clock(meter.elapsed_s)}", file=sys.stderr, flush=True)


def console(stream: TextIO) -> Console:
    """Return rich's console on a stream; what it draws has control characters only as styles."""
    from rich.console import Console
    from rich.segment import Segment

    class Clean(Console):
        def render(self, *args: Any, **settings: Any) -> Iterator[Segment]:
            for text, style, control in super().render(*args, **settings):
                yield Segment(text if control else escaped(text), style, control)

    return Clean(file=styled(stream), highlight=False)
