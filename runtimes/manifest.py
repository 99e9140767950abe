"""artifact.json: read with strict types, and only as it was written.

It holds a digest of its own content, in which the files' digests stand. So a single change to it,
or to a file that it lists, is found.
"""

from __future__ import annotations

import os

from runtimes import fields
from runtimes.digest import stable_hash
from runtimes.errors import ArtifactError
from runtimes.lean_json import dumps, loads
from runtimes.lean_typing import TYPE_CHECKING, NamedTuple
from runtimes.listed import MANIFEST, ListedFile, files_from_json

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path
    from typing import Any

    from _typeshed import StrPath

SCHEMA_VERSION = 3
MOST_BYTES = 64 * 2**20
"""No manifest is larger; a sharded model's has some hundred kB."""
MOST_TOKENS = 2**31 - 1

_OWN = "manifest_digest"


class Manifest(NamedTuple):
    """Say what a folder's model is, of which files, and what runs it.

    `inputs` names the model's. In a bundle `runtimes` and `task_class` name the classes, as
    "module:Class"; elsewhere the registries do.
    """

    format: str
    task: str
    labels: tuple[str, ...]
    max_length: int
    files: Mapping[str, ListedFile] = {}
    runtimes: Mapping[str, str] = {}
    task_class: str = ""
    inputs: tuple[str, ...] = ()


def read_manifest(folder: StrPath) -> Manifest:
    """Read what running a folder's model needs of its manifest.

    Raises ArtifactError as `read_content` does, and for a field that is missing or of another type.
    """
    content = read_content(folder)
    try:
        return Manifest(
            format=fields.text(content, "format"),
            task=fields.text(content, "task"),
            labels=fields.texts(content, "labels"),
            max_length=fields.whole(content, "max_length", 1, MOST_TOKENS),
            files=files_from_json(fields.mapping(content, "files")),
            runtimes=fields.named_texts(content, "runtimes") if "runtimes" in content else {},
            task_class=fields.text(content, "task_class") if "task_class" in content else "",
            inputs=tuple(fields.text(row, "name") for row in fields.rows(content, "inputs")),
        )
    except ValueError as error:
        raise malformed(folder, error) from error


def read_content(folder: StrPath) -> dict[str, Any]:
    """Read a folder's manifest as JSON.

    Raises ArtifactError when it is missing, damaged, of another schema, or was edited.
    """
    content = _parsed(folder)
    version = content.get("schema_version") if isinstance(content, dict) else None
    if type(version) is not int or version != SCHEMA_VERSION:
        raise ArtifactError(
            f"{os.path.join(folder, MANIFEST)}: schema_version {version!r}",
            expected=str(SCHEMA_VERSION),
            action="make the artifact again with this version of edgepress",
        )
    written = content.pop(_OWN, None)
    if written is None or written != _digest(content):
        raise ArtifactError(
            f"{os.path.join(folder, MANIFEST)}: it is not as it was written",
            expected=f"the content of its {_OWN}",
            available=str(written)[:70],
            action="make or copy the artifact again; the manifest was edited",
        )
    return dict(content)


def _digest(content: Mapping[str, Any]) -> str | None:
    """Return the digest of a manifest's content; None for text that UTF-8 cannot hold."""
    try:
        return stable_hash(content)
    except UnicodeEncodeError:
        return None


def write_content(folder: Path, content: Mapping[str, Any]) -> None:
    """Write a manifest, with the schema's version and the digest of its own content."""
    from runtimes.files import write_json

    plain = loads(dumps({"schema_version": SCHEMA_VERSION, **content}))
    write_json(folder / MANIFEST, {**plain, _OWN: stable_hash(plain)})


def malformed(folder: StrPath, error: Exception) -> ArtifactError:
    """Return the error for a manifest that lacks a field or has one of another type."""
    return ArtifactError(
        f"{os.path.join(folder, MANIFEST)}: a field is missing or malformed ({error})",
        expected=f"a manifest of schema_version {SCHEMA_VERSION}",
        action="make the artifact again with this version of edgepress",
    )


def _parsed(folder: StrPath) -> Any:
    path = os.path.join(folder, MANIFEST)
    if not os.path.isfile(path):
        raise ArtifactError(
            f"{folder}: not an artifact folder",
            expected=f"a folder with {MANIFEST}, as every edgepress step writes it",
            available="no such folder" if not os.path.isdir(folder) else "a folder without it",
            action="give an artifact's folder or a bundle's",
        )
    if (size := os.path.getsize(path)) > MOST_BYTES:
        raise ArtifactError(
            f"{path}: {size:,} bytes",
            expected=f"at most {MOST_BYTES:,}",
            action="make or copy the artifact again",
        )
    try:
        with open(path, encoding="utf-8") as stream:
            return loads(stream.read())
    except (ValueError, RecursionError) as error:
        raise ArtifactError(
            f"{path}: not JSON ({error})", action="make or copy the artifact again"
        ) from error
