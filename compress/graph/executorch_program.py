"""Lower a torch program to ExecuTorch's file, with XNNPACK for all that it computes."""

from __future__ import annotations

import logging
import warnings
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from compress.graph.torch_program import logits_of, tensors, tracing
from compress.models.feeds import Feeds
from runtimes.errors import BackendError, first_line
from runtimes.files import write_bytes

SOURCE = "torch"
"""The folder beside the file that holds the torch model: PT2E quantizes before the lowering."""

_MOVES = ("alloc", "view", "getitem", "executorch_call_delegate", "sym_size", "_copy.")
"""What names operators that compute nothing: shapes, copies and calls of XNNPACK."""


def trace(program: Any, feeds: Feeds, max_length: int) -> Any:
    """Return the torch.export program of a module, for one row of 2 to `max_length` tokens.

    `feeds` are int64 (1, tokens). Raises BackendError when torch cannot trace it.
    """
    import torch

    length = torch.export.Dim("sequence", min=2, max=max_length)
    shapes = {name: {1: length} for name in feeds}
    with quiet_executorch(), tracing():
        try:
            return torch.export.export(
                program, (), tensors(feeds), dynamic_shapes=shapes, strict=False
            )
        except Exception as error:  # torch.export wraps errors of many libraries
            raise _failed("torch.export", error) from error


def traceable(model: Any) -> Any:
    """Wrap a transformers classifier for `trace`."""
    return logits_of(model)


def lower(program: Any, path: Path) -> dict[str, float]:
    """Write a traced program; return how often each operator runs outside XNNPACK.

    These run in ExecuTorch's own kernels, some of which are much slower: a model that is mostly
    outside gains nothing. Raises BackendError when ExecuTorch cannot lower it.
    """
    with quiet_executorch(), tracing():
        from executorch.backends.xnnpack.partition.xnnpack_partitioner import XnnpackPartitioner
        from executorch.exir import ExecutorchBackendConfig, to_edge_transform_and_lower
        from executorch.exir.passes.quant_fusion_pass import QuantFusionPass

        try:
            edge = to_edge_transform_and_lower(program, partitioner=[XnnpackPartitioner()])
            # it turns a quantized embedding into one operator
            done = edge.to_executorch(ExecutorchBackendConfig(passes=[QuantFusionPass()]))
        except Exception as error:  # ExecuTorch raises its own types and torch's
            raise _failed("ExecuTorch", error) from error
    write_bytes(path, bytes(done.buffer))
    return _outside(done.exported_program().graph)


def _outside(graph: Any) -> dict[str, float]:
    """Count the nodes that compute outside XNNPACK, and its parts."""
    names = [str(node.target) for node in graph.nodes if node.op == "call_function"]
    computing = [name for name in names if not any(move in name for move in _MOVES)]
    counted = Counter(name.removesuffix(".out") for name in computing)
    parts = sum("executorch_call_delegate" in name for name in names)
    outside = {f"outside XNNPACK: {name}": float(n) for name, n in sorted(counted.items())}
    return {"XNNPACK parts": float(parts), **outside}


@contextmanager
def quiet_executorch() -> Iterator[None]:
    """Hide the notes of ExecuTorch and torchao that no user can act on."""
    level = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(level)


def _failed(tool: str, error: Exception) -> BackendError:
    return BackendError(
        f"{tool} cannot convert the model ({first_line(error)})",
        action='leave the format "executorch" out: deploy the ONNX or ort file',
    )
