"""INT8 weights and activations as Q/DQ pairs, with fixed ranges from real rows."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from compress.graph.onnx_graph import save_onnx
from compress.quantize.calibration import calibration_feeds
from compress.quantize.qdq import quantize_qdq
from compress.quantize.summed_rows import quantize_lookups
from compress.stage import RunContext
from runtimes.artifact import Artifact

if TYPE_CHECKING:
    from compress.quantize.stage import Quantize


def quantize(source: Artifact, settings: Quantize, context: RunContext, folder: Path) -> None:
    """Write U8 activations and S8 per-channel weights with constant scales."""
    feeds = calibration_feeds(source, context.data, settings.calibration_rows)
    path = folder / source.model_file.name
    reduce_range = not context.target.int8_dot
    result = quantize_qdq(
        source.model_file,
        feeds,
        path,
        symmetric=False,
        reduce_range=reduce_range,
        exclude=settings.exclude,
    )
    if settings.embeddings != "fp32":
        quantize_lookups(result, 4 if settings.embeddings == "int4" else 8)
        save_onnx(result, path)
