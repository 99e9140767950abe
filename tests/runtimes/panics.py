"""Tokenizer files that make the library panic, when it reads them or when it encodes a text."""

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import Any

from runtimes.artifact import is_artifact
from tests.runtimes.sealed import resealed

_TEMPLATE = {
    "type": "TemplateProcessing",
    "single": [
        {"SpecialToken": {"id": "[X]", "type_id": 0}},
        {"Sequence": {"id": "A", "type_id": 0}},
    ],
    "pair": [],
    "special_tokens": {},
}


def _charsmap(content: bytes) -> dict[str, str]:
    return {"type": "Precompiled", "precompiled_charsmap": base64.b64encode(content).decode()}


ON_READING: dict[str, dict[str, Any]] = {
    "a normalizer's short table": {"normalizer": _charsmap(b"\0\0\0")},
    "a prefix that is longer than a piece": {
        "model": {
            "type": "BPE",
            "vocab": {"a": 0, "b": 1, "é": 3, "éb": 2},
            "merges": [["é", "b"]],
            "continuing_subword_prefix": "é##",
        }
    },
}
ON_TEXTS: dict[str, dict[str, Any]] = {
    "a normalizer's wrong table": {"normalizer": _charsmap(b"\x04\0\0\0abcd\0")},
    "a template without its token": {"post_processor": _TEMPLATE},
    "pieces of no length": {"pre_tokenizer": {"type": "FixedLength", "length": 0}},
}


def harm_tokenizer(folder: Path, parts: dict[str, Any]) -> None:
    """Replace parts of a folder's tokenizer.json; its manifest, if it has one, fits the result."""
    path = folder / "tokenizer.json"
    content = json.loads(path.read_text(encoding="utf-8"))
    path.write_text(json.dumps({**content, **parts}), encoding="utf-8")
    if is_artifact(folder):
        resealed(folder)
