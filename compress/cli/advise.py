"""edgepress advise: what to do with a teacher, before any training."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from compress.cli.border import force_option
from compress.cli.command import Command
from compress.cli.options import FiniteRange, output_options, print_json, profile_option, stack
from compress.cli.paths import FILE, MODEL, RECIPE

_PRICE = FiniteRange(0, min_open=True)

_price_options = stack(
    click.option(
        "--price-hour", type=_PRICE, metavar="PRICE", help="What an hour of the machine costs."
    ),
    click.option(
        "--price-once",
        type=_PRICE,
        metavar="PRICE",
        help="What the compression costs once, people included; shows when it pays.",
    ),
    click.option(
        "--answers-per-month", type=_PRICE, metavar="N", help="How many answers are asked for."
    ),
)


@click.command(
    cls=Command,
    examples=[
        "edgepress advise models/teacher --data data/train.csv",
        "edgepress advise models/teacher --data data/train.csv --profile rpi5 \\\n"
        "    --price-hour 0.04 --price-once 500 --answers-per-month 30e6",
    ],
)
@click.argument("teacher", type=MODEL)
@click.option("--data", required=True, type=FILE, help="Labeled rows: csv, tsv, jsonl or parquet.")
@click.option("--test", type=FILE, show_default="a test file beside --data", help="Test rows.")
@click.option(
    "--validation", type=FILE, show_default="a file beside --data", help="Validation rows."
)
@click.option(
    "--text", metavar="COLUMN", show_default="guessed", help="The column that holds the texts."
)
@click.option(
    "--label", metavar="COLUMN", show_default="guessed", help="The column that holds the labels."
)
@profile_option("Advise for this device.")
@click.option(
    "--retention",
    type=FiniteRange(0, 1, min_open=True),
    metavar="SHARE",
    default=0.98,
    help="Keep at least this share of the teacher's accuracy.",
)
@_price_options
@click.option("--out", type=RECIPE, default=Path("recipe.toml"), help="Write this recipe.")
@force_option("Replace a recipe that is already there.")
@output_options
def advise(
    teacher: str,
    data: Path,
    profile: str,
    retention: float,
    price_hour: float | None,
    price_once: float | None,
    answers_per_month: float | None,
    out: Path,
    as_json: bool,
    quiet: bool,
    **columns: Any,
) -> None:
    """Say what to do with TEACHER for the rows of --data, in minutes, before any training.

    One of: leave it as it is, quantize only, distil to so many layers, a linear model is enough,
    more or cleaner data first; with the evidence, and the recipe. It measures the teacher, a linear
    model of the same rows, and the speed and size of untrained students on the profile's device.
    """
    from compress.advising.advise import Question
    from compress.advising.advise import advise as ask
    from compress.advising.money import Prices
    from compress.advising.wording import to_json, to_lines
    from compress.search.board import TerminalBoard
    from compress.setup.survey import Given
    from runtimes.files import write_text

    if price_hour is None and (price_once or answers_per_month):
        raise click.UsageError("--price-once and --answers-per-month need --price-hour")
    prices = None if price_hour is None else Prices(price_hour, price_once, answers_per_month)
    board = TerminalBoard(quiet=quiet)
    given = Given(teacher, data, **columns)
    found = ask(Question(given, profile, out, retention, prices), board)
    write_text(out, found.recipe)
    if as_json:
        print_json(to_json(found))
        return
    for warning in found.warnings:
        board.warn(warning)
    click.echo("\n".join(to_lines(found)))
