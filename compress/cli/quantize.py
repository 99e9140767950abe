"""edgepress quantize: store and compute an exported model with fewer bits."""

from __future__ import annotations

from typing import Any

import click

from compress.cli.stages import run_command, stage_options
from compress.quantize.schemes import NAMES


@click.command()
@stage_options(needs_rows=True)
@click.option("--scheme", type=click.Choice(NAMES), default="int8-dynamic", show_default=True)
def quantize(scheme: str, **common: Any) -> None:
    """Quantize SOURCE (an exported ONNX or OpenVINO artifact) and check it on real rows."""
    run_command("quantize", {"scheme": scheme}, common)
