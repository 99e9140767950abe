"""Half-precision weights for OpenVINO; a CPU expands them, a GPU or NPU computes with them."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from compress.graph.openvino_graph import save_openvino
from compress.stage import RunContext
from runtimes.artifact import Artifact
from runtimes.openvino_runtime import read_openvino

if TYPE_CHECKING:
    from compress.quantize.stage import Quantize


def quantize(source: Artifact, settings: Quantize, context: RunContext, folder: Path) -> None:  # noqa: ARG001 - every scheme has this signature
    """Store the weights in fp16."""
    save_openvino(read_openvino(source.model_file), folder / source.model_file.name, fp16=True)
