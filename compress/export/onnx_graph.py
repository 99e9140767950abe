"""Make an exported ONNX graph portable, repeatable and safe to quantize."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from onnx import ModelProto, TensorProto

MASK_FLOOR = -1e4
"""What masked attention scores are lowered by: far enough that softmax rounds them to zero."""

_FLOAT_MIN = -1e30


def tidy(model: ModelProto) -> None:
    """Drop what names this machine or misleads quantizers, and clamp the attention mask.

    The exporter's inferred shapes contradict those of the quantizer's own inference, its
    metadata holds stack traces with paths, and its mask constant is the smallest float: a
    static range that includes it leaves one step for every real score.
    """
    del model.graph.value_info[:]
    for message in _messages(model):
        del message.metadata_props[:]
        message.doc_string = ""
    for tensor in constants(model):
        clamp_mask(tensor)


def constants(model: ModelProto) -> Iterator[TensorProto]:
    """Yield every constant tensor: initializers and the values of Constant nodes."""
    yield from model.graph.initializer
    for node in model.graph.node:
        if node.op_type == "Constant":
            yield from (attribute.t for attribute in node.attribute if attribute.name == "value")


def clamp_mask(tensor: TensorProto) -> None:
    """Raise a float constant's lowest values to MASK_FLOOR, in place."""
    from onnx import TensorProto, numpy_helper

    if tensor.data_type != TensorProto.FLOAT:
        return
    values = numpy_helper.to_array(tensor)
    if values.size and float(values.min()) <= _FLOAT_MIN:
        clamped = np.where(values <= _FLOAT_MIN, np.float32(MASK_FLOOR), values)
        tensor.CopyFrom(numpy_helper.from_array(clamped.astype(np.float32), tensor.name))


def parameters(model: ModelProto) -> int:
    """Count the values in all initializers."""
    return sum(int(np.prod(tensor.dims, dtype=np.int64)) for tensor in model.graph.initializer)


def _messages(model: ModelProto) -> Iterator[Any]:
    graph = model.graph
    yield model
    yield graph
    for part in (graph.node, graph.initializer, graph.input, graph.output):
        yield from part
