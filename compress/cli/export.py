"""edgepress export: turn a torch model into what a runtime loads."""

from __future__ import annotations

from typing import Any

import click

from compress.cli.command import Command
from compress.cli.stages import run_command, stage_options
from compress.export.formats import FORMATS


@click.command(
    cls=Command,
    examples=[
        "edgepress export teacher --out teacher-onnx",
        "edgepress export teacher --out teacher-openvino --format openvino",
    ],
)
@stage_options(
    click.option(
        "--format", "form", type=click.Choice(FORMATS), default="onnx", help="Write this format."
    ),
    needs_rows=False,
)
def export(form: str, **common: Any) -> None:
    """Export the classifier SOURCE and check it against torch at several shapes.

    The TensorRT-ready model is calibrated: it needs --train.
    """
    run_command("export", {"format": form}, common)
