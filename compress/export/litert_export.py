"""Export a torch classifier to TFLite with litert-torch: a signature for each of a few lengths."""

from __future__ import annotations

import io
import logging
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from pathlib import Path
from typing import Any

from compress.graph.torch_program import logits_of, tensors, tracing
from compress.models.feeds import ExampleFeeds
from runtimes.errors import BackendError, first_line
from runtimes.litert_runtime import SIGNATURE

SHORTEST = 8


def lengths_of(max_length: int) -> tuple[int, ...]:
    """Return the lengths of a file's signatures in tokens: 8, 16, 32, … and the maximum.

    All share the weights, so that another signature costs about 0.4 MB for six layers. A row costs
    at most twice its own length.
    """
    lengths = []
    length = SHORTEST
    while length < max_length:
        lengths.append(length)
        length *= 2
    return (*lengths, max_length)


def export_litert(
    model: Any, examples: ExampleFeeds, names: tuple[str, ...], max_length: int, path: Path
) -> dict[str, float]:
    """Write a classifier's TFLite file with int64 inputs `names` and output `logits`.

    There are no metrics. Raises BackendError when litert-torch cannot convert the model.
    """
    with _quiet(), tracing():
        import litert_torch

        program = logits_of(model)
        signatures: Any = litert_torch
        for length in lengths_of(max_length):
            drawn = examples.draw(1, length)
            feeds = tensors({name: drawn[name] for name in names})
            signatures = signatures.signature(f"{SIGNATURE}{length}", program, sample_kwargs=feeds)
        try:
            # without it, 64-bit inputs become 32-bit ones
            signatures.convert(enable_x64=True).export(str(path))
        except Exception as error:  # jax, MLIR and litert-torch raise their own types
            raise BackendError(
                f"litert-torch cannot convert the model ({first_line(error)})",
                action='leave the format "tflite" out: deploy the ONNX or ort file',
            ) from error
    return {}


@contextmanager
def _quiet() -> Iterator[None]:
    """Hide the converter's progress lines and its notes that no user can act on."""
    level = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        with redirect_stdout(io.StringIO()), redirect_stderr(io.StringIO()):
            yield
    finally:
        logging.disable(level)
