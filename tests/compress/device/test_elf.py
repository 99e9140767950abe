"""What is read from ELF files, compared with the linker's own view of them."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

import numpy.linalg
import pytest

from compress.device.elf import read_elf


def _readelf(path: Path, kind: str) -> list[str]:
    said = subprocess.run(
        ["readelf", "-d", str(path)], capture_output=True, text=True, check=True
    ).stdout
    return [found[1] for found in re.finditer(rf"\({kind}\).*\[(.*)\]", said)]


@pytest.mark.parametrize("which", ["python", "extension", "library"])
def test_it_agrees_with_readelf(which: str) -> None:
    if shutil.which("readelf") is None:
        pytest.skip("needs readelf")
    numpy_folder = Path(numpy.linalg.__file__).parents[1]
    files = {
        "python": [Path(sys.executable).resolve()],
        "extension": sorted((numpy_folder / "linalg").glob("_umath*.so")),
        "library": sorted((numpy_folder.parent / "numpy.libs").glob("*.so*")),
    }[which]
    assert files
    for file in files:
        elf = read_elf(file)
        assert elf is not None
        assert list(elf.needed) == _readelf(file, "NEEDED")
        assert [elf.soname] == (_readelf(file, "SONAME") or [""])
        paths = _readelf(file, "RPATH") + _readelf(file, "RUNPATH")
        assert list(elf.paths) == [part for text in paths for part in text.split(":")]


def test_other_files_are_none(tmp_path: Path) -> None:
    for content in (b"", b"#!/bin/sh\n", b"\x7fEL"):
        (tmp_path / "file").write_bytes(content)
        assert read_elf(tmp_path / "file") is None
