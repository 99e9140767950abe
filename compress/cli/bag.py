"""edgepress bag: distill a student without layers, of vectors of pieces and pairs of pieces."""

from __future__ import annotations

from typing import Any

import click

from compress.cli.command import Command
from compress.cli.stages import run_command, stage_options


@click.command(
    cls=Command,
    examples=[
        "edgepress bag teacher --out student --train train.csv",
        "edgepress bag teacher --out student --width 128 --pairs 0 --train train.csv \\\n"
        "    --set learning_rate=2e-3",
    ],
)
@stage_options(
    click.option("--width", default=256, metavar="N", help="Numbers in a piece's vector at most."),
    click.option("--inner", default=512, metavar="N", help="Units of each FFN."),
    click.option(
        "--blocks", default=0, metavar="N", help="Residual FFNs before the one that classifies."
    ),
    click.option(
        "--pairs", default=3_500, metavar="N", help="Pairs of pieces at most; 0 for none."
    ),
    click.option("--epochs", default=12, metavar="N", help="Epochs of training; 0 for none."),
    click.option(
        "--augment", default=4, metavar="N", help="Copies of the rows that the teacher answers."
    ),
)
def bag(
    width: int,
    inner: int,
    blocks: int,
    pairs: int,
    epochs: int,
    augment: int,
    **common: Any,
) -> None:
    """Distill the classifier SOURCE into summed vectors of pieces and pairs, and small FFNs."""
    given = {
        "width": width,
        "inner": inner,
        "blocks": blocks,
        "pairs": pairs,
        "epochs": epochs,
        "augment": augment,
    }
    run_command("bag", given, common)
