"""ONNX Runtime's own profiler: the time of each operator of the optimized graph."""

from __future__ import annotations

import ast
import json
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, ClassVar, Self

from compress.explain.op_kinds import onnx_compute
from compress.explain.profiler import Node
from compress.storage.scratch import scratch_folder
from runtimes.errors import BackendError, first_line
from runtimes.onnx_runtime import open_session, session_options

if TYPE_CHECKING:
    from runtimes.runtime import Feeds

_KERNEL = "_kernel_time"
_ADD_BIAS = ("Add", "BiasGelu", "FastGelu")
_SCOPES = "pkg.torch.onnx.name_scopes"


class OnnxProfiler:
    """Profile one ONNX model with the deployed session options and the profiler on."""

    counts_itself: ClassVar[bool] = True

    def __init__(self, model: Path, threads: int) -> None:
        self._ending = ExitStack()
        scratch = self._ending.enter_context(scratch_folder())
        self._model = model
        self._optimized = scratch / "optimized.onnx"
        options = session_options(threads)
        options.enable_profiling = True
        options.profile_file_prefix = str(scratch / "profile")
        options.optimized_model_filepath = str(self._optimized)
        self._session: Any = open_session(model, threads, options)
        self._types: dict[str, dict[str, Any]] = {}

    def infer(self, feeds: Feeds) -> None:
        """Run one row."""
        self._session.run(None, feeds)

    def finish(self) -> list[Mapping[str, float]]:
        """Stop, and return each run's operators: ms by name.

        The trace lists the operators in the order of their ends, then the run that holds them.
        """
        trace = Path(self._session.end_profiling())
        runs: list[Mapping[str, float]] = []
        current: dict[str, float] = {}
        for event in json.loads(trace.read_text(encoding="utf-8")):
            name = event["name"]
            if event["cat"] == "Node" and name.endswith(_KERNEL):
                key = name.removesuffix(_KERNEL)
                current[key] = current.get(key, 0.0) + event["dur"] / 1e3
                self._types.setdefault(key, event["args"])
            elif name == "model_run":
                runs.append(current)
                current = {}
        return runs

    def nodes(self, ms: Mapping[str, float]) -> list[Node]:
        """Describe the operators, after `finish`."""
        graph = _OnnxOperators(self._model, self._optimized)
        return [self._node(graph, name, spent) for name, spent in ms.items()]

    def _node(self, graph: _OnnxOperators, name: str, ms: float) -> Node:
        seen = self._types[name]
        op = seen["op_name"]
        types = [next(iter(row)) for row in seen["input_type_shape"]] or [""]
        compute = onnx_compute(op, types[0], graph.accuracy_level(name))
        return Node(
            name, op, ms, compute, graph.weights(name) if compute else "", graph.module(name)
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._session = None
        self._ending.close()


class _OnnxOperators:
    """Find operators by their names in the trace.

    An operator without a name appears as its type and index, `MatMul_1`: the index is that in the
    model's own file, since fused operators are numbered after those.
    """

    def __init__(self, model: Path, optimized: Path) -> None:
        import onnx

        try:
            source = onnx.load(str(model), load_external_data=False).graph
            final = onnx.load(str(optimized), load_external_data=False).graph
        except Exception as error:  # protobuf's own types
            raise BackendError(
                f"{model}: cannot be read ({first_line(error)})", action="make the artifact again"
            ) from error
        self._source = dict(_named(source))
        self._final = {**self._source, **dict(_named(final))}
        self._initializers = {
            tensor.name: tensor for graph in (source, final) for tensor in graph.initializer
        }
        self._consumers = {name: node for node in final.node for name in node.input}

    def accuracy_level(self, name: str) -> int:
        """Return a MatMulNBits' accuracy level, 0 where it has none."""
        node = self._final.get(name)
        levels = [a.i for a in node.attribute if a.name == "accuracy_level"] if node else []
        return int(levels[0]) if levels else 0

    def weights(self, name: str) -> str:
        """Return the type and shape of an operator's largest constant, "" for none."""
        import onnx

        tensors = [self._initializers[i] for i in self._inputs(name) if i in self._initializers]
        matrices = [tensor for tensor in tensors if len(tensor.dims) > 1]
        if not matrices:
            return ""
        largest = max(matrices, key=lambda tensor: tensor.ByteSize())
        dtype = onnx.TensorProto.DataType.Name(largest.data_type).lower()
        return f"{dtype} {'×'.join(map(str, largest.dims))}"

    def module(self, name: str) -> str:
        """Return the layer that an operator came from, by the exporter's metadata or by names.

        The names are those of its constants, or of the operator that adds its bias: exporters may
        fold a weight's transpose into a constant without a name.
        """
        node = self._final.get(name)
        if node is None:
            return ""
        known = [node, *filter(None, [self._source.get(name)])]  # fusion drops metadata
        scopes = [p.value for one in known for p in one.metadata_props if p.key == _SCOPES]
        if scopes:
            return _last_scope(scopes[0])
        followers = [self._consumers[out] for out in node.output if out in self._consumers]
        added = [after for after in followers if after.op_type in _ADD_BIAS]
        bias = [name for after in added for name in after.input if name.endswith(".bias")]
        return next(filter(None, map(self._owner, [*node.input, *bias])), "")

    def _owner(self, tensor: str) -> str:
        owner, dot, _ = tensor.rpartition(".")
        return owner if dot and tensor in self._initializers else ""

    def _inputs(self, name: str) -> list[str]:
        node = self._final.get(name)
        return list(node.input) if node else []


def _named(graph: Any) -> Iterator[tuple[str, Any]]:
    for place, node in enumerate(graph.node):
        yield node.name or f"{node.op_type}_{place}", node


def _last_scope(value: str) -> str:
    """Return the innermost module in PyTorch's list, whose last entry is the operator itself."""
    try:
        scopes = [str(scope) for scope in ast.literal_eval(value)]
    except (ValueError, SyntaxError, TypeError):
        return ""
    return next((scope for scope in reversed(scopes[:-1]) if scope), "")
