"""Run one stage by itself, with the code of a run, on a folder and rows."""

from __future__ import annotations

from pathlib import Path

from compress.data.dataset import Dataset, DataSettings, load_dataset, no_rows
from compress.models.outline import outline_of
from compress.models.teacher import import_model, open_model
from compress.places import check_apart, check_room
from compress.progress import Progress
from compress.run.plan import target_for
from compress.stage import RunContext, Stage, check_format, execute
from compress.storage.scratch import scratch_folder
from compress.tasks import task_of
from profiles.device import load_profile
from profiles.job import Job
from runtimes.artifact import Artifact, is_artifact, read_artifact
from runtimes.contents import unlisted
from runtimes.errors import ArtifactError, InputError


def run_stage(
    stage: Stage,
    source: str,
    out: Path,
    *,
    data: DataSettings | None,
    seed: int,
    progress: Progress,
    teacher: str | None = None,
    profile: str = "local",
    task: str | None = None,
    max_length: int | None = None,
) -> Artifact:
    """Run a stage on a model folder and return the artifact at `out`.

    Raises InputError when `out` holds files that are not an artifact's, or the stage needs rows and
    none are given.
    """
    artifact = open_model(source, task=task, max_length=max_length)
    check_format(stage, artifact.format)
    original = open_model(teacher, task=artifact.task) if teacher else _own_teacher(artifact)
    inputs = [artifact, *([original] if original else [])]
    check_out(out, *(model.path for model in inputs), size=sum(m.size_bytes() for m in inputs))
    if data is None and stage.uses_data:
        raise InputError(
            f"{stage.kind} was given no rows",
            expected="rows to train, calibrate or check on",
            action="name them with --train FILE",
        )
    devices = [load_profile(profile)]
    target = target_for(devices, Job.nearest(devices).facts())
    outline = outline_of(artifact)
    for warning in stage.check(outline):
        progress.warn(warning)
    stage.leaves(outline)
    rows = _rows(data, artifact, stage, seed, progress)
    with scratch_folder() as scratch:
        context = RunContext(
            data=rows,
            teacher=_own_copy(original, scratch / "teacher") if original else None,
            seed=seed,
            scratch=scratch / "work",
            target=target,
            progress=progress,
        )
        return execute(stage, _own_copy(artifact, scratch / "source"), context, out)


def check_out(out: Path, *inputs: Path, size: int = 0) -> None:
    """Raise InputError when a result of `size` bytes may not be written to `out`, or cannot be."""
    if out.exists() and not out.is_dir():
        raise InputError(f"{out}: a file", expected="a new folder", action="choose another --out")
    check_apart(out, *inputs)
    check_room(out, size)
    if kept := _not_ours(out):
        raise InputError(
            f"{out}: holds files that are not an artifact's: {', '.join(kept[:5])}",
            expected="a new or empty folder, or an artifact to replace",
            action="choose another --out, or move them away",
        )


def _not_ours(out: Path) -> list[str]:
    """Return the names of files that would be lost if the folder was replaced."""
    try:
        return unlisted(out, read_artifact(out).files if is_artifact(out) else {})
    except ArtifactError:  # a damaged or older artifact is replaced completely
        return []


def _own_copy(model: Artifact, target: Path) -> Artifact:
    """Return a model folder as an artifact: one file of weights, a fast tokenizer."""
    return model if is_artifact(model.path) else import_model(model, target)


def _own_teacher(artifact: Artifact) -> Artifact | None:
    """Return the source itself if it can teach: a torch classifier with a trained head."""
    return artifact if artifact.format == "huggingface" and artifact.labels else None


def _rows(
    data: DataSettings | None, artifact: Artifact, stage: Stage, seed: int, progress: Progress
) -> Dataset:
    if data is None:
        return no_rows(artifact.labels)
    task = task_of(artifact.task)
    rows = load_dataset(data, Path(), seed, task)
    for warning in rows.warnings:
        progress.warn(warning)
    if stage.teaches:
        return rows
    if not artifact.labels:
        raise InputError(
            f"{artifact.path}: no classification head",
            action="run `edgepress finetune` first",
        )
    return task.aligned(rows, artifact.labels)
