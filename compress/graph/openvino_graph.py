"""Read and write OpenVINO's IR so that the same model always gives the same bytes."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from runtimes import predict
from runtimes.errors import ArtifactError, first_line


def load_openvino(path: Path) -> Any:
    """Read an IR file; raise ArtifactError when it is damaged or not one."""
    openvino = predict.import_openvino()
    try:
        return openvino.Core().read_model(path)
    except Exception as error:  # the bindings raise RuntimeError and types of their own
        raise ArtifactError(
            f"{path}: not an intact OpenVINO model ({first_line(error)})",
            expected="model.xml and its model.bin",
            action="export the model again",
        ) from error


def save_openvino(model: Any, path: Path, *, fp16: bool = False) -> None:
    """Write a model's .xml and .bin; `fp16` halves the stored weights."""
    _name_by_place(model)
    predict.import_openvino().save_model(model, path, compress_to_fp16=fp16)


def _name_by_place(model: Any) -> None:
    """Rename what OpenVINO numbered by a counter of the process: it would differ on each run."""
    for place, node in enumerate(model.get_ordered_ops()):
        kind, _, number = node.get_friendly_name().rpartition("_")
        if number.isdigit() and re.fullmatch("[A-Z][A-Za-z]*", kind):
            node.set_friendly_name(f"{kind}_at_{place}")
