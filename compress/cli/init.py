"""edgepress init: write a first recipe for a teacher and a file of rows."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from compress.cli.options import FILE, json_output, print_json, verbosity

if TYPE_CHECKING:
    from compress.setup.survey import Survey


@click.command()
@click.argument("teacher")
@click.option("--data", required=True, type=FILE, help="Labelled rows: csv, tsv, jsonl, parquet.")
@click.option("--test", type=FILE, help="Test rows. Default: a test file beside --data.")
@click.option("--validation", type=FILE, help="Validation rows. Default: a file beside --data.")
@click.option("--text", metavar="COLUMN", help="The column of the text. Default: guessed.")
@click.option("--label", metavar="COLUMN", help="The column of the class. Default: guessed.")
@click.option("--finetune", is_flag=True, help="Train a new head, though TEACHER has one.")
@click.option(
    "--profile", "profiles", multiple=True, default=("local",), show_default=True, metavar="NAME",
    help="The device to compress for.",
)  # fmt: skip
@click.option(
    "--out", type=FILE, default=Path("recipe.toml"), show_default=True, help="The recipe's file."
)
@click.option("--force", is_flag=True, help="Replace a file that is there.")
@json_output
@verbosity
def init(
    teacher: str,
    data: Path,
    profiles: tuple[str, ...],
    out: Path,
    force: bool,
    as_json: bool,
    **columns: Any,
) -> None:
    """Write a commented recipe for TEACHER and the rows of --data, which runs as it is.

    TEACHER is a folder, a Hub id or python:PACKAGE/FOLDER. A model without a trained head is
    fine-tuned first. Columns and the files of other splits are guessed, and said.

    \b
    Example:
      edgepress init models/teacher --data data/train.csv
      edgepress run recipe.toml --out runs/first --dry-run
    """
    from compress.places import check_room
    from compress.setup.draft import draft, recipe_name
    from compress.setup.survey import Given, survey
    from runtimes.errors import InputError
    from runtimes.files import write_text

    if out.exists() and not force:
        raise InputError(
            f"{out}: is there already",
            expected="a file that is not there yet",
            action="choose another --out, or --force to replace it",
        )
    check_room(out.absolute().parent, 0)
    found = survey(Given(teacher, data, **columns))
    write_text(out, draft(found, out, profiles))
    if as_json:
        print_json(_json(found, out))
        return
    for line in found.lines():
        click.echo(line)
    for warning in found.data.warnings:
        click.echo(f"warning: {warning}", err=True)
    click.echo(f"recipe    {out}")
    click.echo(f"next      edgepress run {out} --out runs/{recipe_name(found)} --dry-run")


def _json(found: Survey, out: Path) -> dict[str, Any]:
    made, data = found.teacher, found.data
    return {
        "recipe": str(out),
        "teacher": {
            "model_type": made.model_type,
            "layers": found.layers,
            "parameters": made.parameters,
            "max_length": made.max_length,
            "labels": list(made.labels),
        },
        "finetune": found.finetune,
        "text": {"column": found.text.column, "why": found.text.why},
        "label": {"column": found.label.column, "why": found.label.why},
        "splits": {name: str(path) for name, path in found.splits.items()},
        "rows": {
            "train": len(data.train),
            "validation": len(data.validation),
            "test": len(data.test),
        },
        "classes": list(data.labels),
        "warnings": list(data.warnings),
    }
