"""manifest.json of a package: every file with its digest, and whether they are unchanged."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from compress.package.archive import check_zip, files_of
from compress.package.oci import check_image
from runtimes.contents import check_files, describe_files
from runtimes.digest import stable_hash
from runtimes.errors import ArtifactError
from runtimes.files import write_json
from runtimes.listed import ListedFile, files_to_json
from runtimes.parsing import parse_json

MANIFEST = "manifest.json"
SCHEMA_VERSION = 1
_OWN = "manifest_digest"


def write_contents(folder: Path, content: Mapping[str, Any]) -> dict[str, Any]:
    """Write the manifest of a finished package, and return its content."""
    names = [path.relative_to(folder).as_posix() for path in files_of(folder)]
    files = files_to_json(describe_files(folder, names))
    plain = json.loads(json.dumps({"schema_version": SCHEMA_VERSION, **content, "files": files}))
    written = {**plain, _OWN: stable_hash(plain)}
    write_json(folder / MANIFEST, written)
    return written


def verify_package(folder: Path) -> dict[str, Any]:
    """Return a package's manifest, checked with every file of the folder and of its archives.

    Raises ArtifactError for a folder that is no package, an edited manifest, a file that is
    missing, was added or changed, or is a symbolic link, and an archive that holds anything but its
    folder's files.
    """
    content = _read(folder)
    try:
        files = {name: ListedFile(**one) for name, one in content["files"].items()}
        archives = dict(content.get("archives", {}))
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise _no_manifest(folder, f"no list of files: {error}") from error
    check_files(folder, files, MANIFEST, exact=True)
    for archive, source in archives.items():
        check_zip(folder / archive, folder / source)
    if content.get("image"):
        check_image(folder / content["image"])
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
