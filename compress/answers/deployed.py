"""What a deployable model answers, row by row, as it will on a device."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from compress.answers.kept import kept_logits
from compress.progress import Progress
from runtimes import predict
from runtimes.artifact import Artifact
from runtimes.errors import BackendError, first_line
from runtimes.files import stable_hash

_CHUNK = 64


def answers(
    artifact: Artifact,
    runtime: str,
    texts: Sequence[str],
    *,
    threads: int,
    progress: Progress,
    name: str,
    shared: Path | None = None,
) -> NDArray[np.float32]:
    """Return logits of shape (rows, classes), each text alone at its own length.

    The bundle's own code runs them, so that what is reported is what is deployed. Answers are
    kept in `shared` by the model's digest, the runtime's version and the texts. Raises
    BackendError when the runtime refuses the model or fails on a row, ArtifactError on a file
    that is missing or damaged.
    """
    return kept_logits(
        _file(artifact, runtime, texts, shared),
        (len(texts), len(artifact.labels)),
        lambda: _run(artifact, runtime, texts, threads, progress, name),
    )


def _run(
    artifact: Artifact,
    runtime: str,
    texts: Sequence[str],
    threads: int,
    progress: Progress,
    name: str,
) -> NDArray[np.float32]:
    classifier = predict.load(artifact.path, threads=threads, runtime=runtime)
    logits = np.zeros((len(texts), len(artifact.labels)), dtype=np.float32)
    with progress.task(f"accuracy of {name}", len(texts)) as advance:
        for row, text in enumerate(texts):
            logits[row] = _one(classifier, text, row)
            if (row + 1) % _CHUNK == 0 or row + 1 == len(texts):
                advance((row % _CHUNK) + 1, "")
    return logits


def _one(classifier: predict.Classifier, text: str, row: int) -> NDArray[np.float32]:
    try:
        logits: NDArray[np.float32] = classifier.logits(text)
    except Exception as error:  # whatever a runtime raises; the text itself may be private
        raise BackendError(
            f"the model fails on row {row + 1} of the data: {first_line(error)}",
            action="try that row alone: `edgepress predict`",
        ) from error
    return logits


def _file(
    artifact: Artifact, runtime: str, texts: Sequence[str], shared: Path | None
) -> Path | None:
    if shared is None:
        return None
    from importlib.metadata import version

    key = [artifact.digest, artifact.max_length, runtime, version(runtime), list(texts)]
    return shared / f"answers-{stable_hash(key)[:32]}.npy"
