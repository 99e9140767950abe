"""Options that several commands share, each as a decorator.

A command lists its own options first. `output_options` (--json, -q, -v) come last, in one order.
"""

from __future__ import annotations

import functools
import json
import math
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, TypeVar

import click

from compress.cli.paths import KEPT_FOLDER, PROFILE, ROWS
from runtimes.runtime import MOST_THREADS

if TYPE_CHECKING:
    from pathlib import Path

    from compress.progress import Terminal

Decorated = TypeVar("Decorated", bound=Callable[..., Any])


class FiniteRange(click.FloatRange):
    """A number within bounds; NaN, which is in none, and infinity are refused."""

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> float:
        """Return the number."""
        number: float = super().convert(value, param, ctx)
        if not math.isfinite(number):
            self.fail(f"{value} is not a finite number.", param, ctx)
        return number


def stack(*options: Callable[[Decorated], Decorated]) -> Callable[[Decorated], Decorated]:
    """Return one decorator that adds the options in the order given."""
    return lambda command: functools.reduce(lambda done, add: add(done), options[::-1], command)


verbosity = click.option(
    "-v", "--verbose", is_flag=True, expose_value=False, help="Show the traceback of an error."
)
"""-v, which `compress.cli.main` reads before click does."""
quietness = click.option("-q", "--quiet", is_flag=True, help="Show results and warnings only.")
json_output = click.option("--json", "as_json", is_flag=True, help="Print the result as JSON.")
output_options = stack(json_output, quietness, verbosity)
"""--json, -q and -v: the last options of every command that shows progress."""

kept_answers_option = click.option(
    "--kept-answers",
    is_flag=True,
    help="Take answers that an earlier command computed from the cache, and keep them there.",
)
seed_option = click.option(
    "--seed",
    default=7,
    metavar="N",
    type=click.IntRange(0),
    help="Fix all that is drawn at random.",
)
threads_option = click.option(
    "--threads",
    default=1,
    metavar="N",
    type=click.IntRange(0, MOST_THREADS),
    help="Threads of the runtime; 0 lets the runtime choose.",
)
tier_option = click.option(
    "--tier",
    type=click.Choice(["quick", "ci", "release", "soak"]),
    default="ci",
    help="Measure for seconds, about a minute, minutes, or minutes without a pause.",
)
unlabeled_option = click.option(
    "--unlabeled", is_flag=True, help="The rows have no labels: do not judge accuracy."
)
task_option = click.option(
    "--task",
    metavar="NAME",
    help="The model's task; by default, what its folder says, or text-classification.",
)
text_option = stack(
    click.option(
        "--text", default="text", metavar="COLUMN", help="The column that holds the texts."
    ),
    click.option(
        "--text-pair",
        default="text_pair",
        metavar="COLUMN",
        help="For tasks of pairs: the column that holds the second texts.",
    ),
)
"""--text and --text-pair: the columns of a row's texts."""
label_option = click.option(
    "--label", default="label", metavar="COLUMN", help="The column that holds the labels."
)
group_option = click.option(
    "--group",
    metavar="COLUMN",
    help="For text-ranking: the column of the query's id; by default that of the texts.",
)
rows_options = stack(
    click.option(
        "--data",
        required=True,
        multiple=True,
        type=ROWS,
        help="Test rows: csv, jsonl or parquet; may be repeated.",
    ),
    text_option,
    label_option,
    group_option,
)
"""--data, --text, --text-pair, --label and --group: the rows that a model is measured on."""


history_options = stack(
    click.option("--history", type=KEPT_FOLDER, help="Add the figures to this folder's history."),
    click.option(
        "--commit",
        metavar="NAME",
        help="The commit that is measured.",
        show_default="CI's or git's",
    ),
    click.option("--branch", metavar="NAME", help="Its branch.", show_default="CI's or git's"),
)
"""--history, --commit and --branch: where the figures are kept, commit by commit."""


def profile_option(help: str) -> Callable[[Decorated], Decorated]:  # noqa: A002 - click's own word
    """Add --profile NAME, which names one device; this machine by default."""
    return click.option("--profile", default="local", type=PROFILE, help=help)


def profiles_option(help: str, **rules: Any) -> Callable[[Decorated], Decorated]:  # noqa: A002
    """Add --profile NAME, which may be repeated, as `profiles`."""
    return click.option("--profile", "profiles", multiple=True, type=PROFILE, help=help, **rules)


def shared_cache(kept_answers: bool) -> Path | None:
    """Return the cache's folder of answers where --kept-answers is given."""
    from compress.run.cache import default_cache

    return default_cache().shared if kept_answers else None


def terminal(quiet: bool) -> Terminal:
    """Return the progress that a command shows."""
    from compress.progress import Terminal

    return Terminal(quiet=quiet)


def print_json(value: Any) -> None:
    """Print a result as JSON on stdout; a number that is not finite becomes null."""
    click.echo(json.dumps(_finite(value), indent=2, ensure_ascii=False, allow_nan=False))


def _finite(value: Any) -> Any:
    match value:
        case Mapping():
            return {key: _finite(item) for key, item in value.items()}
        case list() | tuple():
            return [_finite(item) for item in value]
        case float():
            return value if math.isfinite(value) else None
        case _:
            return value
