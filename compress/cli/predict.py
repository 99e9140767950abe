"""edgepress predict: classify text with an exported model."""

from __future__ import annotations

from pathlib import Path

import click

from compress.cli.options import FOLDER, verbosity


@click.command()
@click.argument("artifact", type=FOLDER)
@click.argument("texts", nargs=-1)
@click.option("--rows", metavar="FILE", help="A file of texts: one a line, .csv or .jsonl.")
@click.option("--text", metavar="COLUMN", help="The column of --rows.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object a text.")
@click.option("--top", type=int, metavar="K", help="With --json: the best K labels.")
@click.option("--threads", type=int, default=1, show_default=True)
@verbosity
def predict(
    artifact: Path,
    texts: tuple[str, ...],
    rows: str | None,
    text: str | None,
    as_json: bool,
    top: int | None,
    threads: int,
) -> None:
    """Classify TEXTS with an exported ARTIFACT or bundle, by the bundle's own code."""
    from runtimes.predict import Request, answer

    answer(Request(artifact, texts, rows, text, as_json, top or 0, threads))
