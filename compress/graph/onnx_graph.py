"""Make an exported ONNX graph portable, repeatable and safe to quantize."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from runtimes.errors import ArtifactError, first_line
from runtimes.onnx_external import check_external_data

if TYPE_CHECKING:
    from onnx import GraphProto, ModelProto, NodeProto, TensorProto

LOGITS = "logits"
"""The name of an output that nobody names."""

OPSET = 21
"""The first opset with 4-bit tensors and blocked dequantization."""

MASK_FLOOR = -1e4
"""The value added to masked attention scores: so low that softmax rounds them to zero."""

_FLOAT_MIN = -1e30


def load_onnx(path: Path) -> ModelProto:
    """Read an ONNX file; raise ArtifactError when it is damaged, invalid or of another format."""
    import onnx

    model = read_onnx(path)
    try:
        onnx.checker.check_model(str(path), full_check=False)
    except Exception as error:  # the checker raises its own types
        raise _damaged(path, error) from error
    del model.graph.value_info[:]  # another tool's inferred shapes, which quantizers contradict
    return model


def read_onnx(path: Path, *, weights: bool = True) -> ModelProto:
    """Parse an ONNX file without checks; raise ArtifactError when that fails.

    Weights outside its folder are refused before they are read. Without `weights` those beside
    the file are not read.
    """
    import onnx

    check_external_data(path)
    try:
        return onnx.load_model(str(path), load_external_data=weights)
    except Exception as error:  # protobuf raises its own types
        raise _damaged(path, error) from error


def _damaged(path: Path, error: Exception) -> ArtifactError:
    return ArtifactError(
        f"{path}: not an intact ONNX model ({first_line(error)})",
        expected="an ONNX model (a protobuf ModelProto)",
        action="export the model again",
    )


def save_onnx(model: ModelProto, path: Path) -> None:
    """Clean a model up and write it as one file."""
    import onnx

    tidy(model)
    onnx.save_model(model, str(path))


def tidy(model: ModelProto) -> None:
    """Drop texts of this machine and wrong shapes, clamp the mask, share equal weights.

    The exporter's inferred shapes contradict those of the quantizer's own inference, its metadata
    holds stack traces with paths, and its mask constant is the smallest float: a static range that
    includes it maps all real scores to one step. Its constant folding duplicates a shared weight
    (ALBERT's layers) for each use.
    """
    del model.graph.value_info[:]
    for message in _messages(model):
        del message.metadata_props[:]
        message.doc_string = ""
    for tensor in _constants(model.graph):
        _clamp_mask(tensor)
    share_equal_weights(model.graph)
    drop_unused_weights(model.graph)


def weights(graph: GraphProto) -> dict[str, TensorProto]:
    """Return the initializers by name."""
    return {tensor.name: tensor for tensor in graph.initializer}


def uses(graph: GraphProto) -> Counter[str]:
    """Count how often each value is an input of a node, or an output of the graph."""
    counted = Counter(name for node in graph.node for name in node.input)
    counted.update(output.name for output in graph.output)
    return counted


def dense_nodes(graph: GraphProto) -> list[NodeProto]:
    """Return the MatMul and Gemm nodes whose second operand is a two-dimensional weight."""
    matrices = {tensor.name for tensor in graph.initializer if len(tensor.dims) == 2}
    return [
        node
        for node in graph.node
        if node.op_type in ("MatMul", "Gemm") and node.input[1] in matrices
    ]


def drop_unused_weights(graph: GraphProto) -> None:
    """Remove the initializers that no node reads, such as the sources of quantized weights."""
    used = uses(graph)
    kept = [tensor for tensor in graph.initializer if used[tensor.name]]
    if len(kept) < len(graph.initializer):
        del graph.initializer[:]
        graph.initializer.extend(kept)


def share_equal_weights(graph: GraphProto) -> None:
    """Merge equal initializers into one; the others lose their readers."""
    first: dict[tuple[Any, ...], str] = {}
    same: dict[str, str] = {}
    for tensor in graph.initializer:
        key = (tensor.data_type, tuple(tensor.dims), tensor.raw_data)
        if tensor.raw_data:
            same[tensor.name] = first.setdefault(key, tensor.name)
    for node in graph.node:
        for place, name in enumerate(node.input):
            node.input[place] = same.get(name, name)


def _constants(graph: GraphProto) -> Iterator[TensorProto]:
    yield from graph.initializer
    for node in graph.node:
        if node.op_type == "Constant":
            yield from (attribute.t for attribute in node.attribute if attribute.name == "value")


def _clamp_mask(tensor: TensorProto) -> None:
    from onnx import TensorProto, numpy_helper

    if tensor.data_type != TensorProto.FLOAT:
        return
    values = numpy_helper.to_array(tensor)
    if values.size and float(values.min()) <= _FLOAT_MIN:
        clamped = np.maximum(values, np.float32(MASK_FLOOR))
        tensor.CopyFrom(numpy_helper.from_array(clamped, tensor.name))


def _messages(model: ModelProto) -> Iterator[Any]:
    graph = model.graph
    yield model
    yield graph
    for part in (graph.node, graph.initializer, graph.input, graph.output):
        yield from part
