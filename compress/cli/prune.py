"""edgepress prune: remove heads, FFN units, layers or vocabulary."""

from __future__ import annotations

from typing import Any

import click

from compress.cli.stages import run_command, stage_options


@click.command()
@stage_options(needs_rows=True, teacher=True)
@click.option("--ffn", type=float, help="Share of the FFN units to remove.")
@click.option("--heads", type=float, help="Share of the attention heads to remove.")
@click.option("--hidden", type=int, help="Width of the hidden states to keep.")
@click.option("--layers", type=int, help="Layers to keep.")
@click.option("--vocabulary", is_flag=True, default=None, help="Keep the pieces the rows use.")
def prune(
    ffn: float | None,
    heads: float | None,
    hidden: int | None,
    layers: int | None,
    vocabulary: bool | None,
    **common: Any,
) -> None:
    """Remove parts of the classifier SOURCE, and recover by distilling from the teacher."""
    given = {"ffn": ffn, "heads": heads, "hidden": hidden, "layers": layers}
    run_command("prune", given | {"vocabulary": vocabulary}, common)
