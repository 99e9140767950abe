"""edgepress finetune: a pretrained model learns the task."""

from __future__ import annotations

from typing import Any

import click

from compress.cli.stages import run_command, stage_options


@click.command()
@stage_options(needs_rows=True)
@click.option(
    "--method",
    type=click.Choice(["full", "frozen", "probe-then-full"]),
    help="Train everything, the head alone, or the head first.",
)
@click.option("--epochs", type=int, help="At most; the best one is kept.")
@click.option("--learning-rate", type=float, help="By the model's width when absent.")
@click.option("--batch-size", type=int, help="Rows a step.")
def finetune(
    method: str | None,
    epochs: int | None,
    learning_rate: float | None,
    batch_size: int | None,
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
