"""Run a benchmark from its command line: print the table, write the JSON file, report errors."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import click

from runtimes.errors import EdgepressError
from runtimes.files import write_json


def run(
    measure: Callable[[], dict[str, Any]],
    table: Callable[[Mapping[str, Any]], str],
    json_file: Path | None,
) -> None:
    """Measure, write the figures to `json_file` if given, and print their table.

    An EdgepressError ends the process with its message and its exit code.
    """
    try:
        result = measure()
    except EdgepressError as error:
        click.echo(f"error: {error}", err=True)
        sys.exit(error.exit_code)
    if json_file is not None:
        write_json(json_file, result)
    click.echo(table(result))
