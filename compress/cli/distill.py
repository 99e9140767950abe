"""edgepress distill: train a smaller student that answers as the teacher does."""

from __future__ import annotations

from typing import Any

import click

from compress.cli.command import Command
from compress.cli.paths import MODEL
from compress.cli.stages import run_command, stage_options


@click.command(
    cls=Command,
    examples=[
        "edgepress distill teacher --out student --layers 2 --train train.csv",
        "edgepress distill teacher --out student --layers 1 --train train.csv \\\n"
        "    --set augment=4",
    ],
)
@stage_options(
    click.option("--layers", type=int, metavar="N", help="Keep N of the teacher's layers."),
    click.option("--student", type=MODEL, help="Train this model instead."),
    click.option(
        "--temperature", default=4.0, metavar="NUMBER", help="Soften both models' answers."
    ),
    click.option("--alpha", default=0.9, metavar="SHARE", help="Weight of the teacher's answers."),
    click.option(
        "--epochs", default=8, metavar="N", help="Passes over the rows; keeps the best one."
    ),
    click.option("--learning-rate", default=4e-4, metavar="NUMBER", help="AdamW's, after warm-up."),
)
def distill(
    layers: int | None,
    student: str | None,
    temperature: float,
    alpha: float,
    epochs: int,
    learning_rate: float,
    **common: Any,
) -> None:
    """Distill the fine-tuned classifier SOURCE into a smaller student."""
    given = {
        "layers": layers,
        "student": student,
        "temperature": temperature,
        "alpha": alpha,
        "epochs": epochs,
        "learning_rate": learning_rate,
    }
    run_command("distill", given, common)
