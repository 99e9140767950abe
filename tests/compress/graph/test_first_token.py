"""The last layer runs on the token that the head reads; earlier layers run on all tokens."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from numpy.typing import NDArray

from compress.graph.first_token import read_first_token
from compress.models.feeds import ExampleFeeds
from tests.compress.exported import exported
from tests.compress.tiny_models import MODEL_TYPES
from tests.runtimes.tiny import onnx_graph

TOKENS = 7


def _inside(path: Path, op: str, feeds: dict[str, Any]) -> list[tuple[int, ...]]:
    """Return the shapes that an operator's nodes compute, in the order of the graph."""
    import onnxruntime

    model = onnx.load(str(path))
    names = [node.output[0] for node in model.graph.node if node.op_type == op]
    del model.graph.output[:]
    model.graph.output.extend(onnx.ValueInfoProto(name=name) for name in names)
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    session = onnxruntime.InferenceSession(model.SerializeToString(), options)
    outputs: list[NDArray[np.float32]] = session.run(names, feeds)
    return [value.shape for value in outputs]


def test_the_last_layers_products_are_of_one_token() -> None:
    artifact = exported("onnx")
    feeds = ExampleFeeds.of(artifact).draw(2, TOKENS)
    activations = _inside(artifact.model_file, "Gelu", feeds)
    assert [shape[1] for shape in activations] == [TOKENS, 1]
    attention = _inside(artifact.model_file, "Softmax", feeds)
    assert [shape[2:] for shape in attention] == [(TOKENS, TOKENS), (TOKENS,)]


def test_the_mask_is_made_from_the_padding_alone() -> None:
    graph = onnx.load(str(exported("onnx").model_file)).graph
    assert not {node.op_type for node in graph.node} & {"GatherND", "Range", "Where", "Expand"}


@pytest.mark.slow
@pytest.mark.parametrize("model_type", sorted({*MODEL_TYPES} - {"deberta-v2", "modernbert"}))
def test_every_head_that_reads_a_token_is_found(model_type: str) -> None:
    """Those left out reach their attention through operators that no rule goes through."""
    artifact = exported("onnx", model_type)
    feeds = ExampleFeeds.of(artifact).draw(2, TOKENS)
    shape = _inside(artifact.model_file, "Softmax", feeds)[-1]
    assert len(shape) == 3 or shape[2] == 1  # no axis of queries, or one query


def test_a_head_that_reads_every_token_is_left_alone() -> None:
    model = onnx_graph()
    before = model.SerializeToString()
    assert not read_first_token(model)
    assert model.SerializeToString() == before


def _graph(nodes: list[onnx.NodeProto], outputs: dict[str, list[int | str]]) -> Any:
    """Make a graph from x, shape (batch, tokens, 4), with the shapes of what is inside."""
    from onnx import TensorProto, helper, numpy_helper, shape_inference

    zero = numpy_helper.from_array(np.array(0, dtype=np.int64), "zero")
    weight = numpy_helper.from_array(np.eye(4, dtype=np.float32) * 2, "weight")
    bias = numpy_helper.from_array(np.ones(4, dtype=np.float32), "bias")
    x = helper.make_tensor_value_info("x", TensorProto.FLOAT, ["batch", "tokens", 4])
    results = [
        helper.make_tensor_value_info(name, TensorProto.FLOAT, shape)
        for name, shape in outputs.items()
    ]
    graph = helper.make_graph(nodes, "g", [x], results, [zero, weight, bias])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    return shape_inference.infer_shapes(model)


def _run(model: Any, x: NDArray[np.float32]) -> list[NDArray[np.float32]]:
    import onnxruntime

    session = onnxruntime.InferenceSession(model.SerializeToString())
    outputs: list[NDArray[np.float32]] = session.run(None, {"x": x})
    return outputs


def _dense(source: str, name: str) -> list[onnx.NodeProto]:
    from onnx import helper

    return [
        helper.make_node("MatMul", [source, "weight"], [f"{name}_product"]),
        helper.make_node("Add", [f"{name}_product", "bias"], [name]),
    ]


def test_the_result_is_the_same() -> None:
    from onnx import helper

    pick = helper.make_node("Gather", ["b", "zero"], ["y"], axis=1)
    nodes = [*_dense("x", "a"), *_dense("a", "b"), pick]
    model = _graph(nodes, {"y": ["batch", 4]})
    x = np.random.default_rng(0).normal(size=(2, 5, 4)).astype(np.float32)
    before = _run(model, x)
    assert read_first_token(model)
    assert model.graph.node[0].op_type == "Slice"
    np.testing.assert_array_equal(before[0], _run(model, x)[0])


def test_what_others_read_whole_is_computed_whole() -> None:
    from onnx import helper

    pick = helper.make_node("Gather", ["b", "zero"], ["y"], axis=1)
    nodes = [*_dense("x", "a"), *_dense("a", "b"), pick]
    model = _graph(nodes, {"y": ["batch", 4], "a": ["batch", "tokens", 4]})
    x = np.random.default_rng(0).normal(size=(2, 5, 4)).astype(np.float32)
    before = _run(model, x)
    assert read_first_token(model)
    assert [node.op_type for node in model.graph.node] == [
        *("MatMul", "Add", "Slice", "MatMul", "Add", "Gather")
    ]
    for was, now in zip(before, _run(model, x), strict=True):
        np.testing.assert_array_equal(was, now)
