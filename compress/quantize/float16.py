"""Half-precision weights and arithmetic, with fp32 logits."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from compress.graph.onnx_graph import load_onnx, save_onnx
from compress.stage import RunContext
from runtimes.artifact import Artifact

if TYPE_CHECKING:
    from compress.quantize.stage import Quantize


def quantize(source: Artifact, settings: Quantize, context: RunContext, folder: Path) -> None:  # noqa: ARG001 - every scheme has this signature
    """Convert weights and operators to fp16; inputs and logits keep their types."""
    from onnxruntime.transformers.float16 import convert_float_to_float16

    model = load_onnx(source.model_file)
    result = convert_float_to_float16(model, keep_io_types=True, disable_shape_infer=True)
    save_onnx(result, folder / source.model_file.name)
