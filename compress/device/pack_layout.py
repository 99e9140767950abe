"""How a pack is laid out, how it is started, and whether all that it needs is in it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from compress.device.elf import Elf, read_elf
from compress.device.pack_parts import LOADERS
from runtimes.errors import UnsupportedError

LIBRARIES = Path("lib")
PROGRAMS = Path("bin")
SITE = Path("lib/python3/dist-packages")
"""Where Debian's Python looks for packages, below its prefix."""

LICENSES = Path("licenses")
LAUNCHER = "python"
CONTENTS = "pack.json"

_SCRIPT = """#!/bin/sh
# Start this folder's Python with its own loader and C library, wherever the folder lies.
self=$0
if [ -L "$self" ]; then self=$(readlink -f -- "$self"); fi
case $self in
*/*) here=${{self%/*}} ;;
*) here=. ;;
esac
here=$(CDPATH='' cd -- "${{here:-/}}" && pwd -P) || exit 127
unset PYTHONHOME LD_PRELOAD
exec "$here/lib/{loader}" --inhibit-cache --argv0 "$here/python" \\
    --library-path "$here/lib" "$here/bin/{program}" -s "$@"
"""
"""A preloaded library of the device's own C library fits no other; --argv0 tells Python its prefix.

A library path as an argument, not in the environment, is not inherited by the device's programs.
"""


def write_launcher(pack: Path, arch: str, program: str) -> None:
    """Write the script that starts the pack's Python."""
    script = pack / LAUNCHER
    script.write_text(_SCRIPT.format(loader=LOADERS[arch], program=program), encoding="utf-8")
    script.chmod(0o755)


def library_files(root: Path) -> dict[str, Path]:
    """Return the shared libraries of unpacked Debian packages by the name that others need."""
    found: dict[str, Path] = {}
    for folder in ("lib", "usr/lib"):
        for file in sorted((root / folder).glob("*/*.so*")):
            if file.is_file() and (elf := read_elf(file)):
                found.setdefault(elf.soname or file.name, file.resolve())
    return found


def elves(folder: Path) -> Iterator[tuple[Path, Elf]]:
    """Yield a folder's ELF files, each with its description."""
    for file in sorted(folder.rglob("*")):
        if file.is_file() and not file.is_symlink() and (elf := read_elf(file)):
            yield file, elf


def closure(wanted: Iterable[str], known: Mapping[str, Path]) -> dict[str, Path]:
    """Return the libraries that are wanted, and all that these need, of those known."""
    found: dict[str, Path] = {}
    waiting = list(wanted)
    while waiting:
        name = waiting.pop()
        if name in found or name not in known:
            continue
        found[name] = known[name]
        elf = read_elf(known[name])
        waiting += elf.needed if elf else ()
    return found


def check_closed(pack: Path, arch: str) -> None:
    """Raise UnsupportedError where a file of the pack needs a library that is not in it.

    The device's own libraries, of another C library perhaps, would be tried in its place.
    """
    for file, elf in elves(pack):
        if elf.arch != arch:
            raise UnsupportedError(
                f"{file.relative_to(pack)}: made for {elf.arch}",
                expected=arch,
                action="report this: a package of another architecture came",
            )
        missing = [name for name in elf.needed if not _finds(pack, file, elf, name)]
        if missing:
            raise UnsupportedError(
                f"{file.relative_to(pack)} needs {', '.join(missing)}, which no part brings",
                available=", ".join(sorted(path.name for path in (pack / LIBRARIES).glob("*.so*"))),
                action="report this: a package needs more than it did",
            )


def _finds(pack: Path, file: Path, elf: Elf, name: str) -> bool:
    origins = [file.parent / path.replace("$ORIGIN", ".").lstrip("/") for path in elf.paths]
    return any((folder / name).is_file() for folder in (pack / LIBRARIES, *origins))
