"""Index an ONNX graph: which node makes a value, which read it, which values are constant."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from onnx import GraphProto, NodeProto, TensorProto

Shape = tuple[int | str, ...]


class GraphIndex:
    """Index a graph's values by name; rebuild the index after other code changes the nodes."""

    def __init__(self, graph: GraphProto) -> None:
        self.graph = graph
        self.outputs = {output.name for output in graph.output}
        self.tensors: dict[str, TensorProto] = {tensor.name: tensor for tensor in graph.initializer}
        self.makers: dict[str, NodeProto] = {
            name: node for node in graph.node for name in node.output
        }
        self.readers: dict[str, list[NodeProto]] = defaultdict(list)
        for node in graph.node:
            for name in node.input:
                self.readers[name].append(node)

    def maker(self, name: str, *kinds: str) -> NodeProto | None:
        """Return the node that makes a value, if it is of one of the kinds."""
        node = self.makers.get(name)
        return node if node is not None and node.op_type in kinds else None

    def reader(self, name: str, *kinds: str) -> NodeProto | None:
        """Return the only node that reads a value, if it is of one of the kinds."""
        readers = self.readers.get(name, [])
        alone = len(readers) == 1 and name not in self.outputs and readers[0].op_type in kinds
        return readers[0] if alone else None

    def constant(self, name: str) -> NDArray[Any] | None:
        """Return a constant's values, None for other values."""
        return self.values(name) if name in self.tensors else None

    def values(self, name: str) -> NDArray[Any]:
        """Return the values of a known constant."""
        from onnx import numpy_helper

        return numpy_helper.to_array(self.tensors[name])

    def add_constant(self, name: str, values: NDArray[Any]) -> str:
        """Store a constant under an unused name; return the name."""
        from onnx import numpy_helper

        tensor = numpy_helper.from_array(np.ascontiguousarray(values), name)
        self.graph.initializer.append(tensor)
        self.tensors[name] = tensor
        return name

    def add_node(self, kind: str, inputs: list[str], output: str, **settings: Any) -> str:
        """Append a node, which `order_nodes` moves to its place; return its output."""
        from onnx import helper

        node = helper.make_node(kind, inputs, [output], name=f"node_{output}", **settings)
        self.graph.node.append(node)
        self.makers[output] = self.graph.node[-1]
        for name in inputs:
            self.readers[name].append(self.graph.node[-1])
        return output

    def redirect(self, old: str, new: str) -> None:
        """Make all readers of one value read another."""
        for node in self.readers.pop(old, []):
            for place, name in enumerate(node.input):
                if name == old:
                    node.input[place] = new
                    self.readers[new].append(node)


def attribute(node: NodeProto, name: str, default: Any = None) -> Any:
    """Return a node's attribute, or the default if it has none."""
    from onnx import helper

    values = (helper.get_attribute_value(one) for one in node.attribute if one.name == name)
    return next(values, default)


def shapes(graph: GraphProto) -> dict[str, Shape]:
    """Return the shapes of all values; a name stands for a length known only at run time."""
    by_name: dict[str, Shape] = {tensor.name: tuple(tensor.dims) for tensor in graph.initializer}
    for value in (*graph.input, *graph.value_info, *graph.output):
        dims = value.type.tensor_type.shape.dim
        by_name[value.name] = tuple(
            dim.dim_value if dim.HasField("dim_value") else dim.dim_param for dim in dims
        )
    return by_name


def order_nodes(graph: GraphProto) -> None:
    """Drop the nodes that no output needs, and sort the others topologically."""
    makers = {name: index for index, node in enumerate(graph.node) for name in node.output}
    done: dict[int, None] = {}
    waiting = [makers[output.name] for output in reversed(graph.output)]
    while waiting:
        index = waiting[-1]
        needed = [makers[name] for name in graph.node[index].input if name in makers]
        open_nodes = [one for one in needed if one not in done]
        if index in done or not open_nodes:
            done[waiting.pop()] = None
        else:
            waiting += reversed(open_nodes)
    ordered = [graph.node[index] for index in done]
    copies = [type(node).FromString(node.SerializeToString()) for node in ordered]
    del graph.node[:]
    graph.node.extend(copies)


def drop_unread_inputs(graph: GraphProto) -> None:
    """Drop the graph's inputs that no node reads."""
    read = {name for node in graph.node for name in node.input}
    kept = [value for value in graph.input if value.name in read]
    del graph.input[:]
    graph.input.extend(kept)
