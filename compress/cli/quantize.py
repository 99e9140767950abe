"""edgepress quantize: store and compute an exported model with fewer bits."""

from __future__ import annotations

from typing import Any

import click

from compress.cli.stages import run_command, stage_options

SCHEMES = ["int8-dynamic", "int8-static", "int4-weight-only", "fp16"]


@click.command()
@stage_options(needs_rows=True)
@click.option("--scheme", type=click.Choice(SCHEMES), default="int8-dynamic", show_default=True)
def quantize(scheme: str, **common: Any) -> None:
    """Quantize SOURCE (an exported ONNX or OpenVINO artifact) and check it on real rows."""
    run_command("quantize", {"scheme": scheme}, common)
