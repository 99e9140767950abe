"""edgepress distill: a smaller student that answers as the teacher does."""

from __future__ import annotations

from typing import Any

import click

from compress.cli.stages import run_command, stage_options


@click.command()
@stage_options(needs_rows=True)
@click.option("--layers", type=int, help="Keep so many of the teacher's layers.")
@click.option("--student", metavar="FOLDER", help="Train this model instead.")
@click.option("--temperature", type=float, help="Softens both models' answers.")
@click.option("--alpha", type=float, help="Weight of the teacher's answers, 0 to 1.")
@click.option("--epochs", type=int, help="Passes over the rows; the best one is kept.")
@click.option("--learning-rate", type=float, help="AdamW's, after warm-up.")
def distill(
    layers: int | None,
    student: str | None,
    temperature: float | None,
    alpha: float | None,
    epochs: int | None,
    learning_rate: float | None,
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
