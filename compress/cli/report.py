"""edgepress report: render a run's report.json."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from compress.cli.border import force_option
from compress.cli.command import Command
from compress.cli.options import json_output, print_json, verbosity
from compress.cli.paths import REPORT, RESULTS

if TYPE_CHECKING:
    from compress.report.schema import Report

_FORMATS = ["table", "html", "markdown"]


@click.command(
    cls=Command,
    examples=[
        "edgepress report runs/first",
        "edgepress report runs/first --format markdown --out report.md",
        "edgepress report runs/first --json",
    ],
)
@click.argument("run", type=RESULTS)
@click.option(
    "--format", "form", type=click.Choice(_FORMATS), default="table", help="Render it as this."
)
@click.option("--out", type=REPORT, help="Write this file, not stdout.")
@force_option()
@json_output
@verbosity
@click.pass_context
def report(
    context: click.Context, /, run: Path, form: str, out: Path | None, as_json: bool
) -> None:
    """Render the report of RUN: the folder of a run, or a report.json."""
    from compress.report.stored import read_report, to_json
    from compress.report.terminal import show, summary
    from runtimes.files import write_text

    if as_json:
        _refuse_with_json(context, "form", "out")
        print_json(to_json(read_report(run)))
        return
    run_report = read_report(run)
    if out is not None:
        write_text(out, _text(run_report, form) + "\n")
        click.echo(str(out))
    elif form == "table":
        show(*summary(run_report))
    else:
        click.echo(_text(run_report, form))


def _refuse_with_json(context: click.Context, *names: str) -> None:
    for name in names:
        if context.get_parameter_source(name) is not click.core.ParameterSource.DEFAULT:
            option = {"form": "--format"}.get(name, f"--{name}")
            raise click.UsageError(f"--json prints the whole report: leave {option} out", context)


def _text(run_report: Report, form: str) -> str:
    from compress.report import html, markdown
    from compress.report.terminal import plain, summary

    if form == "html":
        return html.render(run_report)
    if form == "markdown":
        return markdown.render(run_report)
    return plain(*summary(run_report)).rstrip("\n")
