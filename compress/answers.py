"""What a deployable model answers, row by row, as it will on a device."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from compress.kept_logits import kept_logits
from compress.stage import Progress
from runtimes import agent
from runtimes.artifact import Artifact
from runtimes.errors import BackendError
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
    kept in `shared` by the model's digest, the runtime's version and the texts.
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
    try:
        classifier = agent.load(artifact.path, threads=threads, runtime=runtime)
        logits = np.zeros((len(texts), len(artifact.labels)), dtype=np.float32)
        with progress.task(f"accuracy of {name}", len(texts)) as advance:
            for row, text in enumerate(texts):
                logits[row] = classifier.logits(text)
                if (row + 1) % _CHUNK == 0 or row + 1 == len(texts):
                    advance((row % _CHUNK) + 1, "")
    except agent.AgentError as error:
        raise BackendError(str(error)) from error
    return logits


def _file(
    artifact: Artifact, runtime: str, texts: Sequence[str], shared: Path | None
) -> Path | None:
    if shared is None:
        return None
    from importlib.metadata import version

    key = [artifact.digest, artifact.max_length, runtime, version(runtime), list(texts)]
    return shared / f"answers-{stable_hash(key)[:32]}.npy"
