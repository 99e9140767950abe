"""Export a torch classifier as an ONNX graph with dynamic batch and length."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from compress.graph.onnx_graph import save_onnx
from compress.graph.plain_mask import plain_masks
from compress.graph.rewrite import rewrite
from compress.models.feeds import Feeds
from compress.models.opening import Opening
from runtimes.errors import BackendError

if TYPE_CHECKING:
    from onnx import ModelProto

OPSET = 21
"""The first opset with 4-bit tensors and blocked dequantization."""

_NOISE = (
    # torch traces its own deprecated checks
    (FutureWarning, r"`isinstance\(treespec, LeafSpec\)` is deprecated"),
    # every input has the same two dynamic axes, which is intended
    (UserWarning, r"# The axis name: \w+ will not be used"),
)
_LOGGERS = (
    "torch.onnx._internal.exporter._registration",  # torchvision is not installed
    "onnxscript.optimizer._constant_folding",  # an operator without constant folding
)


def export_onnx(
    model: Any, feeds: Feeds, max_length: int, opening: Opening, path: Path
) -> tuple[str, ...]:
    """Write a classifier as one ONNX file with output `logits`; return its inputs' names.

    `feeds` are int64 (2 or more, 2 or more). An input that is the same for every text, according to
    `opening`, is left out. Equal weights give equal bytes. Raises BackendError when the exporter
    cannot trace the model.
    """
    traced = _trace(model, feeds, max_length)
    rewrite(traced, max_length, opening)
    save_onnx(traced, path)
    return tuple(value.name for value in traced.graph.input)


def _trace(model: Any, feeds: Feeds, max_length: int) -> ModelProto:
    import torch

    batch = torch.export.Dim("batch", min=1, max=1024)
    sequence = torch.export.Dim("sequence", min=2, max=max_length)
    with quiet_exporter(), plain_masks():
        try:
            program = torch.onnx.export(
                model,
                kwargs={name: torch.from_numpy(array) for name, array in feeds.items()},
                dynamo=True,
                dynamic_shapes={name: {0: batch, 1: sequence} for name in feeds},
                input_names=list(feeds),
                output_names=["logits"],
                opset_version=OPSET,
                optimize=True,
                verbose=False,
            )
        except Exception as error:  # the exporter wraps errors of many libraries
            raise BackendError(
                f"torch.onnx.export failed ({str(error).strip().splitlines()[0][:300]})",
                action="check that the model runs in torch with the same inputs",
            ) from error
    assert program is not None
    return program.model_proto


@contextmanager
def quiet_exporter() -> Iterator[None]:
    """Hide the exporter's notes that no user can act on."""
    levels = {name: logging.getLogger(name).level for name in _LOGGERS}
    for name in _LOGGERS:
        logging.getLogger(name).setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            for category, message in _NOISE:
                warnings.filterwarnings("ignore", message, category)
            yield
    finally:
        for name, level in levels.items():
            logging.getLogger(name).setLevel(level)
