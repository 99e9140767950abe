"""edgepress quantize: store and compute an exported model with fewer bits."""

from __future__ import annotations

from typing import Any

import click

from compress.cli.command import Command
from compress.cli.stages import run_command, stage_options
from compress.quantize.schemes import NAMES


@click.command(
    cls=Command,
    examples=[
        "edgepress quantize teacher-onnx --out teacher-int8 --train train.csv",
        "edgepress quantize teacher-onnx --out teacher-int8 --train train.csv \\\n"
        "    --scheme int8-static --profile rpi5",
    ],
)
@stage_options(
    click.option(
        "--scheme", type=click.Choice(NAMES), default="int8-dynamic", help="Quantize in this way."
    ),
)
def quantize(scheme: str, **common: Any) -> None:
    """Quantize SOURCE (an exported ONNX or OpenVINO artifact) and check it on real rows."""
    run_command("quantize", {"scheme": scheme}, common)
