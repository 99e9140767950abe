"""OpenVINO's own profiler: the time of each operator of the compiled model."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, ClassVar, Self

from compress.explain.op_kinds import openvino_compute
from compress.explain.profiler import Node
from runtimes.openvino_runtime import compile_openvino, openvino_core, read_openvino

if TYPE_CHECKING:
    from runtimes.runtime import Feeds

_WEIGHTS_AT = {"Gather": 0, "MatMul": 1}
"""The operand that holds the weights, for operators with weights."""
_REARRANGE = ("Transpose", "Reorder", "Reshape", "Convert")
"""Operators that may be between a product and its weights in the compiled graph."""


class OpenVINOProfiler:
    """Profile one model, compiled as for deployment, with performance counters on."""

    counts_itself: ClassVar[bool] = False

    def __init__(self, model: Path, threads: int) -> None:
        core = openvino_core()
        self._network: Any = read_openvino(model)
        core.set_property("CPU", {"PERF_COUNT": True})
        try:
            self._compiled: Any = compile_openvino(self._network, threads)
        finally:
            core.set_property("CPU", {"PERF_COUNT": False})
        self._request: Any = self._compiled.create_infer_request()
        self._runs: list[Any] = []
        self._seen: dict[str, Any] = {}

    def infer(self, feeds: Feeds) -> None:
        """Run one row and read its counters, which the next run overwrites."""
        self._request.infer(feeds, share_inputs=True)
        self._runs.append(self._request.get_profiling_info())

    def finish(self) -> list[Mapping[str, float]]:
        """Return each run's executed operators: ms by name."""
        runs: list[Mapping[str, float]] = []
        for run in self._runs:
            done = [row for row in run if row.status.name == "EXECUTED"]
            self._seen.update((row.node_name, row) for row in done)
            runs.append({row.node_name: row.real_time.total_seconds() * 1e3 for row in done})
        return runs

    def nodes(self, ms: Mapping[str, float]) -> list[Node]:
        """Describe the operators, after `finish`."""
        graph = _OpenvinoOperators(self._network, self._compiled.get_runtime_model())
        return [self._node(graph, name, spent) for name, spent in ms.items()]

    def _node(self, graph: _OpenvinoOperators, name: str, ms: float) -> Node:
        row = self._seen[name]
        compute = openvino_compute(row.node_type, row.exec_type)
        weights = graph.weights(name) if compute else ""
        return Node(name, row.node_type, ms, compute, weights, graph.module(name))

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._request = self._compiled = self._network = None


def _layer(op: Any) -> str:
    return str(op.get_rt_info()["layerType"].astype(str))


class _OpenvinoOperators:
    """Find executed operators in the compiled graph, and through it in the model's own graph."""

    def __init__(self, network: Any, compiled: Any) -> None:
        self._source = {op.get_friendly_name(): op for op in network.get_ordered_ops()}
        self._final = {op.get_friendly_name(): op for op in compiled.get_ordered_ops()}

    def weights(self, name: str) -> str:
        """Return the type and shape of a product's constant operand, "" for none."""
        op = self._final.get(name)
        if op is None or op.get_input_size() < 2:
            return ""
        port = op.input_value(1)
        source = port.get_node()
        while _layer(source) in _REARRANGE:
            source = source.input_value(0).get_node()
        if _layer(source) != "Const":
            return ""
        return f"{port.element_type.get_type_name()} {'×'.join(map(str, port.partial_shape))}"

    def module(self, name: str) -> str:
        """Return the layer whose named weights an operator reads, "" if the name is lost."""
        op = self._final.get(name)
        if op is None:
            return ""
        originals = op.get_rt_info()["originalLayersNames"].astype(str).split(",")
        owners = (self._owner(original) for original in originals)
        return next(filter(None, owners), "")

    def _owner(self, original: str) -> str:
        """Follow the weights' operand to its constant, past operators that unpack integers."""
        op = self._source.get(original)
        place = _WEIGHTS_AT.get(op.get_type_name()) if op else None
        if op is None or place is None:
            return ""
        node = op.input_value(place).get_node()
        while node.get_type_name() in ("Convert", "Multiply", "Subtract"):
            node = node.input_value(0).get_node()
        if node.get_type_name() != "Constant":
            return ""
        return str(node.get_friendly_name().split("/")[0].rpartition(".")[0])
