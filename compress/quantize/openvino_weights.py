"""INT8 and INT4 weights for OpenVINO, by NNCF's weight compression."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from compress.graph.openvino_graph import save_openvino
from compress.quantize.quiet_nncf import quiet_nncf
from compress.stage import RunContext
from runtimes.artifact import Artifact
from runtimes.openvino_runtime import read_openvino

if TYPE_CHECKING:
    from compress.quantize.stage import Quantize

_BLOCK = 32


def quantize_int8(source: Artifact, settings: Quantize, context: RunContext, folder: Path) -> None:  # noqa: ARG001 - every scheme has this signature
    """Write symmetric per-channel INT8 weights.

    The CPU plugin quantizes activations at run time where it has a kernel (VNNI and later), and
    otherwise expands the weights.
    """
    _compress(source, folder, lambda nncf: {"mode": nncf.CompressWeightsMode.INT8_SYM})


def quantize_int4(source: Artifact, settings: Quantize, context: RunContext, folder: Path) -> None:  # noqa: ARG001 - every scheme has this signature
    """Write symmetric INT4 weights with a scale for each `block_size` of them.

    Embeddings and the last layer keep NNCF's 8 bits, unless `embeddings` is int4.
    """
    _compress(
        source,
        folder,
        lambda nncf: {
            "mode": nncf.CompressWeightsMode.INT4_SYM,
            "group_size": settings.block_size or _BLOCK,
            "all_layers": settings.embeddings == "int4",
        },
    )


def _compress(source: Artifact, folder: Path, choose: Any) -> None:
    model = read_openvino(source.model_file)
    with quiet_nncf() as nncf:
        result = nncf.compress_weights(model, **choose(nncf))
    save_openvino(result, folder / source.model_file.name)
