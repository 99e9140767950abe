"""Convert a plain fp32 ONNX file to OpenVINO's IR."""

from __future__ import annotations

from pathlib import Path

from compress.graph.openvino_graph import save_openvino
from runtimes.errors import BackendError, first_line
from runtimes.openvino_runtime import import_openvino


def export_openvino(onnx_path: Path, path: Path) -> None:
    """Write `path` (.xml) and its weights (.bin) in fp32; equal models give equal bytes.

    Raises BackendError when OpenVINO cannot convert the graph.
    """
    openvino = import_openvino()
    try:
        model = openvino.convert_model(onnx_path)
    except Exception as error:  # the bindings raise RuntimeError and their own types
        raise BackendError(
            f"OpenVINO cannot convert the model ({first_line(error)})",
            action="deploy the ONNX export, or report the architecture",
        ) from error
    save_openvino(model, path)
