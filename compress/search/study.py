"""The file of a search's results, one a line: a killed search resumes from it."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

from compress.search.shape import Shape
from compress.search.trial import Latency, Trial, trial_from_json
from runtimes.errors import ArtifactError
from runtimes.files import write_bytes
from runtimes.parsing import parse_json


class Study:
    """Keep trials, latencies and sizes as JSON lines; each is on disk before the next step.

    Lines of another `identity` (machine, data, code) stay in the file and are ignored. Only one
    process at a time may use it. Raises ArtifactError for a damaged file.
    """

    def __init__(self, path: Path, identity: str) -> None:
        self._path = path
        self._identity = identity
        self._trials: list[Trial] = []
        self._latencies: dict[str, Latency] = {}
        self._sizes_mb: dict[str, float] = {}
        for line in _lines(path):
            if line["study"] == identity:
                self._take(line)

    @property
    def trials(self) -> tuple[Trial, ...]:
        """Return every finished training, in order of time."""
        return tuple(self._trials)

    def latency(self, shape: Shape) -> Latency | None:
        """Return a shape's latency, if it was measured."""
        return self._latencies.get(shape.timed_as.name)

    def size_mb(self, shape: Shape) -> float | None:
        """Return a shape's size, if it was made."""
        return self._sizes_mb.get(shape.name)

    def keep_trial(self, trial: Trial) -> None:
        """Keep a finished training."""
        self._keep({"trial": trial.to_json()})

    def keep_latency(self, shape: Shape, latency: Latency) -> None:
        """Keep a shape's latency."""
        self._keep({"timed_as": shape.timed_as.name, "latency": asdict(latency)})

    def keep_size(self, shape: Shape, size_mb: float) -> None:
        """Keep a shape's size."""
        self._keep({"shape": shape.name, "size_mb": size_mb})

    def _keep(self, content: dict[str, Any]) -> None:
        self._path.parent.mkdir(parents=True, exist_ok=True)
        with self._path.open("a", encoding="utf-8") as stream:
            stream.write(json.dumps({"study": self._identity, **content}) + "\n")
            stream.flush()
            os.fsync(stream.fileno())
        self._take(content)

    def _take(self, content: dict[str, Any]) -> None:
        match content:
            case {"trial": trial}:
                self._trials.append(trial_from_json(trial))
            case {"timed_as": name, "latency": latency}:
                self._latencies[name] = Latency(**latency)
            case {"shape": name, "size_mb": size_mb}:
                self._sizes_mb[name] = size_mb


def _lines(path: Path) -> Iterator[dict[str, Any]]:
    """Yield a study's lines; an incomplete last line is cut off."""
    content = path.read_bytes() if path.exists() else b""
    whole = content[: content.rfind(b"\n") + 1]
    if whole != content:
        write_bytes(path, whole)
    for number, line in enumerate(whole.splitlines(), 1):
        try:
            record = parse_json(line)
            record["study"]
        except (ValueError, TypeError, KeyError) as error:
            raise ArtifactError(
                f"{path}: line {number} is damaged ({error})",
                expected="lines that a search wrote",
                action="begin another study with --fresh",
            ) from error
        yield record
