"""Write files and folders completely or not at all."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

_CHUNK = 1 << 20


def file_sha256(path: Path) -> str:
    """Return the hexadecimal SHA-256 of a file's bytes."""
    import hashlib  # imported here: OpenSSL takes 2 ms of a bundle's start

    digest = hashlib.sha256()
    with path.open("rb") as stream:
        while chunk := stream.read(_CHUNK):
            digest.update(chunk)
    return digest.hexdigest()


def write_text(path: Path, text: str) -> None:
    """Write a UTF-8 text file atomically."""
    write_bytes(path, text.encode("utf-8"))


def write_bytes(path: Path, content: bytes) -> None:
    """Write a file atomically: temporary file beside it, fsync, rename."""
    with _parents_of(path):
        temporary = _beside(path)
        handle = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o666)  # less the umask
        try:
            with os.fdopen(handle, "wb") as stream:
                stream.write(content)
                stream.flush()
                os.fsync(stream.fileno())
            temporary.replace(path)
        except BaseException:
            temporary.unlink(missing_ok=True)
            raise


def write_json(path: Path, value: Any) -> None:
    """Write a JSON file atomically, indented, keys in the order given."""
    write_text(path, json.dumps(value, indent=2, ensure_ascii=False) + "\n")


@contextmanager
def new_folder(target: Path) -> Iterator[Path]:
    """Yield an empty folder that becomes `target` when the block ends without an exception.

    An existing `target` is replaced only then. A folder that a killed process left behind has
    another name, so it is never taken for a result.
    """
    with _parents_of(target):
        temporary = _beside(target)
        temporary.mkdir()  # with the permissions that the umask leaves
        try:
            yield temporary
            for path in temporary.rglob("*"):
                if path.is_file():
                    _fsync(path)
            _replace_folder(temporary, target)
            _fsync(target.parent)
        except BaseException:
            _delete(temporary)
            raise


@contextmanager
def _parents_of(target: Path) -> Iterator[None]:
    """Make the folders above a target; an exception removes those that are still empty."""
    missing = [folder for folder in target.parents if not folder.exists()]
    target.parent.mkdir(parents=True, exist_ok=True)
    try:
        yield
    except BaseException:
        for folder in missing:
            with suppress(OSError):  # others have written there
                folder.rmdir()
        raise


def _beside(target: Path) -> Path:
    """Return a new hidden name beside a target."""
    return target.with_name(f".{target.name}.{os.urandom(4).hex()}")


def _replace_folder(source: Path, target: Path) -> None:
    if not target.exists():
        source.rename(target)
        return
    old = _beside(target.with_name(f"{target.name}.old"))
    old.mkdir()
    target.rename(old / "folder")
    source.rename(target)
    _delete(old)


def _delete(folder: Path) -> None:
    import shutil  # imported here: with bz2 and lzma it takes 1 ms of a bundle's start

    shutil.rmtree(folder, ignore_errors=True)


def _fsync(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def folder_bytes(folder: Path) -> int:
    """Return the size of all files below a folder, in bytes."""
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
