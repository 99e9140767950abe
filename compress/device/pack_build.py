"""Put a pack together from unpacked packages and wheels."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from compress.device.compiling import compile_modules
from compress.device.debs import Deb
from compress.device.elf import read_elf
from compress.device.pack_layout import (
    CONTENTS,
    LIBRARIES,
    LICENSES,
    PROGRAMS,
    SITE,
    check_closed,
    closure,
    elves,
    library_files,
    write_launcher,
)
from compress.device.pack_parts import (
    LOADERS,
    MODULES_LEFT_OUT,
    STDLIB_LEFT_OUT,
    Parts,
    left_out,
)
from compress.device.wheels import Wheel
from runtimes.files import folder_bytes, write_json


def build(
    parts: Parts,
    python: str,
    debs: Sequence[Deb],
    wheels: Sequence[Wheel],
    root: Path,
    site: Path,
    pack: Path,
) -> None:
    """Fill the folder `pack` from the unpacked packages in `root` and the wheels in `site`.

    Raises UnsupportedError where a file needs a library that is not among them.
    """
    program = f"python{python}"
    leave_out(site, left_out(parts.runtime))
    shutil.copytree(site, pack / SITE)
    library = pack / "lib" / program
    _copy_library(root / "usr/lib" / program, library)
    known = library_files(root)
    _drop_modules(library / "lib-dynload", known)
    (pack / PROGRAMS).mkdir()
    shutil.copy(root / "usr/bin" / program, pack / PROGRAMS / program)
    needed = (name for _, elf in elves(pack) for name in elf.needed)
    for name, file in closure([LOADERS[parts.arch], "libgcc_s.so.1", *needed], known).items():
        shutil.copy(file, pack / LIBRARIES / name)
    (pack / LIBRARIES / LOADERS[parts.arch]).chmod(0o755)
    _copy_licenses(root, pack / LICENSES)
    write_launcher(pack, parts.arch, program)
    compiled = _compile(pack / "lib", program)
    check_closed(pack, parts.arch)
    write_json(pack / CONTENTS, _contents(parts, program, debs, wheels, pack, compiled=compiled))


def leave_out(folder: Path, patterns: Iterable[str]) -> None:
    """Delete what patterns match below a folder, but nothing of what describes a wheel.

    A wheel's licences lie in `*.dist-info`, in folders that are named as its sources are.
    """
    for pattern in patterns:
        for path in sorted(folder.glob(pattern)):
            if any(name.endswith(".dist-info") for name in path.relative_to(folder).parts):
                continue
            if path.is_dir():
                shutil.rmtree(path)
            else:
                path.unlink(missing_ok=True)


def _copy_library(source: Path, target: Path) -> None:
    """Copy Python's library; links that lead out of the packages are left out."""

    def ignored(folder: str, names: list[str]) -> list[str]:
        lost = [name for name in names if not Path(folder, name).exists()]
        return [*lost, *(name for name in names if name in STDLIB_LEFT_OUT)]

    shutil.copytree(source, target, ignore=ignored)
    leave_out(target, ("config-*",))


def _drop_modules(folder: Path, known: dict[str, Path]) -> None:
    """Remove extension modules that a worker does not use, or whose libraries are not here."""
    leave_out(folder, MODULES_LEFT_OUT)
    for file in sorted(folder.glob("*.so")):
        elf = read_elf(file)
        if elf and not set(elf.needed) <= known.keys():
            file.unlink()


def _copy_licenses(root: Path, target: Path) -> None:
    """Keep each Debian package's copyright file, and the licences that these refer to."""
    shutil.copytree(root / "usr/share/common-licenses", target / "common-licenses")
    for folder in sorted((root / "usr/share/doc").iterdir()):
        if (folder / "copyright").is_file():
            (target / folder.name).mkdir()
            shutil.copy(folder / "copyright", target / folder.name / "copyright")


def _compile(folder: Path, program: str) -> bool:
    """Compile all modules, where this Python writes what the pack's reads."""
    mine = f"python{sys.version_info.major}.{sys.version_info.minor}"
    if mine != program:
        return False
    compile_modules(folder, [sys.executable], folder.parent)
    return True


def _contents(
    parts: Parts,
    program: str,
    debs: Sequence[Deb],
    wheels: Sequence[Wheel],
    pack: Path,
    *,
    compiled: bool,
) -> dict[str, Any]:
    return {
        "schema_version": 1,
        "arch": parts.arch,
        "runtime": parts.runtime,
        "loader": f"{LIBRARIES}/{LOADERS[parts.arch]}",
        "program": f"{PROGRAMS}/{program}",
        "pinned": parts.pinned(),
        "compiled": compiled,
        "size_bytes": folder_bytes(pack),
        "debian": [
            {"name": d.name, "version": d.version, "sha256": d.sha256, "size_bytes": d.size_bytes}
            for d in debs
        ],
        "wheels": [
            {"name": w.name, "version": w.version, "file": w.file, "sha256": w.sha256}
            for w in wheels
        ],
    }
