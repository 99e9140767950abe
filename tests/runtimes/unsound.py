"""Models whose answers are none, made of the tiny one."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from runtimes.artifact import Artifact
from tests.runtimes.tiny import LABELS, finish, onnx_graph


def with_head(folder: Path, value: float, columns: int = len(LABELS)) -> Artifact:
    """Make an ONNX artifact whose head's weights all have one value, for so many classes."""
    import onnx
    from onnx import numpy_helper

    model = onnx_graph()
    (head,) = (one for one in model.graph.initializer if one.name == "head")
    weights = np.full((head.dims[0], columns), value, np.float32)
    head.CopyFrom(numpy_helper.from_array(weights, "head"))
    model.graph.output[0].type.tensor_type.shape.dim[1].dim_value = columns
    folder.mkdir(parents=True, exist_ok=True)
    onnx.save(model, folder / "model.onnx")
    return finish(folder, "onnx")
