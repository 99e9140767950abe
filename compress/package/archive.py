"""A zip whose bytes follow from the files' names and contents alone."""

from __future__ import annotations

import zipfile
from pathlib import Path

_TIME = (1980, 1, 1, 0, 0, 0)
"""The first that a zip can hold."""

_UNIX = 3
_READABLE = 0o100644 << 16


def write_zip(folder: Path, target: Path) -> None:
    """Pack a folder's files, sorted by name, with one time and one mode for all."""
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as archive:
        for file in files_of(folder):
            member = zipfile.ZipInfo(file.relative_to(folder).as_posix(), _TIME)
            member.compress_type = zipfile.ZIP_DEFLATED
            member.create_system = _UNIX
            member.external_attr = _READABLE
            archive.writestr(member, file.read_bytes())


def files_of(folder: Path) -> list[Path]:
    """Return the files below a folder, sorted by their names with `/`."""
    files = (path for path in folder.rglob("*") if path.is_symlink() or not path.is_dir())
    return sorted(files, key=lambda path: path.relative_to(folder).as_posix())
