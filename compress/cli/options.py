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
    """Add -q and -v."""
    return stack(
        click.option("-q", "--quiet", is_flag=True, help="Show results and warnings only."),
        click.option("-v", "--verbose", is_flag=True, help="Show tracebacks of errors."),
    )(command)


def json_output(command: Command) -> Command:
    """Add --json."""
    return click.option("--json", "as_json", is_flag=True, help="Print the result as JSON.")(command)


def data_options(command: Command) -> Command:
    """Add what names the rows: files, columns, seed."""
    return stack(
        click.option("--train", "train", multiple=True, required=True, metavar="FILE",
                     help="csv, jsonl, parquet or a datasets id; may be repeated."),
        click.option("--validation", multiple=True, metavar="FILE",
                     help="Split off train when absent."),
        click.option("--test", multiple=True, metavar="FILE", help="Split off train when absent."),
        click.option("--text", default="text", show_default=True, metavar="COLUMN"),
        click.option("--label", default="label", show_default=True, metavar="COLUMN"),
        click.option("--group", metavar="COLUMN", help="Rows of a group stay in one split."),
        click.option("--seed", default=7, show_default=True, type=click.IntRange(0)),
    )(command)  # fmt: skip


def terminal(quiet: bool) -> Terminal:
    """Return the progress that a command shows."""
    from compress.progress import Terminal

    return Terminal(quiet=quiet)


def print_json(value: Any) -> None:
    """Print a result as JSON on stdout."""
    click.echo(json.dumps(value, indent=2, ensure_ascii=False))
