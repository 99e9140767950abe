"""Whether a package answers as its bundle does, in a process that has nothing but the package."""

from __future__ import annotations

import json
import math
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from compress.package.interpreter import Interpreter
from compress.package.layout import Laid
from runtimes.errors import QualityError
from runtimes.predict import open_predictor
from runtimes.request_body import row_like, shown

ROWS = (
    "my card has not arrived",
    "The app crashes when I open it!",
    "Où est ma carte ?",
    "1234 5678",
    "a",
    "thank you " * 200,
)
"""What is asked where no rows are given: short and long texts, letters outside of ASCII."""

_AT_ONCE = 4
"""Texts an event: as many of the longest that the function takes are within its bytes."""

_LIMIT_S = 3600.0
SCORE_TOLERANCE = 1e-4

_PROGRAM = """
import contextlib, importlib, json, os, sys
names, *folders = sys.argv[1:]
sys.path[:0] = folders
with contextlib.redirect_stdout(sys.stderr):
    module, *_ = [importlib.import_module(name) for name in names.split(",")]
    def ask(texts):
        if hasattr(module, "handler"):
            return module.handler({"texts": texts}, None)
        return {"statusCode": 200, "answers": module.predict(texts)}
    replies = [ask(texts) for texts in json.load(sys.stdin)]
files = [os.path.abspath(m.__file__) for m in sys.modules.values() if getattr(m, "__file__", None)]
library = os.path.dirname(os.__file__)
places = tuple(os.path.abspath(folder) + os.sep for folder in (*folders, library))
print(json.dumps({"replies": replies, "foreign": [f for f in files if not f.startswith(places)]}))
"""
"""-I and -S keep every other folder of packages off the path; what came from one is told."""


@dataclass(frozen=True, slots=True)
class Checked:
    """Say how many rows were compared and how far scores differ, or why none were."""

    rows: int = 0
    largest_score_difference: float = 0.0
    emulated: bool = False
    why_not: str = ""

    def line(self) -> str:
        """Return the result as one line for people."""
        if self.why_not:
            return f"not checked, and its modules not compiled: {self.why_not}"
        how = " under QEMU" if self.emulated else ""
        return f"{self.rows} rows answered as by the bundle{how}, in a process of its own"


def check_function(
    laid: Laid, bundle: Path, rows: Sequence[Any], interpreter: Interpreter
) -> Checked:
    """Let a package answer rows in a fresh process, and compare with the bundle.

    Rows of words are asked as a text of them. Labels are the same, and scores on this machine's
    own processor within 1e-4: another processor's kernels round otherwise. Raises QualityError for
    a difference or a failure.
    """
    if not interpreter.command:
        return Checked(why_not=interpreter.why_not)
    predictor = open_predictor(bundle, bundled=True)
    texts = [_asked(predictor.task, row) for row in rows]
    given = _answers(laid, texts, interpreter)
    wanted = [shown(predictor, text, 0) for text in texts]
    differences = [difference(*pair) for pair in zip(given, wanted, strict=True)]
    tolerance = 1.0 if interpreter.emulated else SCORE_TOLERANCE
    wrong = [number for number, one in enumerate(differences, 1) if not one <= tolerance]
    if wrong:
        raise QualityError(
            f"the package answers otherwise than {bundle} on {len(wanted)} rows:"
            f" {len(wrong)} differ, first row {wrong[0]}",
            action="report this; nothing was written",
        )
    return Checked(len(rows), max(differences, default=0.0), interpreter.emulated)


def _asked(task: Any, row: Any) -> Any:
    """Return a row as it is asked: one of words as their text."""
    text = " ".join(row) if isinstance(row, list) else row
    return row_like(task, text) if isinstance(text, str) else text


def difference(one: Any, other: Any) -> float:
    """Return how far the numbers of two answers differ; infinity where anything else does."""
    if isinstance(one, float) and isinstance(other, float):
        return abs(one - other)
    if isinstance(one, dict) and isinstance(other, dict) and one.keys() == other.keys():
        return max((difference(one[key], other[key]) for key in one), default=0.0)
    if isinstance(one, list) and isinstance(other, list) and len(one) == len(other):
        return max(map(difference, one, other), default=0.0)
    return 0.0 if one == other else math.inf


def _answers(laid: Laid, rows: Sequence[Any], interpreter: Interpreter) -> list[dict[str, Any]]:
    batches = [list(rows[at : at + _AT_ONCE]) for at in range(0, len(rows), _AT_ONCE)]
    folders = [str(folder.absolute()) for folder in laid.paths]
    done = subprocess.run(
        [
            *interpreter.command,
            "-I",
            "-S",
            "-B",
            "-c",
            _PROGRAM,
            ",".join((laid.module, *laid.starts)),
            *folders,
        ],
        input=json.dumps(batches),
        env={},
        cwd=laid.paths[0],
        capture_output=True,
        encoding="utf-8",
        timeout=_LIMIT_S,
        check=False,
    )
    if done.returncode != 0:
        raise _failed(done.stderr.strip()[-600:] or f"exit code {done.returncode}")
    said = json.loads(done.stdout)
    if said["foreign"]:
        raise _failed(f"it imported {said['foreign'][0]}, which is not in the package")
    for batch, reply in enumerate(said["replies"]):
        if reply["statusCode"] != 200:
            logged = f"; {done.stderr.strip()[-300:]}" if reply["statusCode"] == 500 else ""
            raise _failed(f"rows from {batch * _AT_ONCE + 1} on: {reply['error']}{logged}")
    return [answer for reply in said["replies"] for answer in reply["answers"]]


def _failed(said: str) -> QualityError:
    return QualityError(
        f"the package does not answer: {said}",
        action="try other rows; where it fails on all, report this. Nothing was written",
    )
