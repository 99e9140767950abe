"""The kinds of operators, by the names of ONNX Runtime and OpenVINO."""

from __future__ import annotations

PRODUCT = "matrix product"
OUTSIDE = "outside operators"

_KINDS = {
    PRODUCT: (
        *("MatMul", "Gemm", "FusedMatMul", "FusedGemm", "TransposeMatMul", "GemmFloat8"),
        *("MatMulInteger", "MatMulIntegerToFloat", "DynamicQuantizeMatMul", "QGemm"),
        *("QLinearMatMul", "MatMulNBits", "MatMulBnb4", "MatMulFpQ4"),
        *("Conv", "FusedConv", "ConvInteger", "QLinearConv", "Convolution"),
        *("Attention", "QAttention", "MultiHeadAttention", "GroupQueryAttention"),
        *("FullyConnected", "FullyConnectedCompressed", "FullyConnectedQuantized"),
        *("FullyConnectedQuantizedLegacy", "GatherMatmul", "QKVProjection", "LLMMLP"),
        *("ScaledDotProductAttention", "ScaledDotProductAttentionWithKVCache"),
    ),
    "embedding": (
        *("Gather", "GatherBlockQuantized", "EmbedLayerNormalization", "GatherCompressed"),
    ),
    "normalization": (
        *("LayerNormalization", "SkipLayerNormalization", "SimplifiedLayerNormalization"),
        *("SkipSimplifiedLayerNormalization", "RMSNormalization", "MVN", "RMS", "RMSNorm"),
    ),
    "activation": (
        *("Gelu", "FastGelu", "BiasGelu", "QuickGelu", "Erf", "Tanh", "Relu", "Sigmoid"),
        *("Softmax", "BiasSoftmax", "LogSoftmax", "Elu", "Swish", "Clamp"),
    ),
    "quantization": (
        *("DynamicQuantizeLinear", "QuantizeLinear", "DequantizeLinear", "FakeQuantize"),
    ),
    "layout": (
        *("Transpose", "Reshape", "Concat", "Unsqueeze", "Squeeze", "Shape", "Slice", "Expand"),
        *("Split", "Flatten", "Cast", "Convert", "Reorder", "Broadcast", "ShapeOf", "Identity"),
        *("StridedSlice", "Range", "Tile", "Pad", "GatherND", "GatherElements"),
    ),
}
_KIND_OF = {op: kind for kind, ops in _KINDS.items() for op in ops}

_INTEGER = (
    *("MatMulInteger", "MatMulIntegerToFloat", "DynamicQuantizeMatMul", "QGemm"),
    *("QLinearMatMul", "ConvInteger", "QLinearConv", "QAttention"),
)
_FLOATS = {"float": "fp32", "float16": "fp16", "bfloat16": "bf16", "double": "fp64"}
_SUFFIXES = {"f32": "fp32", "f16": "fp16", "bf16": "bf16", "i8": "int8", "u8": "int8"}


def kind_of(op: str) -> str:
    """Return an operator's kind; an operator in no list is elementwise arithmetic."""
    return _KIND_OF.get(op, "element-wise")


def onnx_compute(op: str, first_input: str, accuracy_level: int) -> str:
    """Return the type in which ONNX Runtime's matrix product multiplies, "" for other operators.

    `first_input` is the activation's type. MatMulNBits multiplies in int8 at accuracy level 4 and
    in the activation's type below it (ONNX Runtime, ContribOperators.md).
    """
    if kind_of(op) != PRODUCT:
        return ""
    if op in _INTEGER or (op == "MatMulNBits" and accuracy_level == 4):
        return "int8"
    return _FLOATS.get(first_input, "int8" if "int8" in first_input else first_input)


def openvino_compute(op: str, exec_type: str) -> str:
    """Return the type in which OpenVINO's matrix product multiplies: the end of its `exec_type`.

    It names the kernel and its precision, as in `brgemm_avx2_i8`. A fused Subgraph may hold the
    attention's products; OpenVINO does not report them.
    """
    if kind_of(op) != PRODUCT:
        return ""
    precision = exec_type.rpartition("_")[2].lower()
    return _SUFFIXES.get(precision, precision)
