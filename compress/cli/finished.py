"""What a finished run prints."""

from __future__ import annotations

from pathlib import Path

import click


def print_report(report: object, out: Path) -> None:
    """Print a finished run's table, its verdicts and where its results are."""
    from rich.console import Console

    from compress.report import terminal as shown
    from compress.report.schema import Report

    assert isinstance(report, Report)
    console = Console()
    console.print(shown.table(report))
    for line in shown.verdict_lines(report):
        console.print(line)
    click.echo(f"report  {out / 'report.html'}")
    click.echo(f"bundle  {out / 'bundle'}")
    click.echo(f'try it  python {out / "bundle" / "predict.py"} "your text"')
