"""What a deployable model answers, row by row, as it will on a device."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from compress.answers.kept import kept_logits
from compress.progress import Progress
from profiles.job import Job
from runtimes.artifact import Artifact
from runtimes.files import stable_hash
from runtimes.runtime import RUNTIMES
from runtimes.samples import Variant


def answers(
    artifact: Artifact,
    runtime: str,
    texts: Sequence[str],
    *,
    threads: int,
    progress: Progress,
    name: str,
    shared: Path | None = None,
    device: Job | None = None,
) -> NDArray[np.float32]:
    """Return logits of shape (rows, classes), each text alone at its own length.

    The bundle's own code runs them, on the device or else on this machine, so that what is
    reported is what is deployed. Answers are kept in `shared` by the model's digest, the
    runtime's version, the texts and, where it is another machine, the device. Raises
    BackendError when the runtime does not load the model or fails on a row.
    """
    device = device or Job()
    variant = Variant(name, artifact, runtime, threads)
    return kept_logits(
        _file(variant, texts, shared, device),
        (len(texts), len(artifact.labels)),
        lambda: _run(variant, texts, progress, device),
    )


def _run(
    variant: Variant, texts: Sequence[str], progress: Progress, device: Job
) -> NDArray[np.float32]:
    with progress.task(f"accuracy of {variant.name}", len(texts)) as advance:
        found = device.answers(variant, texts, advance=advance)
    return np.stack(found) if found else np.zeros((0, len(variant.artifact.labels)), np.float32)


def _file(variant: Variant, texts: Sequence[str], shared: Path | None, device: Job) -> Path | None:
    if shared is None or not texts:
        return None
    artifact, runtime = variant.artifact, variant.runtime
    key = [artifact.digest, artifact.max_length, runtime, *_place(variant, texts, device)]
    return shared / f"answers-{stable_hash([*key, list(texts)])[:32]}.npy"


def _place(variant: Variant, texts: Sequence[str], device: Job) -> list[str]:
    """Return the version of the runtime that answers and, elsewhere, the device."""
    if device.here:
        return [str(RUNTIMES.resolve(variant.runtime)().availability().version)]
    return [device.runtime_version(variant, texts[0]), device.facts().fingerprint()]
