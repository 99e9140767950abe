"""What a finished run prints."""

from __future__ import annotations

import shlex
import shutil
import sys
from pathlib import Path

import click


def print_report(report: object, out: Path, seconds: float) -> None:
    """Print a run's table, its verdicts, where its results are and what to do next."""
    from compress.progress import clock
    from compress.report import terminal as shown
    from compress.report.schema import Report

    assert isinstance(report, Report)
    shown.show(*shown.summary(report))
    click.echo(f"report  {out / 'report.html'}")
    click.echo(f"bundle  {out / 'bundle'}")
    click.echo(f"took    {clock(seconds)}")
    click.echo(f"next    {shlex.join([edgepress(), 'predict', str(out / 'bundle'), _TEXT])}")


_TEXT = "I was charged twice"


def edgepress() -> str:
    """Return the command that starts this installation from the folder that the user is in."""
    beside = Path(sys.executable).with_name("edgepress")
    on_path = shutil.which("edgepress")
    if not beside.is_file() or (on_path and Path(on_path).resolve() == beside.resolve()):
        return "edgepress"
    here = Path.cwd()
    return str(beside.relative_to(here)) if beside.is_relative_to(here) else str(beside)
