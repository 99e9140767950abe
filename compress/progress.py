"""Progress on a terminal: bars with a note; plain lines where there is no terminal."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from rich.console import Console

_PLAIN_EVERY_S = 15.0

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


@dataclass(slots=True)
class Terminal:
    """Show progress on stderr. `quiet` shows warnings only."""

    quiet: bool = False
    warnings: list[str] = field(default_factory=list)

    @contextmanager
    def task(self, name: str, total: int) -> Iterator[Advance]:
        """Show one bar, or a line now and then where stderr is not a terminal."""
        if self.quiet:
            yield lambda units, note: None
        elif sys.stderr.isatty():
            with _bar(name, total) as advance:
                yield advance
        else:
            with _lines(name, total) as advance:
                yield advance

    def note(self, text: str) -> None:
        """Print one line."""
        if not self.quiet:
            print(text, file=sys.stderr, flush=True)

    def warn(self, text: str) -> None:
        """Print a warning once, and keep it."""
        if text not in self.warnings:
            self.warnings.append(text)
            print(f"warning: {text}", file=sys.stderr, flush=True)


@contextmanager
def _bar(name: str, total: int) -> Iterator[Advance]:
    from rich.progress import (
        BarColumn,
        TaskProgressColumn,
        TextColumn,
        TimeRemainingColumn,
    )
    from rich.progress import (
        Progress as Bars,
    )

    columns = (
        TextColumn("  {task.description:<26}"),
        BarColumn(bar_width=32),
        TaskProgressColumn(),
        TimeRemainingColumn(),
        TextColumn("{task.fields[note]}"),
    )
    with Bars(*columns, console=_stderr()) as progress:
        bar = progress.add_task(name, total=max(total, 1), note="")

        def advance(units: int, note: str) -> None:
            progress.update(bar, advance=units)
            if note:
                progress.update(bar, note=note)

        yield advance


@contextmanager
def _lines(name: str, total: int) -> Iterator[Advance]:
    start = last = time.monotonic()
    done = 0

    def advance(units: int, note: str) -> None:
        nonlocal done, last
        done += units
        if time.monotonic() - last >= _PLAIN_EVERY_S:
            last = time.monotonic()
            print(f"  {name}: {done}/{total} {note}", file=sys.stderr, flush=True)

    yield advance
    spent = time.monotonic() - start
    if spent >= 1:
        print(f"  {name}: done in {spent:.0f} s", file=sys.stderr, flush=True)


def _stderr() -> Console:
    from rich.console import Console

    return Console(stderr=True)
