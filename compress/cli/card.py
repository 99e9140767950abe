"""edgepress card: write a model card and a bill of materials."""

from __future__ import annotations

from pathlib import Path

import click

from compress.cli.border import force_option
from compress.cli.command import Command
from compress.cli.options import json_output, print_json, verbosity
from compress.cli.paths import BILL, CARD, FILE, FOLDER


@click.command(
    cls=Command,
    examples=[
        "edgepress card runs/first/bundle",
        "edgepress card runs/first/bundle --verdict verdict.json \\\n"
        "    --out card.md --bom bom.json",
    ],
)
@click.argument("artifact", type=FOLDER)
@click.option("--verdict", type=FILE, help="Show the evidence of `edgepress gate --verdict FILE`.")
@click.option("--out", type=CARD, help="Write the card into this file.", show_default="print it")
@click.option("--bom", type=BILL, help="Write a bill of materials (CycloneDX JSON) too.")
@force_option()
@json_output
@verbosity
def card(
    artifact: Path, verdict: Path | None, out: Path | None, bom: Path | None, as_json: bool
) -> None:
    """Write the model card of ARTIFACT or of a bundle in the Hub's form.

    It names the teacher with its licence, the data, every stage with its tools, and all files.
    """
    from compress.release.bom import bill_of_materials
    from compress.release.card import card as rendered
    from compress.release.statement import read_statement
    from runtimes.artifact import open_artifact
    from runtimes.files import write_text

    found = open_artifact(artifact)
    text = rendered(found, read_statement(verdict, found) if verdict else None)
    if bom is not None:
        write_text(bom, bill_of_materials(found))
    if out is not None:
        write_text(out, text)
    if as_json:
        written = {"card": str(out) if out else None, "bom": str(bom) if bom else None}
        print_json({"path": str(artifact), "text": text, **written})
    elif out is None:
        click.echo(text, nl=False)
    else:
        click.echo(f"{out}")
