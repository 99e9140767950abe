"""Read and write OpenVINO's IR; equal models always give equal bytes."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from runtimes.openvino_runtime import import_openvino


def save_openvino(model: Any, path: Path, *, fp16: bool = False) -> None:
    """Write a model's .xml and .bin; `fp16` halves the stored weights."""
    _name_by_place(model)
    import_openvino().save_model(model, path, compress_to_fp16=fp16)


def _name_by_place(model: Any) -> None:
    """Rename nodes that OpenVINO numbers by a process-wide counter, which differs in each run."""
    for place, node in enumerate(model.get_ordered_ops()):
        kind, _, number = node.get_friendly_name().rpartition("_")
        if number.isdigit() and re.fullmatch("[A-Z][A-Za-z]*", kind):
            node.set_friendly_name(f"{kind}_at_{place}")
