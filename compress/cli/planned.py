"""What commands with a plan share: RECIPE and its options, and what a dry run prints."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

import click

from compress.cli.options import print_json, profiles_option, stack
from compress.cli.paths import FILE, KEPT_FOLDER, RESULTS

if TYPE_CHECKING:
    from compress.progress import Progress

recipe_options = stack(
    click.argument("recipe", type=FILE),
    click.option("--out", required=True, type=KEPT_FOLDER, help="Write the results here."),
    profiles_option("Judge by this profile instead of the recipe's; may be repeated."),
    click.option("--data", type=RESULTS, help="Find the files of the recipe's [data] here."),
    click.option("--dry-run", is_flag=True, help="Check everything, print the plan and stop."),
)
"""RECIPE and the options of every command that carries one out."""


class Planned(Protocol):
    """What a dry run prints: a plan, or a search."""

    @property
    def warnings(self) -> tuple[str, ...]:
        """Return what may go wrong."""

    def lines(self) -> list[str]:
        """Describe it in lines of text."""

    def to_json(self) -> dict[str, Any]:
        """Return it as JSON values."""


def print_plan(planned: Planned, progress: Progress, *, as_json: bool) -> None:
    """Print what a dry run would do; its warnings go to stderr."""
    if as_json:
        print_json(planned.to_json())
    else:
        click.echo("\n".join(planned.lines()))
    for warning in planned.warnings:
        progress.warn(warning)
