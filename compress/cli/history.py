"""edgepress history: figures commit by commit, and where a change began."""

from __future__ import annotations

from pathlib import Path

import click

from compress.cli.command import Command
from compress.cli.options import output_options, print_json, terminal
from compress.cli.paths import PROFILE, RESULTS


@click.command(
    cls=Command,
    examples=[
        "edgepress history history",
        "edgepress history history --branch main --metric latency_p50_ratio",
    ],
)
@click.argument("folder", type=RESULTS)
@click.option("--profile", type=PROFILE, help="Show this profile only.")
@click.option("--branch", metavar="NAME", help="Show this branch only.")
@click.option(
    "--metric",
    "metrics",
    multiple=True,
    metavar="NAME",
    help="Show this metric; may be repeated.",
    show_default="those that a regression shows in",
)
@click.option(
    "--last", default=30, metavar="N", type=click.IntRange(1), help="Print the last N entries."
)
@output_options
def history(
    folder: Path,
    profile: str | None,
    branch: str | None,
    metrics: tuple[str, ...],
    last: int,
    as_json: bool,
    quiet: bool,
) -> None:
    """Show the trend of each figure in FOLDER, and the commits where it changed.

    FOLDER is what `--history` of `edgepress gate` and `edgepress baseline save` wrote: a file for
    each profile and branch. Of series that never change, one in twenty at most shows a change. All
    entries are tested, also those that --last leaves out.
    """
    from compress.history.series import entries, found
    from compress.history.text import lines_of
    from compress.history.trend import SCHEMA, history_of
    from runtimes.errors import InputError

    there = found(folder)
    chosen = [
        (own_profile, own_branch)
        for own_profile, own_branch in there
        if profile in (None, own_profile) and branch in (None, own_branch)
    ]
    if not chosen:
        raise InputError(
            f"{folder}: nothing of --profile {profile or 'any'} and --branch {branch or 'any'}",
            available=", ".join(f"{one} on {other}" for one, other in there),
            action="give a profile and branch that are there, or leave both out",
        )
    progress = terminal(quiet)
    shown = [
        history_of(one, other, entries(folder, one, other, progress), metrics)
        for one, other in chosen
    ]
    if as_json:
        print_json({"schema_version": SCHEMA, "series": [one.to_json() for one in shown]})
        return
    for number, one in enumerate(shown):
        for line in ["", *lines_of(one, last)] if number else lines_of(one, last):
            click.echo(line)
