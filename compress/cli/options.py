"""Options that several commands share, each as a decorator."""

from __future__ import annotations

import functools
import json
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

if TYPE_CHECKING:
    from compress.progress import Terminal

Command = TypeVar("Command", bound=Callable[..., Any])

FOLDER = click.Path(path_type=Path, file_okay=False)
NEW_FOLDER = click.Path(path_type=Path)
FILE = click.Path(path_type=Path, dir_okay=False)


def stack(*options: Callable[[Command], Command]) -> Callable[[Command], Command]:
    """Return one decorator that adds the options in the order given."""
    return lambda command: functools.reduce(lambda done, add: add(done), options[::-1], command)


def verbosity(command: Command) -> Command:
    """Add -v, which the front door reads: errors then come with their traceback."""
    return click.option(
        "-v", "--verbose", is_flag=True, expose_value=False, help="Show tracebacks of errors."
    )(command)


def quietness(command: Command) -> Command:
    """Add -q."""
    return click.option("-q", "--quiet", is_flag=True, help="Show results and warnings only.")(
        command
    )


def json_output(command: Command) -> Command:
    """Add --json."""
    return click.option("--json", "as_json", is_flag=True, help="Print the result as JSON.")(
        command
    )


def tier_option(command: Command) -> Command:
    """Add --tier."""
    return click.option(
        "--tier",
        type=click.Choice(["quick", "ci", "release", "soak"]),
        default="ci",
        show_default=True,
        help="How much to measure: seconds, about a minute, minutes, minutes in one go.",
    )(command)


def rows_options(command: Command) -> Command:
    """Add --data, --text and --label: the rows that a model is measured on."""
    return stack(
        click.option("--data", required=True, multiple=True, metavar="FILE", help="Test rows."),
        click.option("--text", default="text", show_default=True, metavar="COLUMN"),
        click.option("--label", default="label", show_default=True, metavar="COLUMN"),
    )(command)


def terminal(quiet: bool) -> Terminal:
    """Return the progress that a command shows."""
    from compress.progress import Terminal

    return Terminal(quiet=quiet)


def print_json(value: Any) -> None:
    """Print a result as JSON on stdout."""
    click.echo(json.dumps(value, indent=2, ensure_ascii=False))
