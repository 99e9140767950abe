"""INT8 weights for LiteRT, with activations quantized at run time, by ai-edge-quantizer."""

from __future__ import annotations

import io
import logging
import warnings
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path
from typing import TYPE_CHECKING

from compress.stage import RunContext
from runtimes.artifact import Artifact

if TYPE_CHECKING:
    from compress.quantize.stage import Quantize


def quantize(source: Artifact, settings: Quantize, context: RunContext, folder: Path) -> None:  # noqa: ARG001 - every scheme has this signature
    """Write symmetric per-channel INT8 weights, embeddings included, in every signature."""
    disabled = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        with (
            warnings.catch_warnings(),
            redirect_stdout(io.StringIO()),  # a table of sizes
            redirect_stderr(io.StringIO()),  # progress bars
        ):
            warnings.simplefilter("ignore")
            from ai_edge_quantizer import quantizer, recipe

            tool = quantizer.Quantizer(str(source.model_file))
            tool.load_quantization_recipe(recipe.dynamic_wi8_afp32())
            tool.quantize().export_model(str(folder / source.model_file.name))
    finally:
        logging.disable(disabled)
