"""Export a torch classifier as an ONNX graph with dynamic batch and length."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from compress.graph.onnx_graph import LOGITS, OPSET, save_onnx
from compress.graph.plain_mask import plain_masks
from compress.graph.rewrite import rewrite
from compress.models.feeds import Feeds
from compress.models.opening import Opening
from runtimes.errors import BackendError

if TYPE_CHECKING:
    from onnx import GraphProto, ModelProto

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
    model: Any,
    feeds: Feeds,
    max_length: int,
    opening: Opening,
    path: Path,
    output: str = LOGITS,
) -> tuple[str, ...]:
    """Write a model as one ONNX file whose output has this name; return its inputs' names.

    `feeds` are int64 (2 or more, 2 or more). An input that is the same for every text, according to
    `opening`, is left out. Equal weights give equal bytes. Raises BackendError when the exporter
    cannot trace the model.
    """
    traced = _trace(model, feeds, max_length)
    rewrite(traced, max_length, opening)
    _name_output(traced.graph, output)
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
                output_names=[LOGITS],
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


def _name_output(graph: GraphProto, name: str) -> None:
    """Name the graph's output; a value inside that has the name already gets another one.

    The exporter itself would not look: torch calls what an embedding looks up `embedding`.
    """
    old = graph.output[0].name
    if old == name:
        return
    names = {old: name, name: f"{name}_inside"}
    for node in graph.node:
        node.input[:] = [names.get(one, one) for one in node.input]
        node.output[:] = [names.get(one, one) for one in node.output]
    for value in (*graph.value_info, *graph.initializer, graph.output[0]):
        value.name = names.get(value.name, value.name)


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
