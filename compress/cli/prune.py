"""edgepress prune: remove heads, FFN units, layers or vocabulary."""

from __future__ import annotations

from typing import Any

import click

from compress.cli.command import Command
from compress.cli.stages import run_command, stage_options, teacher_option


@click.command(
    cls=Command,
    examples=[
        "edgepress prune student --out pruned --ffn 0.5 --vocabulary --train train.csv",
        "edgepress prune student --out pruned --heads 0.25 --train train.csv \\\n"
        "    --teacher teacher",
    ],
)
@stage_options(
    click.option("--ffn", default=0.0, metavar="SHARE", help="Remove this share of the FFN units."),
    click.option(
        "--heads", default=0.0, metavar="SHARE", help="Remove this share of the attention heads."
    ),
    click.option("--hidden", type=int, metavar="N", help="Keep N units of the hidden states."),
    click.option("--layers", type=int, metavar="N", help="Keep N layers."),
    click.option("--vocabulary", is_flag=True, help="Keep the pieces that the rows use."),
    teacher_option,
)
def prune(
    ffn: float,
    heads: float,
    hidden: int | None,
    layers: int | None,
    vocabulary: bool,
    **common: Any,
) -> None:
    """Remove parts of the classifier SOURCE, and recover by distilling from the teacher."""
    given = {"ffn": ffn, "heads": heads, "hidden": hidden, "layers": layers}
    run_command("prune", given | {"vocabulary": vocabulary}, common)
