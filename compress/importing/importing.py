"""Make an artifact of an ONNX or OpenVINO model that another tool wrote."""

from __future__ import annotations

import dataclasses
import re
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from compress.importing.copied import Copied
from compress.importing.description import (
    copy_tokenizer,
    labels_of,
    max_length_of,
    tokenizer_folder,
)
from compress.importing.found import Found, find
from compress.importing.onnx_copy import copy_onnx
from compress.importing.openvino_copy import copy_openvino
from compress.importing.trial import Trial, answer_shape, looks_normalized
from compress.models.architectures import UNKNOWN
from compress.models.token_table import reads_table, write_table
from compress.progress import Progress
from compress.run.single import check_out
from compress.stage import tool_versions
from compress.tasks import canonical_task, has_vectors
from compress.tasks.heads import PROBLEMS, require_problem, task_in
from compress.tasks.sentence import dimension_names
from runtimes.artifact import Artifact, StageRecord, write_artifact
from runtimes.errors import BackendError, UnsupportedError, first_line
from runtimes.files import new_folder
from runtimes.manifest import Manifest
from runtimes.packages import require_available
from runtimes.runtime import RUNTIMES, Opened, Runtime, TensorSpec, model_files, runs_in

_COPY: dict[str, Callable[[Path, Path], Copied]] = {"onnx": copy_onnx, "openvino": copy_openvino}
_UNNAMED = re.compile(r"LABEL_\d+")


@dataclass(frozen=True, slots=True)
class Import:
    """Hold what is imported, and what its own files do not describe.

    `source` is a folder or a model's file. `labels` is a file with one label a line, or labels
    separated by commas; `tokenizer` is a folder.
    """

    source: Path
    task: str | None = None
    labels: str | None = None
    tokenizer: Path | None = None
    max_length: int | None = None


def import_exported(asked: Import, out: Path, progress: Progress) -> Artifact:
    """Write the artifact of another tool's model to `out`, completely or not at all.

    Only the model, the tokenizer's files and the files with the labels are read; nothing in the
    source is executed. A row runs through the model first. Raises a subclass of InputError for a
    model that cannot be imported, or that the runtime refuses.
    """
    started = time.perf_counter()
    found = find(asked.source)
    runtime: Runtime = RUNTIMES.resolve(runs_in(found.format))()
    require_available(runtime)
    check_out(out, asked.source, *_read_of(asked.tokenizer), size=found.size_bytes())
    with new_folder(out) as folder:
        copied = _COPY[found.format](found.model, folder)
        manifest = _described(found, asked, copied, folder)
        if reads_table(manifest.task):
            write_table(folder, manifest.max_length, progress)
        opened = _opened(runtime, folder / model_files(found.format)[0])
        trial = Trial.of(opened, manifest, folder)
        output, logits = trial.outputs()
        trial.run_longest(manifest.max_length)
        count = logits.shape[-1]
        vector = has_vectors(manifest.task)
        labels = dimension_names(count) if vector else labels_of(found, asked.labels, count)
        single = any(spec.shape[0] == 1 for spec in opened.inputs)
        for warning in _warnings(
            labels, copied, single=single, normalized=looks_normalized(logits)
        ):
            progress.warn(warning)
        artifact = write_artifact(
            folder,
            format=found.format,
            precision=copied.precision,
            task=manifest.task,
            labels=labels,
            max_length=manifest.max_length,
            inputs=tuple(map(_named_shape, opened.inputs)),
            outputs=(output._replace(shape=answer_shape(manifest.task, labels)),),
            parameters=copied.parameters,
            history=(_record(found, copied, time.perf_counter() - started),),
            model_type=str(found.config.get("model_type") or UNKNOWN),
        )
    return dataclasses.replace(artifact, path=out)


def _opened(runtime: Runtime, model: Path) -> Opened:
    """Open the model; what the runtime refuses is bad input here."""
    try:
        return runtime.open(model, 1)
    except BackendError as error:
        raise UnsupportedError(
            f"{runtime.name} does not take the model ({first_line(error)})",
            expected=f"a model that the installed {runtime.name} runs",
            action="check that the tool that made it can run it, or export it again",
        ) from error


def _described(found: Found, asked: Import, copied: Copied, folder: Path) -> Manifest:
    """Copy the tokenizer, and return what is known of the model before it ran."""
    tokenizer = tokenizer_folder(found, asked.tokenizer)
    length = max_length_of(found, tokenizer, asked.max_length, copied.positions)
    copy_tokenizer(tokenizer, folder, found.config, length)
    return Manifest(found.format, _task(found, asked.task), (), length)


def _task(found: Found, asked: str | None) -> str:
    """Return the model's task; raise UnsupportedError where config.json names another problem."""
    task = canonical_task(asked or task_in(found.config))
    if found.config.get("problem_type") and task in PROBLEMS:
        require_problem(found.place, found.config, PROBLEMS[task])
    return task


def _record(found: Found, copied: Copied, seconds: float) -> StageRecord:
    settings: dict[str, Any] = {"model": found.model.name, "producer": copied.producer}
    return StageRecord("import", settings, round(seconds, 3), tool_versions())


def _read_of(tokenizer: Path | None) -> list[Path]:
    """Return the files of a tokenizer's folder, which a result may lie inside of."""
    return [path for path in tokenizer.iterdir() if path.is_file()] if tokenizer else []


def _named_shape(spec: TensorSpec) -> TensorSpec:
    batch = spec.shape[0] if isinstance(spec.shape[0], int) else "batch"
    return spec._replace(shape=(batch, "sequence"))


def _warnings(
    labels: tuple[str, ...], copied: Copied, *, single: bool, normalized: bool
) -> list[str]:
    warnings = []
    if all(map(_UNNAMED.fullmatch, labels)):
        warnings.append(
            f"its labels are called {labels[0]} to {labels[-1]}: name them with --labels, as the"
            " rows that it is measured on name them"
        )
    if normalized:
        warnings.append(
            "its output looks like probabilities: figures that compare logits (KL) mean nothing;"
            " export it without the softmax"
        )
    if single:
        warnings.append("it takes one text at a time: throughput in batches cannot be measured")
    if copied.widened:
        warnings.append(f"its int32 inputs take int64 now: {', '.join(copied.widened)}")
    return warnings
