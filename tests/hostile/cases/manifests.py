"""artifact.json: edited by hand, and written anew with values that it does not expect."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

from tests.hostile.case import BAD_INPUT, TOLERATED, Case, Cases
from tests.hostile.ground import PREDICT
from tests.hostile.sealing import write_sealed
from tests.hostile.values import STRANGE, changed, deep, json_text, without

KIND = "manifest"
REFUSED = (1, 2)
"""Bad input, or a model that does not give what its labels ask for."""
COMMANDS = (PREDICT, ("verify", "onnx"))
_LISTED = {"size_bytes": 1, "sha256": "0" * 64}
FIELDS = ("format", "task", "labels", "max_length", "files", "inputs", "outputs", "parameters")
_RAW = {
    "empty": "",
    "an array": "[]",
    "null": "null",
    "cut": '{"schema_version": 3, "form',
    "nested 100,000 levels": deep(100_000),
    "a number of 5,000 digits": '{"schema_version": ' + "9" * 5000 + "}",
}


def cases() -> Cases:
    """Yield the cases: raw texts, edits of the text, and fields of a manifest that is sealed."""
    for arguments in COMMANDS:
        for name, raw in _RAW.items():
            yield Case(KIND, f"{arguments[0]}, {name}", arguments, _written(raw), BAD_INPUT)
        for field in FIELDS:
            name = f"{arguments[0]}, sealed without {field}"
            yield Case(KIND, name, arguments, _sealed(_dropped(field)), TOLERATED)
            for said, value in STRANGE.items():
                named = f"{arguments[0]}, sealed, {field} is {said}"
                codes = BAD_INPUT if field in ("max_length", "files") else TOLERATED
                if field == "labels":
                    codes = REFUSED
                yield Case(KIND, named, arguments, _sealed(_set(field, value)), codes)
        for name, edit in _EDITS.items():
            yield Case(KIND, f"{arguments[0]}, edited: {name}", arguments, _edited(edit))
        for name, edit in _EDITS.items():
            sealed = Case(KIND, f"{arguments[0]}, sealed: {name}", arguments, _sealed(edit))
            yield replace(sealed, codes=_SEALED.get(name, BAD_INPUT))


_SEALED = {
    "labels in another order": TOLERATED,
    "one label too few": REFUSED,
    "one label too many": REFUSED,
    "another task": TOLERATED,
}
"""A manifest that edgepress could have written: its folder is intact. Its model may not fit it."""


def _dropped(field: str) -> Callable[[Any], Any]:
    return lambda content: without(content, (field,)) if field in content else content


def _set(field: str, value: Any) -> Callable[[Any], Any]:
    return lambda content: changed(content, (field,), value)


_EDITS: dict[str, Callable[[Any], Any]] = {
    "labels in another order": lambda c: {**c, "labels": c["labels"][::-1]},
    "a label twice": lambda c: {**c, "labels": [c["labels"][0]] * len(c["labels"])},
    "one label too few": lambda c: {**c, "labels": c["labels"][:-1]},
    "one label too many": lambda c: {**c, "labels": [*c["labels"], "z"]},
    "no text at all": lambda c: {**c, "max_length": 0},
    "a file upwards": lambda c: {
        **c,
        "files": {**c["files"], "../x": _LISTED},
    },
    "an absolute file": lambda c: {
        **c,
        "files": {**c["files"], "/etc/passwd": _LISTED},
    },
    "a file that is missing": lambda c: {
        **c,
        "files": {**c["files"], "more.onnx": _LISTED},
    },
    "a size below zero": lambda c: {
        **c,
        "files": {name: {**file, "size_bytes": -1} for name, file in c["files"].items()},
    },
    "another format": lambda c: {**c, "format": "openvino"},
    "another task": lambda c: {**c, "task": "token-classification"},
}


def _written(raw: str) -> Callable[[Path], object]:
    return lambda folder: (folder / "onnx" / "artifact.json").write_text(raw)


def _edited(edit: Callable[[Any], Any]) -> Callable[[Path], None]:
    """Edit the text, and leave the digest of its content as it was."""

    def prepare(folder: Path) -> None:
        place = folder / "onnx" / "artifact.json"
        place.write_text(json_text(edit(json.loads(place.read_text()))))

    return prepare


def _sealed(edit: Callable[[Any], Any]) -> Callable[[Path], None]:
    """Write another manifest as edgepress itself would."""

    def prepare(folder: Path) -> None:
        place = folder / "onnx" / "artifact.json"
        content = json.loads(place.read_text())
        write_sealed(folder / "onnx", json.loads(json_text(edit(content))))

    return prepare
