"""What a finished run prints."""

from __future__ import annotations

import json
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
    asked = example_row(out / "bundle")
    click.echo(f"next    {shlex.join([edgepress(), 'predict', str(out / 'bundle'), asked])}")


_TEXT = "I was charged twice"


def example_row(bundle: Path) -> str:
    """Return a row that `edgepress predict` takes for a bundle: a text, or JSON of its keys."""
    from runtimes.manifest import read_manifest
    from runtimes.request_body import row_like
    from runtimes.tasks import TASKS

    row = row_like(TASKS.resolve(read_manifest(bundle).task), _TEXT)
    return row if isinstance(row, str) else json.dumps(row)


def edgepress() -> str:
    """Return the command that starts this installation from the folder that the user is in."""
    beside = Path(sys.executable).with_name("edgepress")
    on_path = shutil.which("edgepress")
    if not beside.is_file() or (on_path and Path(on_path).resolve() == beside.resolve()):
        return "edgepress"
    here = Path.cwd()
    return str(beside.relative_to(here)) if beside.is_relative_to(here) else str(beside)
