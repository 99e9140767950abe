"""edgepress import: make an artifact of a model that another tool exported."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from compress.cli.command import Command
from compress.cli.options import output_options, task_option, terminal
from compress.cli.paths import FOLDER, LABELS, NEW_FOLDER, SOURCE
from compress.cli.stages import print_artifact


@click.command(
    "import",
    cls=Command,
    examples=[
        "edgepress import exported --out models/theirs",
        "edgepress import olive-output --out models/theirs --tokenizer teacher",
        "edgepress import model.xml --out models/theirs --labels labels.txt",
    ],
)
@click.argument("source", type=SOURCE)
@click.option("--out", required=True, type=NEW_FOLDER, help="The artifact folder to make.")
@task_option
@click.option(
    "--labels",
    type=LABELS,
    show_default="config.json's, or labels.txt",
    help="The labels in the order of the outputs, a label a line; or a,b,c.",
)
@click.option(
    "--tokenizer", type=FOLDER, show_default="beside the model", help="The tokenizer's folder."
)
@click.option(
    "--max-length",
    type=click.IntRange(2),
    metavar="N",
    show_default="the tokenizer's, at most 512",
    help="The tokens that a text is cut at, specials included.",
)
@output_options
def importing(source: Path, out: Path, as_json: bool, quiet: bool, **asked: Any) -> None:
    """Make an artifact of SOURCE: an ONNX model or OpenVINO IR that another tool exported.

    SOURCE is model.onnx, model.xml beside model.bin, or a folder with one model, as optimum, Olive
    and optimum-intel write it. edgepress reads the model, the tokenizer and the labels, executes
    nothing that it finds, and runs a row before it accepts the model.
    """
    from compress.importing.importing import Import, import_exported

    artifact = import_exported(Import(source, **asked), out, terminal(quiet))
    print_artifact(artifact, as_json)
