"""Open a model to compare with: an exported one, or a torch model exported to fp32 ONNX."""

from __future__ import annotations

from pathlib import Path

from compress.data.dataset import no_rows
from compress.export.stage import Export
from compress.models.teacher import import_model, open_model
from compress.progress import Progress
from compress.stage import RunContext, execute
from compress.tasks import require_same_outputs
from runtimes.artifact import Artifact, is_artifact


def open_reference(
    reference: str, artifact: Artifact, scratch: Path, seed: int, progress: Progress
) -> Artifact:
    """Open a model to compare with; a torch model is exported to fp32 ONNX in `scratch`.

    Raises UnsupportedError when its classes are not the artifact's.
    """
    model = open_model(reference, task=artifact.task)
    if model.format == "huggingface":
        progress.note("reference: exporting it to fp32 ONNX")
        model = _exported(model, scratch, seed, progress)
    require_same_outputs(artifact.task, artifact.labels, model.labels)
    return model


def _exported(model: Artifact, scratch: Path, seed: int, progress: Progress) -> Artifact:
    if not is_artifact(model.path):
        model = import_model(model, scratch / "source")
    context = RunContext(
        data=no_rows(model.labels),
        teacher=None,
        seed=seed,
        scratch=scratch / "work",
        progress=progress,
    )
    return execute(Export(format="onnx"), model, context, scratch / "reference")
