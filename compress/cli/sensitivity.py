"""edgepress sensitivity: which classes, nodes and layers pay."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import click

from compress.cli.border import force_option
from compress.cli.command import Command
from compress.cli.options import output_options, print_json, rows_options, seed_option, terminal
from compress.cli.paths import FOLDER, MODEL, PAGE


@click.command(
    cls=Command,
    examples=[
        "edgepress sensitivity runs/first/bundle --reference teacher --data valid.csv",
        "edgepress sensitivity runs/first/bundle --reference teacher --data valid.csv \\\n"
        "    --html sensitivity.html",
    ],
)
@click.argument("artifact", type=MODEL)
@click.option(
    "--reference", required=True, type=MODEL, help="Compare with the teacher, or its fp32 export."
)
@rows_options
@click.option(
    "--source",
    type=FOLDER,
    show_default="--reference",
    help="The fp32 export that a quantized ARTIFACT was made from.",
)
@click.option(
    "--rows",
    default=500,
    metavar="N",
    type=click.IntRange(1),
    help="Run nodes and layers on N rows; classes use all rows.",
)
@click.option(
    "--top", default=20, metavar="N", type=click.IntRange(1), help="Print N rows of each table."
)
@click.option("--html", type=PAGE, help="Write all tables in full as one HTML file.")
@force_option()
@seed_option
@output_options
def sensitivity(
    artifact: str,
    reference: str,
    data: tuple[str, ...],
    text: str,
    text_pair: str,
    label: str,
    group: str | None,
    source: Path | None,
    rows: int,
    top: int,
    html: Path | None,
    seed: int,
    as_json: bool,
    quiet: bool,
) -> None:
    """Show which classes, quantized nodes and layers of ARTIFACT lose accuracy.

    Classes: how much of the reference's accuracy each keeps, and which class is answered
    instead. Nodes of a quantized ONNX model: each is quantized alone. Layers of a torch model:
    each is left out; its Fisher mass stands beside it. If you choose settings by the answer, give
    validation rows here, so that the test rows stay unseen.
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
            data=DataSettings(
                train=(), test=data, text=text, text_pair=text_pair, label=label, group=group
            ),
            source=str(source) if source else None,
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
