"""INT8 weights, with activations quantized at run time: ONNX Runtime's fastest for encoders."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from compress.graph.onnx_graph import load_onnx, save_onnx
from compress.models.feeds import ExampleFeeds
from compress.quantize.fused_attention import fuse_attention
from compress.quantize.int4_weight_only import quantize_products
from compress.quantize.one_token import OneToken, one_token_products
from compress.quantize.summed_rows import quantize_lookups
from compress.stage import RunContext
from runtimes.artifact import Artifact

if TYPE_CHECKING:
    from compress.quantize.stage import Quantize


ONE_TOKEN_BLOCK = 128
"""The weights that share a 4-bit scale in a one-token product: wider blocks are faster."""
_TOKENS = 8
"""The length of a text that shows which products run on one token."""


def quantize(source: Artifact, settings: Quantize, context: RunContext, folder: Path) -> None:
    """Write S8 per-channel weights with U8 run-time activations.

    With `weights` int4, the weights of one-token products are written in 4 bits instead, and a
    classifier's own in 8 bits of the same kind: as the one MatMulInteger left, it took a tenth of
    a one-layer model's run (Xeon with AMX, ONNX Runtime 1.31). Without an 8-bit dot product,
    weights keep 7 bits, because x86's `vpmaddubsw` saturates (onnxruntime#6004).
    """
    from onnxruntime.quantization import QuantType, quantize_dynamic
    from onnxruntime.quantization.quant_utils import add_pre_process_metadata

    model = load_onnx(source.model_file)
    products = OneToken([], [])
    if settings.weights == "int4":
        products = one_token_products(model, ExampleFeeds.of(source).draw(1, _TOKENS))
    narrow, last = ([name for name in row if name not in settings.exclude] for row in products)
    add_pre_process_metadata(model)  # or the quantizer advises a step that would undo the export
    path = folder / source.model_file.name
    quantize_dynamic(
        model,
        str(path),
        op_types_to_quantize=["MatMul", "Gemm"],
        nodes_to_exclude=[*narrow, *last, *settings.exclude],
        per_channel=True,
        reduce_range=not context.target.int8_dot,
        weight_type=QuantType.QInt8,
    )
    block = settings.block_size or ONE_TOKEN_BLOCK
    result = quantize_products(load_onnx(path), block, narrow)
    result = quantize_products(result, block, last, bits=8)
    if settings.embeddings != "fp32":
        quantize_lookups(result, 4 if settings.embeddings == "int4" else 8)
    fuse_attention(result)
    save_onnx(result, path)
