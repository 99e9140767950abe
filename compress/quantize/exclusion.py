"""Find the products whose rounding changes answers; keep these, and no others, in fp32."""

from __future__ import annotations

import dataclasses
import shutil
from collections.abc import Callable, Collection, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from compress.answers.effect import Effect, compared
from compress.answers.folder import folder_answers
from compress.graph.onnx_graph import dense_nodes, load_onnx
from compress.quantize.calibration import spaced_rows
from compress.stage import RunContext
from compress.tasks import task_of
from runtimes.artifact import Artifact
from runtimes.errors import AnswerError, RecipeError

if TYPE_CHECKING:
    from compress.quantize.stage import Quantize

Algorithm = Callable[[Artifact, "Quantize", RunContext, Path], None]

_ROWS = 100
_FARTHEST_NATS = 100.0
"""The divergence of answers that are none: further than float32 probabilities can lie apart."""


def product_names(source: Artifact) -> list[str]:
    """Return the names of the nodes that `exclude` can name."""
    return [node.name for node in dense_nodes(load_onnx(source.model_file).graph) if node.name]


def check_names(source: Artifact, names: Sequence[str]) -> None:
    """Raise RecipeError when a name is not one of the model's products."""
    known = product_names(source)
    unknown = [name for name in names if name not in known]
    if unknown:
        raise RecipeError(
            f"exclude: {', '.join(unknown)}",
            expected="names of MatMul and Gemm nodes with a weight",
            available=", ".join(known),
            action='name one of these, or write exclude = "auto"',
        )


def choose_excluded(
    algorithm: Algorithm, source: Artifact, settings: Quantize, context: RunContext
) -> dict[str, float]:
    """Return the nodes to keep in fp32, with the divergence (nats) of each quantized alone.

    Answers are compared with the unquantized model's on training and unlabeled text. Where more
    than `settings.max_drop` of them change, nodes are ranked by their own divergence and excluded,
    worst first, until at most that share changes. Most models need no exclusion.
    """
    names = product_names(source)
    texts = spaced_rows(context.data, _ROWS)
    task = task_of(source.task)
    reference = folder_answers(source, source.path, texts)

    def effect(excluded: Collection[str]) -> Effect:
        trial = dataclasses.replace(settings, exclude=list(excluded))
        with TemporaryDirectory(dir=context.scratch) as made:
            folder = Path(made)
            for name in source.task_files():
                shutil.copyfile(source.path / name, folder / name)
            algorithm(source, trial, context, folder)
            try:
                answers = folder_answers(source, folder, texts)
            except AnswerError:  # what a good choice of nodes avoids
                return Effect(kl=_FARTHEST_NATS, agreement=0.0)
        return compared(task, reference, answers)

    if effect(()).agreement >= 1 - settings.max_drop:
        return {}
    alone = {}
    with context.progress.task("rank nodes", len(names)) as advance:
        for name in names:
            alone[name] = effect([other for other in names if other != name]).kl
            advance(1, name)
    excluded: dict[str, float] = {}
    for name in sorted(names, key=lambda name: -alone[name]):
        excluded[name] = alone[name]
        if effect(excluded).agreement >= 1 - settings.max_drop:
            break
    return excluded
