"""Answers of a deployable model, row by row, as on a device."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from compress.answers import Answers
from compress.answers.kept import kept_answers
from compress.progress import Progress
from compress.storage.sources import code_digest
from profiles.job import Job
from runtimes.artifact import Artifact
from runtimes.digest import stable_hash
from runtimes.runtime import RUNTIMES
from runtimes.samples import Variant
from runtimes.soundness import require_sound
from runtimes.tasks import TASKS


def answers(
    artifact: Artifact,
    runtime: str,
    rows: Sequence[Any],
    *,
    threads: int,
    progress: Progress,
    name: str,
    shared: Path | None = None,
    device: Job | None = None,
) -> Answers:
    """Return the answer to each row alone, at its own length.

    The bundle's own code computes them, on the device or else on this machine, so the report
    describes what is deployed. Answers are kept in `shared` by the model's digest, the runtime's
    version, the code that answers, the rows and, where it is another machine, the device.

    Raises BackendError when the runtime does not load the model or fails on a row,
    AnswerError when the answers are none.
    """
    device = device or Job()
    variant = Variant(name, artifact, runtime, threads)
    found = kept_answers(
        _file(variant, rows, shared, device),
        len(rows),
        lambda: _run(variant, rows, progress, device),
    )
    require_sound(rows, found, name)
    return found


def _run(variant: Variant, rows: Sequence[Any], progress: Progress, device: Job) -> Answers:
    with progress.task(f"accuracy of {variant.name}", len(rows)) as advance:
        return device.answers(variant, rows, advance=advance)


def _file(variant: Variant, rows: Sequence[Any], shared: Path | None, device: Job) -> Path | None:
    if shared is None or not rows:
        return None
    artifact, runtime = variant.artifact, variant.runtime
    key = [artifact.digest, runtime, *_place(variant, rows, device), *_code(variant)]
    return shared / f"answers-{stable_hash([*key, list(rows)])[:32]}.npz"


def _code(variant: Variant) -> list[str]:
    """Return the digests of the code that answers."""
    classes = (RUNTIMES.row(variant.runtime), TASKS.row(variant.artifact.task))
    modules = ("runtimes.serve", *(row.partition(":")[0] for row in classes))
    return [code_digest(module) for module in modules]


def _place(variant: Variant, rows: Sequence[Any], device: Job) -> list[str]:
    """Return the version of the runtime that answers and, elsewhere, the device."""
    if device.here:
        return [str(RUNTIMES.resolve(variant.runtime)().availability().version)]
    return [device.runtime_version(variant, rows[0]), device.facts().fingerprint()]
