"""Seals: keyed checksums that tell what this user's edgepress kept from what others put there.

A seal is an HMAC-SHA256 (RFC 2104) with a key that only the user can read. It is bound to the name
of what is sealed, which is a digest of all that it depends on.
"""

from __future__ import annotations

import functools
import hashlib
import hmac
import os
import secrets
from contextlib import suppress
from pathlib import Path

from platformdirs import user_state_path

from runtimes.contents import digest_of, list_files
from runtimes.errors import ArtifactError
from runtimes.files import file_sha256, write_bytes
from runtimes.listed import MANIFEST

_KEY_BYTES = 32
_TAG_BYTES = 32
_FOLDER = ".seal"
"""A hidden file has no part in an artifact."""


def sealed(name: str, content: bytes) -> bytes:
    """Return content behind its seal."""
    return _tag("content", name, content) + content


def unsealed(name: str, blob: bytes) -> bytes | None:
    """Return the content behind a seal, None where the seal is not this user's for this name."""
    tag, content = blob[:_TAG_BYTES], blob[_TAG_BYTES:]
    return content if hmac.compare_digest(tag, _tag("content", name, content)) else None


def seal_file(path: Path) -> None:
    """Write a file's seal beside it."""
    write_bytes(_beside(path), _tag("file", path.name, file_sha256(path).encode()))


def is_sealed_file(path: Path) -> bool:
    """Tell whether a file is the one that was sealed under its name."""
    try:
        tag = _beside(path).read_bytes()
        return hmac.compare_digest(tag, _tag("file", path.name, file_sha256(path).encode()))
    except OSError:
        return False


def seal_folder(folder: Path) -> None:
    """Write a folder's seal into it; hidden files are not covered."""
    write_bytes(folder / _FOLDER, _folder_tag(folder))


def is_sealed_folder(folder: Path) -> bool:
    """Tell whether a folder holds what was sealed under its name."""
    try:
        return hmac.compare_digest((folder / _FOLDER).read_bytes(), _folder_tag(folder))
    except (OSError, ArtifactError):
        return False


def _folder_tag(folder: Path) -> bytes:
    manifest = folder / MANIFEST
    content = manifest.read_bytes() if manifest.is_file() else b""
    return _tag("folder", folder.name, digest_of(list_files(folder)).encode() + content)


def _beside(path: Path) -> Path:
    return path.with_name(f"{path.name}.seal")


def _tag(kind: str, name: str, content: bytes) -> bytes:
    place = user_state_path("edgepress", appauthor=False) / "cache.key"
    message = b"\0".join([b"edgepress 1", kind.encode(), name.encode(), content])
    return hmac.new(_key(place), message, hashlib.sha256).digest()


@functools.cache
def _key(place: Path) -> bytes:
    """Return the user's key; make it where there is none, or where others could read it.

    Where none can be kept, this process has one of its own, and nothing that is kept passes.
    """
    with suppress(OSError):
        if (known := _read(place)) is not None:
            return known
        place.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        fresh = place.with_name(f".{place.name}.{secrets.token_hex(4)}")
        try:
            with os.fdopen(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as to:
                to.write(secrets.token_bytes(_KEY_BYTES))
                to.flush()
                os.fsync(to.fileno())
            fresh.replace(place)
        finally:
            fresh.unlink(missing_ok=True)
        if (made := _read(place)) is not None:
            return made
    return secrets.token_bytes(_KEY_BYTES)


def _read(place: Path) -> bytes | None:
    """Return the key in a file that is the user's alone."""
    try:
        handle = os.open(place, os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0))
    except FileNotFoundError:
        return None
    with os.fdopen(handle, "rb") as stream:
        found = os.fstat(stream.fileno())
        mine = not hasattr(os, "getuid") or found.st_uid == os.getuid()
        private = os.name == "nt" or not found.st_mode & 0o77
        content = stream.read(_KEY_BYTES + 1)
    return content if mine and private and len(content) == _KEY_BYTES else None
