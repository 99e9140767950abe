"""Compute only what the first token's result needs in the last layer.

A classifier's head reads one token, yet the exported graph computes the last layer for all of them.
The selection of that token is moved up through every operator that computes each token
independently, to the keys and values of the last attention, which need the whole sequence. The
result is the same but for rounding. The products of the queries, of the attention's output and of
the feed-forward block run on one token instead of all.
"""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING

import numpy as np

from compress.graph.graph_index import Shape, attribute, shapes

if TYPE_CHECKING:
    from onnx import GraphProto, ModelProto, NodeProto

Input = tuple[int, int]
"""A node's index in the graph, and the index of one of its inputs."""

_TOKENWISE = frozenset(
    (
        *("Add", "Sub", "Mul", "Div", "Pow", "Max", "Min", "Where", "Cast", "Erf", "Gelu"),
        *("Identity", "Neg", "Reciprocal", "Relu", "Sigmoid", "Sqrt", "Tanh"),
    )
)
_ALONG_FEATURES = frozenset(("LayerNormalization", "Softmax"))


def read_first_token(model: ModelProto) -> bool:
    """Rewrite a graph whose head takes token 0 of a sequence; tell whether the graph has one.

    The graph must hold the shapes of its values, as the exporter writes them; the shapes of
    rewritten values are wrong afterwards.
    """
    cone = _Cone(model.graph)
    for index in reversed(range(len(model.graph.node))):
        cone.visit(index)
    return cone.rewrite()


class _Cone:
    """Collect, from the output backwards, the nodes that need only token 0.

    An axis is counted from the end, so that it has the same meaning in operands of fewer
    dimensions.
    """

    def __init__(self, graph: GraphProto) -> None:
        self._graph = graph
        self._nodes = list(graph.node)
        self._shapes = shapes(graph)
        self._zeros = _zeros(graph)
        self._outputs = {output.name for output in graph.output}
        self._readers: dict[str, list[Input]] = defaultdict(list)
        for index, node in enumerate(self._nodes):
            for place, name in enumerate(node.input):
                self._readers[name].append((index, place))
        self._demands: dict[str, dict[Input, int]] = defaultdict(dict)
        self._reshapes: list[tuple[NodeProto, int]] = []

    def visit(self, index: int) -> None:
        """Mark those inputs of a node that it needs at token 0 only."""
        node = self._nodes[index]
        axes = {0: -2} if self._takes_first(node) else self._of_inputs(node)
        if not axes:
            return
        for place, axis in axes.items():
            self._demands[node.input[place]][index, place] = axis
        if not self._takes_first(node):
            self._demands.pop(node.output[0])  # the node is in the cone: no cut behind it

    def rewrite(self) -> bool:
        """Cut each value at the end of the cone, and give reshapes their new lengths."""
        for node, position in self._reshapes:
            self._shorten(node, position)
        cuts = [self._cut(name, wanted) for name, wanted in self._demands.items()]
        # From the back, so that the indices of earlier nodes stay valid.
        for index, node in sorted(cuts, key=lambda cut: cut[0], reverse=True):
            self._graph.node.insert(index, node)
        return bool(cuts)

    def _takes_first(self, node: NodeProto) -> bool:
        """Tell whether a node picks token 0 of (batch, tokens, features)."""
        return (
            node.op_type == "Gather"
            and node.input[1] in self._zeros
            and attribute(node, "axis", 0) in (1, -2)
            and len(self._shapes.get(node.input[0], ())) == 3
        )

    def _of_inputs(self, node: NodeProto) -> dict[int, int]:
        """Return, by index, the axes of a cone node's inputs that are needed in part."""
        axis = self._wanted(node)
        if axis is None:
            return {}
        if node.op_type in _TOKENWISE:
            return {place: axis for place, name in enumerate(node.input) if self._has(name, axis)}
        if node.op_type in _ALONG_FEATURES and axis != -1 and self._along_last(node):
            return {0: axis}
        if node.op_type == "MatMul":
            return self._of_product(node, axis)
        if node.op_type == "Transpose":
            order = attribute(node, "perm", [])
            return {0: order[axis] - len(order)} if order else {}
        return self._of_reshape(node, axis) if node.op_type == "Reshape" else {}

    def _wanted(self, node: NodeProto) -> int | None:
        """Return the axis along which all readers of a result need only the first element."""
        if len(node.output) != 1 or node.output[0] in self._outputs:
            return None
        name = node.output[0]
        demands = self._demands.get(name, {})
        axes = set(demands.values())
        whole = len(demands) < len(self._readers[name])
        return None if whole or len(axes) != 1 else axes.pop()

    def _has(self, name: str, axis: int) -> bool:
        """Tell whether a value extends along an axis, and is not broadcast."""
        shape = self._shapes.get(name, ())
        return len(shape) >= -axis and shape[axis] != 1

    def _along_last(self, node: NodeProto) -> bool:
        return attribute(node, "axis", -1) in (-1, len(self._shapes[node.output[0]]) - 1)

    def _of_product(self, node: NodeProto, axis: int) -> dict[int, int]:
        if axis in (-1, -2):
            return {1: -1} if axis == -1 else {0: -2}
        return {place: axis for place, name in enumerate(node.input) if self._has(name, axis)}

    def _of_reshape(self, node: NodeProto, axis: int) -> dict[int, int]:
        """Follow a reshape that keeps everything up to the axis; other lengths are fixed."""
        before, after = (self._shapes.get(name, ()) for name in (node.input[0], node.output[0]))
        position = len(after) + axis
        rest = after[position + 1 :]
        if before[: position + 1] != after[: position + 1] or not _static(rest):
            return {}
        self._reshapes.append((node, position))
        return {0: position - len(before)}

    def _shorten(self, node: NodeProto, position: int) -> None:
        """Reshape to one element at `position`; a 0 keeps the length that the input has."""
        rest = self._shapes[node.output[0]][position + 1 :]
        lengths = [0] * position + [1] + [int(length) for length in rest]
        node.input[1] = self._constant(f"{node.output[0]}_first_shape", lengths)
        kept = [one for one in node.attribute if one.name != "allowzero"]
        del node.attribute[:]
        node.attribute.extend(kept)

    def _cut(self, name: str, wanted: dict[Input, int]) -> tuple[int, NodeProto]:
        """Redirect the inputs to a slice of a value; return the slice node and its position."""
        from onnx import helper

        (axis,) = set(wanted.values())
        short = f"{name}_first"
        for index, place in wanted:
            self._nodes[index].input[place] = short
        ends = {"starts": 0, "ends": 1, "axes": len(self._shapes[name]) + axis}
        parts = [self._constant(f"{short}_{part}", [value]) for part, value in ends.items()]
        return min(index for index, _ in wanted), helper.make_node("Slice", [name, *parts], [short])

    def _constant(self, name: str, values: list[int]) -> str:
        from onnx import numpy_helper

        tensor = numpy_helper.from_array(np.array(values, dtype=np.int64), name)
        self._graph.initializer.append(tensor)
        return name


def _static(shape: Shape) -> bool:
    return all(isinstance(length, int) for length in shape)


def _zeros(graph: GraphProto) -> set[str]:
    """Return the names of the scalar constants that are 0."""
    from onnx import numpy_helper

    return {
        tensor.name
        for tensor in graph.initializer
        if not tensor.dims and not numpy_helper.to_array(tensor).any()
    }
