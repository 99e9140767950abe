"""edgepress predict: classify text with an exported model."""

from __future__ import annotations

from pathlib import Path

import click

from compress.cli.command import Command
from compress.cli.options import threads_option, verbosity
from compress.cli.paths import FOLDER, ROWS


@click.command(
    cls=Command,
    examples=[
        'edgepress predict runs/first/bundle "my card has not arrived"',
        "edgepress predict runs/first/bundle --rows test.csv --json --top 3",
        "cat texts.txt | edgepress predict runs/first/bundle -",
    ],
)
@click.argument("artifact", type=FOLDER)
@click.argument("texts", nargs=-1)
@click.option("--rows", type=ROWS, help="Classify the texts of a file: one a line, .csv or .jsonl.")
@click.option(
    "--text",
    metavar="COLUMN",
    show_default="text",
    help="The column of --rows that holds the texts.",
)
@click.option(
    "--text-pair",
    metavar="COLUMN",
    show_default="text_pair",
    help="For pairs: the column of --rows that holds the second texts.",
)
@click.option("--top", type=click.IntRange(1), metavar="N", help="With --json: print N labels.")
@threads_option
@click.option(
    "--json", "as_json", is_flag=True, help="Print one JSON object per text, a line each."
)
@verbosity
def predict(
    artifact: Path,
    texts: tuple[str, ...],
    rows: str | None,
    text: str | None,
    text_pair: str | None,
    top: int | None,
    threads: int,
    as_json: bool,
) -> None:
    """Classify TEXTS with an exported ARTIFACT or bundle, by the bundle's own code.

    A model of pairs takes each as JSON: '{"text": "...", "text_pair": "..."}'.
    """
    from runtimes.command import Request, answer

    answer(Request(artifact, texts, rows, text, text_pair, as_json, top or 0, threads))
