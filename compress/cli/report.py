"""edgepress report: render a run's report.json."""

from __future__ import annotations

from pathlib import Path

import click

from compress.cli.options import verbosity

_FORMATS = ["html", "markdown", "table", "json"]


@click.command()
@click.argument("run", type=click.Path(path_type=Path))
@click.option("--format", "form", type=click.Choice(_FORMATS), default="table", show_default=True)
@click.option("--out", type=click.Path(path_type=Path), help="Write a file instead of stdout.")
@verbosity
def report(run: Path, form: str, out: Path | None) -> None:
    """Render the report of RUN: a run's folder, or a report.json."""
    from compress.report.schema import read_report
    from runtimes.files import write_text

    text = _render(read_report(run), form)
    if out is None:
        click.echo(text)
    else:
        write_text(out, text + "\n")
        click.echo(str(out))


def _render(found: object, form: str) -> str:
    import json

    from compress.report import html, markdown
    from compress.report.schema import Report, to_json

    assert isinstance(found, Report)
    if form == "html":
        return html.render(found)
    if form == "markdown":
        return markdown.render(found)
    if form == "json":
        return json.dumps(to_json(found), indent=2, ensure_ascii=False)
    return _table(found)


def _table(found: object) -> str:
    from rich.console import Console

    from compress.report import terminal
    from compress.report.schema import Report

    assert isinstance(found, Report)
    console = Console()
    with console.capture() as captured:
        console.print(terminal.table(found))
        for line in terminal.verdict_lines(found):
            console.print(line)
    return captured.get().rstrip("\n")
