"""edgepress bundle: write the folder that is deployed."""

from __future__ import annotations

from pathlib import Path

import click

from compress.cli.command import Command
from compress.cli.options import json_output, text_option, verbosity
from compress.cli.paths import FOLDER, NEW_FOLDER, ROWS
from compress.cli.stages import print_artifact


@click.command(
    cls=Command,
    examples=[
        "edgepress bundle models/theirs --out deploy",
        "edgepress bundle models/theirs --out deploy --data test.csv",
    ],
)
@click.argument("artifact", type=FOLDER)
@click.option("--out", required=True, type=NEW_FOLDER, help="The folder to make.")
@click.option("--data", type=ROWS, help="Check that predict.py answers these rows alike.")
@text_option
@json_output
@verbosity
def bundle(
    artifact: Path, out: Path, data: str | None, text: str, text_pair: str, as_json: bool
) -> None:
    """Write ARTIFACT's bundle: the model, its tokenizer, predict.py and the code that it needs.

    A bundle runs without edgepress, where its runtime, numpy and tokenizers are installed. It is
    an artifact too: every command takes it.
    """
    from compress.data.dataset import DataSettings
    from compress.run.bundle import bundle as write

    rows = DataSettings(train=(), test=(data,), text=text, text_pair=text_pair) if data else None
    print_artifact(write(artifact, out, rows), as_json)
