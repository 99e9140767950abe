"""What running a model needs of its artifact.json: no more than a bundle carries."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from runtimes.errors import ArtifactError

MANIFEST = "artifact.json"


class Manifest(NamedTuple):
    """Say what a folder's model is and what runs it.

    In a bundle `runtimes` and `task_class` name the classes, as "module:Class"; elsewhere the
    registries do.
    """

    format: str
    task: str
    labels: tuple[str, ...]
    max_length: int
    runtimes: Mapping[str, str] = {}
    task_class: str = ""


def read_manifest(folder: Path) -> Manifest:
    """Read a folder's manifest; raise ArtifactError when it is missing, damaged or foreign."""
    path = folder / MANIFEST
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        return _manifest(content)
    except FileNotFoundError:
        raise ArtifactError(
            f"{path}: no such file", action="give an artifact folder with --model FOLDER"
        ) from None
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ArtifactError(f"{path}: not an artifact's manifest ({error!r})") from None


def _manifest(content: dict[str, Any]) -> Manifest:
    return Manifest(
        format=str(content["format"]),
        task=str(content["task"]),
        labels=tuple(content["labels"]),
        max_length=int(content["max_length"]),
        runtimes=dict(content.get("runtimes", {})),
        task_class=str(content.get("task_class", "")),
    )
