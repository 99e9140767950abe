"""A file of raw samples, with all that it takes to judge them again: `gate --samples`."""

from __future__ import annotations

import base64
import json
import secrets
import zlib
from collections.abc import Mapping, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np

from compress.answers import Answers
from compress.judge.evaluation import Candidate, Evaluation
from compress.judge.evidence import now
from profiles.job import Job
from runtimes.digest import stable_hash
from runtimes.files import write_text

SCHEMA = 1


class SessionFile:
    """Write the lines of a session that no process measures; without a path, none are written.

    `runtimes.measure` appends the samples to the same file.
    """

    def __init__(self, path: Path | None) -> None:
        self._path = path

    def begin(self, content: Mapping[str, Any]) -> None:
        """Replace the file by one that has the session's first line alone."""
        if self._path:
            write_text(self._path, _line("session", content))

    def add(self, kind: str, content: Mapping[str, Any]) -> None:
        """Add a line."""
        if self._path:
            with self._path.open("a", encoding="utf-8") as lines:
                lines.write(_line(kind, content))


def _line(kind: str, content: Mapping[str, Any]) -> str:
    return json.dumps({"kind": kind, **content}) + "\n"


def heading(evaluation: Evaluation, device: Job, threads: int, looks: Sequence[int]) -> Any:
    """Return a session's first line: what is measured, on which machine, on which rows.

    It holds no text of the rows, only their digest and their targets.
    """
    judged = next(one for one in evaluation.candidates if one.name == evaluation.judged)
    return {
        "schema_version": SCHEMA,
        "id": secrets.token_hex(8),
        "edgepress": version("edgepress"),
        "created": now(),
        "tier": evaluation.tier,
        "seed": evaluation.seed,
        "looks": list(looks),
        "judged": evaluation.judged,
        "reference": evaluation.reference,
        "transport": device.transport.kind,
        "machine": device.facts().to_json(),
        "rows": len(evaluation.rows),
        "rows_digest": stable_hash(list(evaluation.rows.inputs)),
        "task": judged.artifact.task,
        "labels": list(judged.artifact.labels),
        "targets": list(evaluation.rows.targets),
        "models": [_model(candidate, threads) for candidate in evaluation.candidates],
    }


def _model(candidate: Candidate, threads: int) -> dict[str, Any]:
    artifact = candidate.artifact
    return {
        "variant": candidate.name,
        "name": artifact.path.name,
        "digest": artifact.digest,
        "format": artifact.format,
        "size_mb": artifact.size_mb,
        "runtime": candidate.runtime,
        "threads": threads,
        "settings": {record.kind: dict(record.settings) for record in artifact.history},
    }


def packed(answers: Answers) -> dict[str, Any]:
    """Return answers as JSON values: their shapes, and their float32 values, deflated, in base64.

    A single shape is that of every answer.
    """
    shapes = [list(answer.shape) for answer in answers]
    same = all(shape == shapes[0] for shape in shapes)
    values = b"".join(np.asarray(answer, dtype="<f4").tobytes() for answer in answers)
    return {
        "rows": len(answers),
        "shapes": shapes[:1] if same else shapes,
        "values": base64.b64encode(zlib.compress(values)).decode(),
    }


def unpacked(content: Mapping[str, Any]) -> Answers:
    """Return the answers that `packed` wrote.

    Raises KeyError or ValueError (also zlib.error) for damaged content.
    """
    count, shapes = int(content["rows"]), [tuple(shape) for shape in content["shapes"]]
    shapes = shapes * count if len(shapes) == 1 else shapes
    values = np.frombuffer(zlib.decompress(base64.b64decode(content["values"])), dtype="<f4")
    ends = np.cumsum([int(np.prod(shape)) for shape in shapes])
    if len(shapes) != count or (count and ends[-1] != len(values)):
        raise ValueError(f"{len(values)} values for {count} answers")
    parts = np.split(values, ends[:-1]) if count else []
    return [
        part.reshape(shape).astype(np.float32) for part, shape in zip(parts, shapes, strict=True)
    ]
