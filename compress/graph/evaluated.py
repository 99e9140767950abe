"""Compute values inside a graph for given token ids."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from runtimes.onnx_runtime import import_onnxruntime

if TYPE_CHECKING:
    from onnx import ModelProto

Ids = NDArray[np.int64]


def evaluator(model: ModelProto, names: Sequence[str]) -> Callable[[Ids], dict[str, NDArray[Any]]]:
    """Return what computes the named values for `input_ids` of shape (rows, tokens).

    All other inputs are 1.
    """
    import onnx

    inputs = [value.name for value in model.graph.input]
    part = onnx.ModelProto()
    part.CopyFrom(model)
    del part.graph.output[:]
    part.graph.output.extend(onnx.ValueInfoProto(name=name) for name in names)
    onnxruntime = import_onnxruntime()
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(
        part.SerializeToString(), options, providers=["CPUExecutionProvider"]
    )

    def values(ids: Ids) -> dict[str, NDArray[Any]]:
        feeds = {name: ids if name == "input_ids" else np.ones_like(ids) for name in inputs}
        return dict(zip(names, session.run(list(names), feeds), strict=True))

    return values
