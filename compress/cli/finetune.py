"""edgepress finetune: train a pretrained model on labeled rows."""

from __future__ import annotations

from typing import Any

import click

from compress.cli.command import Command
from compress.cli.stages import run_command, stage_options


@click.command(
    cls=Command,
    examples=[
        "edgepress finetune models/minilm --out teacher --train train.csv",
        "edgepress finetune models/minilm --out teacher --train train.csv \\\n"
        "    --method probe-then-full --epochs 10",
    ],
)
@stage_options(
    click.option(
        "--method",
        type=click.Choice(["full", "frozen", "probe-then-full"]),
        default="full",
        help="Train all weights, the head alone, or first the head and then all.",
    ),
    click.option(
        "--epochs", default=5, metavar="N", help="Passes over the rows at most; keeps the best one."
    ),
    click.option(
        "--learning-rate",
        type=float,
        metavar="NUMBER",
        show_default="by the model's width",
        help="AdamW's, after warm-up.",
    ),
    click.option("--batch-size", default=32, metavar="N", help="Rows per training step."),
)
def finetune(
    method: str,
    epochs: int,
    learning_rate: float | None,
    batch_size: int,
    **common: Any,
) -> None:
    """Fine-tune SOURCE (a folder, a Hub id or python:PACKAGE/FOLDER) on labeled rows."""
    given = {
        "method": method,
        "epochs": epochs,
        "learning_rate": learning_rate,
        "batch_size": batch_size,
    }
    run_command("finetune", given, common)
