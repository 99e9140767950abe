"""edgepress init: write a first recipe for a teacher and a file of rows."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from compress.cli.border import force_option
from compress.cli.command import Command
from compress.cli.options import json_output, print_json, profiles_option, stack, verbosity
from compress.cli.paths import FILE, MODEL, RECIPE

if TYPE_CHECKING:
    from compress.setup.survey import Survey


teacher_options = stack(
    click.argument("teacher", type=MODEL),
    click.option(
        "--data", required=True, type=FILE, help="Labeled rows: csv, tsv, jsonl or parquet."
    ),
    click.option("--test", type=FILE, show_default="a test file beside --data", help="Test rows."),
    click.option(
        "--validation", type=FILE, show_default="a file beside --data", help="Validation rows."
    ),
    click.option(
        "--text", metavar="COLUMN", show_default="guessed", help="The column that holds the texts."
    ),
    click.option(
        "--text-pair",
        metavar="COLUMN",
        show_default="guessed",
        help="For pairs: the column that holds the second texts.",
    ),
    click.option(
        "--label",
        metavar="COLUMN",
        show_default="guessed",
        help="The column that holds the labels.",
    ),
    click.option("--finetune", is_flag=True, help="Train a new head, though TEACHER has one."),
    profiles_option("Compress for this device; may be repeated.", default=("local",)),
)
"""TEACHER and the options that say which rows it is compressed for, and for which devices."""


@click.command(
    cls=Command,
    examples=[
        "edgepress init models/teacher --data data/train.csv",
        "edgepress run recipe.toml --out runs/first --dry-run",
    ],
)
@teacher_options
@click.option("--out", type=RECIPE, default=Path("recipe.toml"), help="Write this recipe.")
@force_option("Replace a recipe that is already there.")
@json_output
@verbosity
def init(
    teacher: str,
    data: Path,
    profiles: tuple[str, ...],
    out: Path,
    as_json: bool,
    **columns: Any,
) -> None:
    """Write a commented recipe for TEACHER and the rows of --data. It runs as it is.

    TEACHER is a folder, a Hub id or python:PACKAGE/FOLDER. The recipe fine-tunes a model that has
    no trained head. edgepress guesses the columns and the files of the other splits, and prints
    what it guessed.
    """
    from compress.places import Place, check_separate
    from compress.setup.draft import draft, recipe_name
    from compress.setup.survey import Given, survey
    from runtimes.files import write_text

    surveyed = survey(Given(teacher, data, **columns))
    found = [Place(f"the {name} rows", path) for name, path in surveyed.splits.items()]
    check_separate(Place("--out", out), found)
    write_text(out, draft(surveyed, out, profiles))
    if as_json:
        print_json(_json(surveyed, out))
        return
    for line in surveyed.lines():
        click.echo(line)
    for warning in surveyed.data.warnings:
        click.echo(f"warning: {warning}", err=True)
    click.echo(f"recipe    {out}")
    click.echo(f"next      edgepress run {out} --out runs/{recipe_name(surveyed)} --dry-run")


def _json(surveyed: Survey, out: Path) -> dict[str, Any]:
    made, data = surveyed.teacher, surveyed.data
    return {
        "recipe": str(out),
        "teacher": {
            "model_type": made.model_type,
            "layers": surveyed.layers,
            "parameters": made.parameters,
            "max_length": made.max_length,
            "labels": list(made.labels),
        },
        "task": made.task,
        "finetune": surveyed.finetune,
        "text": {"column": surveyed.text.column, "why": surveyed.text.why},
        **({"text_pair": dataclasses.asdict(pair)} if (pair := surveyed.text_pair) else {}),
        "label": {"column": surveyed.label.column, "why": surveyed.label.why},
        "splits": {name: str(path) for name, path in surveyed.splits.items()},
        "rows": {
            "train": len(data.train),
            "validation": len(data.validation),
            "test": len(data.test),
        },
        "classes": list(data.labels),
        "warnings": list(data.warnings),
    }
