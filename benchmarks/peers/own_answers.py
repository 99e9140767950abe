"""Let a peer whose format no runtime loads answer texts itself, and time itself."""

from __future__ import annotations

import json
import subprocess
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from benchmarks.peers.environments import interpreter, surroundings
from benchmarks.peers.job import MODEL_FILE, last_line
from benchmarks.peers.make import PeerModel
from compress.places import cache_root
from profiles.scores import RowScores
from runtimes.errors import BackendError

_LONGEST_S = 600.0


@dataclass(frozen=True, slots=True)
class OwnAnswers:
    """Hold the class that a model gives each text, and its latencies from text to label."""

    model: PeerModel
    size_mb: float
    classes: tuple[int, ...]
    latency_ms: tuple[float, ...]

    def scores(self, targets: Sequence[int]) -> RowScores:
        """Return which rows are right."""
        return RowScores.right([a == b for a, b in zip(self.classes, targets, strict=True)])

    def latency(self, quantile: float) -> float:
        """Return a quantile of the latencies, in milliseconds."""
        return float(np.quantile(self.latency_ms, quantile))


def own_answers(
    model: PeerModel, texts: Sequence[str], *, environments: Path | None = None
) -> OwnAnswers:
    """Run benchmarks/peers/PEER_answers.py on texts, in the peer's environment, in one thread.

    Raises BackendError where it fails.
    """
    assert model.path is not None  # the caller has a model
    file = model.path / MODEL_FILE[model.format]
    python = interpreter(model.peer, environments or cache_root() / "peers")
    with tempfile.TemporaryDirectory(prefix="edgepress-") as scratch:
        asked, said = Path(scratch) / "texts.json", Path(scratch) / "answers.json"
        asked.write_text(json.dumps(list(texts)), encoding="utf-8")
        module = f"benchmarks.peers.{model.peer}_answers"
        done = subprocess.run(
            [str(python), "-m", module, str(file), str(asked), str(said)],
            env=surroundings(),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=_LONGEST_S,
        )
        if done.returncode:
            raise BackendError(
                f"{model.name}: its answers ended with {done.returncode}: {last_line(done.stdout)}",
                action="leave this peer out",
            )
        content = json.loads(said.read_text(encoding="utf-8"))
    return OwnAnswers(
        model,
        file.stat().st_size / 1e6,
        tuple(content["classes"]),
        tuple(content["latency_ms"]),
    )
