"""Restore nodes of a quantized ONNX graph to the fp32 form of its source."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

import numpy as np

from compress.graph.graph_index import GraphIndex, order_nodes

if TYPE_CHECKING:
    from onnx import GraphProto, ModelProto, NodeProto

_PREFIX = "source/"
_PARAMETERS = (".weight", ".bias")


class QuantizedPair:
    """Pair a quantized model with the fp32 model that it was made from.

    A quantizer keeps the names of values: a value that both graphs have, but compute in different
    ways, was quantized.
    """

    def __init__(self, source: ModelProto, quantized: ModelProto) -> None:
        self._source = source
        self._quantized = quantized
        self._there = GraphIndex(source.graph)
        self._here = GraphIndex(quantized.graph)

    def is_source(self) -> bool:
        """Tell whether the models share constants, and all shared ones are equal.

        A model of an older opset was made from another export: it lacks the source's operators.
        """
        if _opset(self._source) > _opset(self._quantized):
            return False
        shared = self._there.tensors.keys() & self._here.tensors.keys()
        return bool(shared) and all(
            np.array_equal(self._there.values(name), self._here.values(name)) for name in shared
        )

    def changed(self) -> list[str]:
        """Return the values that are computed in different ways, in the source's order."""
        return [
            name
            for node in self._there.graph.node
            for name in node.output
            if name in self._here.makers and _form(node) != _form(self._here.makers[name])
        ]

    def kind(self, value: str) -> str:
        """Return the operator that computes a value in the source."""
        return str(self._there.makers[value].op_type)

    def label(self, value: str) -> str:
        """Name a node by the parameters that it, or the addition after it, reads, if possible."""
        node = self._there.makers[value]
        after = self._there.reader(value, "Add")
        inputs = [*node.input, *(after.input if after is not None else ())]
        for name in inputs:
            if name in self._there.tensors and "." in name:
                return _without_suffix(name)
        return str(node.name or value)

    def restored(self, values: Iterable[str]) -> ModelProto:
        """Return the quantized model with these values computed as in the source."""
        model = type(self._quantized)()
        model.CopyFrom(self._quantized)
        wanted = set(values)
        kept = [node for node in model.graph.node if not wanted & set(node.output)]
        del model.graph.node[:]
        model.graph.node.extend(kept)
        known = {name for node in kept for name in node.output} | wanted
        for value in sorted(wanted):
            self._bring(value, model.graph, known)
        order_nodes(model.graph)
        return model

    def _bring(self, value: str, graph: GraphProto, known: set[str]) -> None:
        """Copy the source's node, its constants, and the nodes that it needs."""
        node = graph.node.add()
        node.CopyFrom(self._there.makers[value])
        known.update(node.output)
        for place, name in enumerate(node.input):
            if name in self._there.tensors:
                node.input[place] = self._constant(name, graph, known)
            elif name in self._there.makers and name not in known:
                self._bring(name, graph, known)

    def _constant(self, name: str, graph: GraphProto, known: set[str]) -> str:
        mine = _PREFIX + name
        if mine not in known:
            known.add(mine)
            tensor = graph.initializer.add()
            tensor.CopyFrom(self._there.tensors[name])
            tensor.name = mine
        return mine


def _form(node: NodeProto) -> tuple[object, ...]:
    settings = sorted(one.SerializeToString() for one in node.attribute)
    return (node.op_type, node.domain, tuple(node.input), tuple(settings))


def _opset(model: ModelProto) -> int:
    """Return the version of ONNX's own operators."""
    return max((one.version for one in model.opset_import if not one.domain), default=0)


def _without_suffix(name: str) -> str:
    for suffix in _PARAMETERS:
        stem, matched, _ = name.partition(suffix)
        if matched:
            return stem
    return name
