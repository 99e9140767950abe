"""INT8 weights, activations quantized at run time: ONNX Runtime's fastest for encoders."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from compress.export.onnx_graph import load_onnx, save_onnx
from compress.quantize.embeddings import quantize_embeddings
from compress.stage import RunContext
from runtimes.artifact import Artifact

if TYPE_CHECKING:
    from compress.quantize.stage import Quantize


def quantize(source: Artifact, settings: Quantize, context: RunContext, folder: Path) -> None:
    """Write S8 per-channel weights with U8 run-time activations.

    Without an 8-bit dot product weights keep 7 bits, because x86's `vpmaddubsw` saturates
    (onnxruntime#6004).
    """
    from onnxruntime.quantization import QuantType, quantize_dynamic
    from onnxruntime.quantization.quant_utils import add_pre_process_metadata

    model = load_onnx(source.model_file)
    add_pre_process_metadata(model)  # or the quantizer advises to run what would undo the export
    path = folder / source.model_file.name
    quantize_dynamic(
        model,
        str(path),
        op_types_to_quantize=["MatMul", "Gemm"],
        per_channel=True,
        reduce_range=not context.target.int8_dot,
        weight_type=QuantType.QInt8,
    )
    result = load_onnx(path)
    if settings.embeddings != "fp32":
        quantize_embeddings(result, 4 if settings.embeddings == "int4" else 8)
    save_onnx(result, path)
