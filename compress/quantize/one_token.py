"""Find the weights that each text multiplies once: memory bandwidth limits these products."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from compress.graph.onnx_graph import dense_nodes, drop_unused_weights, weights
from runtimes.onnx_runtime import import_onnxruntime

if TYPE_CHECKING:
    from onnx import GraphProto, ModelProto, NodeProto

    from compress.models.feeds import Feeds


class OneToken(NamedTuple):
    """Name the MatMul nodes whose weights are multiplied with one row for each text.

    `inner` are the last layer's products on the first token, and the pooler; `last` is a
    classifier's product, whose result is the answer.
    """

    inner: list[str]
    last: list[str]


def one_token_products(model: ModelProto, feeds: Feeds) -> OneToken:
    """Find the products with one row for each text.

    On one row, 4 bits are also faster than 8, because half as many bytes are read; on more rows
    they are slower. `feeds` are one text of several tokens. Gemm nodes among the products are split
    in place.
    """
    ends = {output.name for output in model.graph.output}
    answers = {node.name for node in model.graph.node if ends.intersection(node.output)}
    products = _one_row_products(model, feeds)
    _split_gemms(model.graph, products)
    return OneToken(
        [name for name in products if name not in answers],
        [name for name in products if name in answers],
    )


def _one_row_products(model: ModelProto, feeds: Feeds) -> list[str]:
    """Run the model and return the names of the dense nodes whose result has one row."""
    import onnx

    nodes = [node for node in dense_nodes(model.graph) if node.name]  # quantizers choose by name
    shown = onnx.ModelProto()
    shown.CopyFrom(model)
    names = [node.output[0] for node in nodes]
    ends = {output.name for output in model.graph.output}
    shown.graph.output.extend(onnx.ValueInfoProto(name=name) for name in names if name not in ends)
    session = import_onnxruntime().InferenceSession(
        shown.SerializeToString(), providers=["CPUExecutionProvider"]
    )
    results = session.run(names, feeds) if names else []
    return [
        node.name
        for node, result in zip(nodes, results, strict=True)
        if result.size == result.shape[-1]
    ]


def _split_gemms(graph: GraphProto, names: list[str]) -> None:
    """Write the named Gemm nodes as MatMul and Add, since MatMulNBits replaces MatMul."""
    for node in [node for node in graph.node if node.op_type == "Gemm" and node.name in names]:
        _split(graph, node)
    drop_unused_weights(graph)


def _split(graph: GraphProto, node: NodeProto) -> None:
    from onnx import helper, numpy_helper

    settings = {one.name: helper.get_attribute_value(one) for one in node.attribute}
    values = numpy_helper.to_array(weights(graph)[node.input[1]])
    values = values.T if settings.get("transB", 0) else values
    matrix, product = f"{node.input[1]}_columns", f"{node.output[0]}_product"
    bias = list(node.input[2:])
    graph.initializer.append(
        numpy_helper.from_array((settings.get("alpha", 1.0) * values).astype("float32"), matrix)
    )
    if bias:
        place = list(graph.node).index(node)
        addition = helper.make_node("Add", [product, *bias], list(node.output))
        graph.node.insert(place + 1, addition)
    made = [product] if bias else list(node.output)
    node.CopyFrom(helper.make_node("MatMul", [node.input[0], matrix], made, name=node.name))
