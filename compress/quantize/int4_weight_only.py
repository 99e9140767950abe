"""INT4 weights, expanded in the product: smaller, but an encoder is not faster."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from compress.graph.onnx_graph import load_onnx, save_onnx
from compress.quantize.qdq import quiet_quantizer
from compress.quantize.summed_rows import quantize_lookups
from compress.stage import RunContext
from runtimes.artifact import Artifact

if TYPE_CHECKING:
    from onnx import ModelProto

    from compress.quantize.stage import Quantize

_BLOCK = 32
_INT8_PRODUCTS = 4
"""accuracy_level 4: activations are multiplied in 8 bits."""


def quantize(source: Artifact, settings: Quantize, context: RunContext, folder: Path) -> None:  # noqa: ARG001 - every scheme has this signature
    """Write MatMulNBits, symmetric, and 4- or 8-bit embeddings.

    Pooler and classifier are Gemm nodes and stay fp32. Only symmetric, because AVX2's asymmetric
    kernel is wrong for one row (onnxruntime#29853).
    """
    result = quantize_products(load_onnx(source.model_file), settings.block_size or _BLOCK)
    if settings.embeddings != "fp32":
        quantize_lookups(result, 8 if settings.embeddings == "int8" else 4)
    save_onnx(result, folder / source.model_file.name)


def quantize_products(
    model: ModelProto, block_size: int, names: list[str] | None = None, bits: int = 4
) -> ModelProto:
    """Return the model with MatMulNBits for the named MatMul nodes, or for all."""
    if names is not None and not names:
        return model
    from onnxruntime.quantization.matmul_nbits_quantizer import MatMulNBitsQuantizer

    # `nodes_to_include` adds to the types that are quantized: the others have to be excluded
    products = [node.name for node in model.graph.node if node.op_type == "MatMul"]
    others = [] if names is None else [name for name in products if name not in names]
    with quiet_quantizer():
        quantizer = MatMulNBitsQuantizer(
            model,
            bits=bits,
            block_size=block_size,
            is_symmetric=True,
            accuracy_level=_INT8_PRODUCTS,
            op_types_to_quantize=("MatMul",),
            nodes_to_exclude=others,
        )
        quantizer.process()
    result: ModelProto = quantizer.model.model
    return result
