"""edgepress sensitivity: which classes, nodes and layers pay."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import click

from compress.cli.options import (
    FILE,
    json_output,
    print_json,
    quietness,
    rows_options,
    terminal,
    verbosity,
)


@click.command()
@click.argument("artifact")
@click.option("--reference", required=True, metavar="FOLDER", help="The teacher, or its fp32.")
@rows_options
@click.option(
    "--source",
    metavar="FOLDER",
    help="The fp32 export that a quantized ARTIFACT was made from; the reference without it.",
)
@click.option(
    "--rows",
    default=500,
    show_default=True,
    type=click.IntRange(1),
    help="Rows that nodes and layers are run on; classes take all.",
)
@click.option("--seed", default=7, show_default=True, type=click.IntRange(0))
@click.option(
    "--top", default=20, show_default=True, type=click.IntRange(1), help="Rows of a printed table."
)
@click.option("--html", type=FILE, help="Write every table, whole, as one HTML file.")
@json_output
@quietness
@verbosity
def sensitivity(
    artifact: str,
    reference: str,
    data: tuple[str, ...],
    text: str,
    label: str,
    source: str | None,
    rows: int,
    seed: int,
    top: int,
    html: Path | None,
    as_json: bool,
    quiet: bool,
) -> None:
    """Say which classes, quantized nodes and layers of ARTIFACT pay for its size.

    Classes: what each keeps of the reference's accuracy, and what it is now taken for. Nodes of a
    quantized ONNX model: each quantized alone. Layers of a torch model: each left out, and its
    Fisher mass. Choose nothing by test rows: give validation rows
    where the answer steers what is made next.
    """
    from compress.data.dataset import DataSettings
    from compress.sensitivity.html import render
    from compress.sensitivity.sensitivity import SensitivityRequest
    from compress.sensitivity.sensitivity import sensitivity as measure
    from runtimes.files import write_text

    result = measure(
        SensitivityRequest(
            model=artifact,
            reference=reference,
            data=DataSettings(train=(), test=data, text=text, label=label),
            source=source,
            rows=rows,
            seed=seed,
            progress=terminal(quiet),
        )
    )
    if html:
        write_text(html, render(result, Path(artifact).name))
    if as_json:
        print_json(result.to_json("sensitivity"))
        return
    tables = [dataclasses.replace(table, rows=table.rows[:top]) for table in result.tables]
    click.echo(dataclasses.replace(result, tables=tuple(tables)).text("sensitivity"))
