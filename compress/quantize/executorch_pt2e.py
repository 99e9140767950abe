"""INT8 for ExecuTorch: PT2E with XNNPACK's quantizer, of the torch model beside the file."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from compress.graph.executorch_program import SOURCE, lower, quiet_executorch, trace, traceable
from compress.graph.torch_program import tensors
from compress.models.torch_model import load_model
from compress.quantize.calibration import calibration_feeds
from compress.stage import RunContext
from runtimes.artifact import Artifact
from runtimes.errors import UnsupportedError

if TYPE_CHECKING:
    from compress.quantize.stage import Quantize


def quantize_dynamic(
    source: Artifact, settings: Quantize, context: RunContext, folder: Path
) -> None:
    """Write INT8 weights by channel, with activations quantized at run time."""
    _quantize(source, settings, context, folder, dynamic=True)


def quantize_static(
    source: Artifact, settings: Quantize, context: RunContext, folder: Path
) -> None:
    """Write INT8 weights by channel and activations with fixed ranges from real rows."""
    _quantize(source, settings, context, folder, dynamic=False)


def _quantize(
    source: Artifact, settings: Quantize, context: RunContext, folder: Path, *, dynamic: bool
) -> None:
    rows = calibration_feeds(source, context.data, settings.calibration_rows)
    model = load_model(_torch_model(source), source.task)
    # Traced on eight tokens or more: from fewer, torch would conclude that lengths are short.
    example = max(rows, key=lambda feeds: feeds["input_ids"].shape[1])
    program = trace(traceable(model), example, source.max_length)
    with quiet_executorch():
        from torchao.quantization.pt2e.quantize_pt2e import convert_pt2e, prepare_pt2e

        prepared = prepare_pt2e(program.module(), _quantizer(settings, dynamic=dynamic))
        for feeds in rows[:1] if dynamic else rows:  # one row fills the observers of weights
            prepared(**tensors(feeds))
        converted = convert_pt2e(prepared)
    lower(trace(converted, example, source.max_length), folder / source.model_file.name)


def _quantizer(settings: Quantize, *, dynamic: bool) -> Any:
    from executorch.backends.xnnpack.quantizer.xnnpack_quantizer import (
        XNNPACKQuantizer,
        get_symmetric_quantization_config,
    )
    from torchao.quantization.pt2e.quantizer.composable_quantizer import ComposableQuantizer
    from torchao.quantization.pt2e.quantizer.embedding_quantizer import EmbeddingQuantizer

    wanted = get_symmetric_quantization_config(is_per_channel=True, is_dynamic=dynamic)
    products = XNNPACKQuantizer().set_global(wanted)
    if settings.embeddings == "fp32":
        return products
    return ComposableQuantizer([EmbeddingQuantizer(), products])


def _torch_model(source: Artifact) -> Path:
    folder = source.path / SOURCE
    if (folder / "config.json").is_file():
        return folder
    raise UnsupportedError(
        f"{source.path}: it has no torch model beside the ExecuTorch file",
        expected="the folder that `edgepress export --format executorch` wrote, with torch/ in it",
        action="export the torch model again, and quantize that; a bundle does not carry it",
    )
