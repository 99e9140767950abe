"""The input and the output of a peer's script.

Every peer's environment imports this file and nothing else of edgepress, so it needs the standard
library only.
"""

from __future__ import annotations

import dataclasses
import importlib.metadata
import json
import re
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

MODEL_FILE = {"onnx": "model.onnx", "openvino": "model.xml", "fasttext": "model.ftz"}
"""The file that a peer's model folder holds, by its format."""

CalibrationText = str | tuple[str, str]
"""A row's text, or both texts of a pair."""

LabeledText = tuple[str, int]
"""A text and the number of its class."""

_HELD_EVERY = 7

RESULTS = "results.json"


@dataclass(frozen=True)
class PeerJob:
    """Hold the input of a peer.

    `teacher` is a transformers folder, `texts` are training rows to calibrate on, cut at
    `max_length` tokens, and `folder` is where the models go, a folder each. `task` is the
    teacher's, as transformers' pipelines name it. `rows` are all training rows in random order, for
    who learns from labels; none where a label is more than a class.
    """

    teacher: Path
    texts: tuple[CalibrationText, ...]
    max_length: int
    folder: Path
    task: str = "text-classification"
    rows: tuple[LabeledText, ...] = ()

    def write(self) -> Path:
        """Write the job into its folder and return the file."""
        file = self.folder / "job.json"
        content = dataclasses.asdict(self)
        file.write_text(json.dumps(content, default=str), encoding="utf-8")
        return file


@dataclass(frozen=True)
class PeerRow:
    """Hold one model that a peer made, or, in `error`, why there is none.

    `seconds` start at the teacher and include the export that a quantized model starts from.
    """

    name: str
    version: str
    format: str
    precision: str
    folder: str
    seconds: float
    error: str = ""


class Script:
    """Make a peer's models one by one; each row is on disk as soon as it exists."""

    def __init__(self, package: str) -> None:
        """Read the job named on the command line; `package` gives every row its version."""
        content = json.loads(Path(sys.argv[1]).read_text(encoding="utf-8"))
        self.teacher = Path(content["teacher"])
        self.texts: list[CalibrationText] = [
            text if isinstance(text, str) else (text[0], text[1]) for text in content["texts"]
        ]
        self.rows: list[LabeledText] = [(text, number) for text, number in content["rows"]]
        self.max_length: int = content["max_length"]
        self.folder = Path(content["folder"])
        self.task: str = content["task"]
        self._package = package
        self._rows: dict[str, PeerRow] = {}

    def make(
        self,
        name: str,
        make: Callable[[Path], object],
        *,
        precision: str,
        format: str = "onnx",  # noqa: A002 - the manifest's own word
        after: str | None = None,
    ) -> Path:
        """Make `make` write the model file at the given path, and return the path.

        `after` names the row that it starts from; any failure becomes the row's error.
        """
        folder = self.folder / re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")
        folder.mkdir()
        file, started, error = folder / MODEL_FILE[format], time.perf_counter(), ""
        before = self._rows[after] if after else None
        try:
            if before and before.error:
                error = f"it starts from {after}, which failed"
            else:
                make(file)
                error = "" if file.is_file() else f"it ended without {file.name}"
        except Exception as caught:  # peers raise any type; the other rows stay valid
            error = f"{type(caught).__name__}: {caught}".splitlines()[0]
        seconds = time.perf_counter() - started + (before.seconds if before else 0.0)
        version = f"{self._package} {importlib.metadata.version(self._package)}"
        self._rows[name] = PeerRow(name, version, format, precision, folder.name, seconds, error)
        rows = [dataclasses.asdict(row) for row in self._rows.values()]
        (self.folder / RESULTS).write_text(json.dumps(rows, indent=2), encoding="utf-8")
        return file


def validation_apart(
    rows: Sequence[LabeledText],
) -> tuple[list[LabeledText], list[LabeledText]]:
    """Return the rows to learn from, and every seventh one to choose settings by.

    Raises ValueError where there is none.
    """
    if not rows:
        raise ValueError("there are no labeled rows: this peer classifies whole texts")
    train = [row for number, row in enumerate(rows) if number % _HELD_EVERY]
    return train, list(rows[::_HELD_EVERY])


def read_rows(folder: Path) -> list[PeerRow]:
    """Return the rows that a script left in its folder; empty if it failed earlier."""
    file = folder / RESULTS
    if not file.is_file():
        return []
    return [PeerRow(**row) for row in json.loads(file.read_text(encoding="utf-8"))]


def last_line(output: str) -> str:
    """Return the last line of a tool's output, which holds Python's error."""
    lines = [line.strip() for line in output.splitlines() if line.strip()]
    return lines[-1][:300] if lines else "it said nothing"


def call(tool: str, *arguments: str | Path) -> None:
    """Run a command line tool of this environment; raise RuntimeError with its last line."""
    command = [str(Path(sys.executable).with_name(tool)), *map(str, arguments)]
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    print(done.stdout, flush=True)
    if done.returncode:
        raise RuntimeError(f"{tool} exited with {done.returncode}: {last_line(done.stdout)}")
