"""manifest.json of a package: every file with its digest, and whether they are unchanged."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from compress.package.archive import files_of
from runtimes.errors import ArtifactError
from runtimes.files import file_sha256, stable_hash, write_json
from runtimes.parsing import parse_json

MANIFEST = "manifest.json"
SCHEMA_VERSION = 1
_OWN = "manifest_digest"
_SHOWN = 5


def write_contents(folder: Path, content: Mapping[str, Any]) -> dict[str, Any]:
    """Write the manifest of a finished package, and return its content."""
    files = {name: _described(path) for name, path in _files(folder).items()}
    plain = json.loads(json.dumps({"schema_version": SCHEMA_VERSION, **content, "files": files}))
    written = {**plain, _OWN: stable_hash(plain)}
    write_json(folder / MANIFEST, written)
    return written


def verify_package(folder: Path) -> dict[str, Any]:
    """Return a package's manifest, checked with every file of the folder.

    Raises ArtifactError for a folder that is no package, an edited manifest, and a file that is
    missing, was added or changed, or is a symbolic link.
    """
    content = _read(folder)
    listed, found = content["files"], _files(folder)
    faults = [f"{name} is missing" for name in sorted(listed.keys() - found.keys())]
    faults += [f"{name} was added" for name in sorted(found.keys() - listed.keys())]
    for name in sorted(listed.keys() & found.keys()):
        if found[name].is_symlink():
            faults.append(f"{name} is a symbolic link")
        elif _described(found[name]) != listed[name]:
            faults.append(f"{name} was changed")
    if faults:
        more = [f"{len(faults) - _SHOWN} more"] if len(faults) > _SHOWN else []
        raise ArtifactError(
            f"{folder}: the files do not match {MANIFEST}",
            expected=f"the {len(listed)} files that it lists, as they were written",
            available="; ".join([*faults[:_SHOWN], *more]),
            action="copy the package again, or make it again",
        )
    return content


def _read(folder: Path) -> dict[str, Any]:
    path = folder / MANIFEST
    try:
        content = parse_json(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise _no_manifest(folder, str(error)) from error
    if not isinstance(content, dict) or content.get("schema_version") != SCHEMA_VERSION:
        raise _no_manifest(folder, f"no manifest of schema_version {SCHEMA_VERSION}")
    if content.get(_OWN) != _digest({key: content[key] for key in content if key != _OWN}):
        raise ArtifactError(
            f"{path}: it is not as it was written",
            expected=f"the content of its {_OWN}",
            action="copy the package again; the manifest was edited",
        )
    return content


def _digest(content: Mapping[str, Any]) -> str | None:
    """Return the digest of a manifest's content; None for text that UTF-8 cannot hold."""
    try:
        return stable_hash(content)
    except UnicodeEncodeError:
        return None


def _no_manifest(folder: Path, why: str) -> ArtifactError:
    return ArtifactError(
        f"{folder}: not a package ({why})",
        expected=f"a folder with {MANIFEST}, as `edgepress package` writes it",
        action="give the folder that was --out",
    )


def _files(folder: Path) -> dict[str, Path]:
    """Return the files below a folder but its manifest, by their names with `/`."""
    found = {path.relative_to(folder).as_posix(): path for path in files_of(folder)}
    found.pop(MANIFEST, None)
    return found


def _described(path: Path) -> dict[str, Any]:
    return {"size_bytes": path.stat().st_size, "sha256": file_sha256(path)}
