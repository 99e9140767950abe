"""A zip whose bytes follow from the files' names and contents alone."""

from __future__ import annotations

import zipfile
import zlib
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from runtimes.errors import ArtifactError

_TIME = (1980, 1, 1, 0, 0, 0)
"""The first that a zip can hold."""

_UNIX = 3
_READABLE = 0o100644 << 16
_SHOWN = 5


def write_zip(folder: Path, target: Path) -> None:
    """Pack a folder's files, sorted by name, with one time and one mode for all."""
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as archive:
        for file in files_of(folder):
            member = zipfile.ZipInfo(file.relative_to(folder).as_posix(), _TIME)
            member.compress_type = zipfile.ZIP_DEFLATED
            member.create_system = _UNIX
            member.external_attr = _READABLE
            archive.writestr(member, file.read_bytes())


def check_zip(archive: Path, folder: Path) -> None:
    """Raise ArtifactError where a zip is not the one that `write_zip` makes of a folder.

    Names are compared without their case too: a platform that unpacks the zip may not tell a file
    from another.
    """
    try:
        with zipfile.ZipFile(archive) as opened:
            faults = list(_faults(opened, folder))
    except (zipfile.BadZipFile, OSError, zlib.error, NotImplementedError) as error:
        faults = [f"it cannot be read ({error})"]
    if faults:
        raise ArtifactError(
            f"{archive}: it does not hold the files of {folder.name}",
            expected="each of them once, and no others",
            available="; ".join(faults[:_SHOWN]),
            action="make the package again",
        )


def _faults(archive: zipfile.ZipFile, folder: Path) -> Iterator[str]:
    members = {member.filename: member for member in archive.infolist()}
    files = {path.relative_to(folder).as_posix(): path for path in files_of(folder)}
    counted = Counter(name.casefold() for name in archive.namelist())
    yield from (f"{name} is there {count} times" for name, count in counted.items() if count > 1)
    yield from (f"{name} is missing" for name in sorted(files.keys() - members.keys()))
    yield from (f"{name} was added" for name in sorted(members.keys() - files.keys()))
    for name in sorted(files.keys() & members.keys()):
        if members[name].external_attr != _READABLE:
            yield f"{name} is no plain file"
        elif archive.read(members[name]) != files[name].read_bytes():
            yield f"{name} was changed"


def files_of(folder: Path) -> list[Path]:
    """Return the files below a folder, sorted by their names with `/`."""
    files = (path for path in folder.rglob("*") if path.is_symlink() or not path.is_dir())
    return sorted(files, key=lambda path: path.relative_to(folder).as_posix())
