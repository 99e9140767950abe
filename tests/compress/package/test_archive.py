"""A zip's bytes follow from names and contents alone."""

from __future__ import annotations

import os
import tempfile
import zipfile
from pathlib import Path

import pytest

from compress.package.archive import write_zip

FILES = {"b.py": "two", "a/c.txt": "three", "a.py": "one", "a-b": "four"}


def _folder(place: Path, names: list[str], mode: int) -> Path:
    for name in names:
        file = place / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(FILES[name])
        file.chmod(mode)
        os.utime(file, (mode, mode))
    return place


def test_two_file_systems_give_the_same_bytes(tmp_path: Path) -> None:
    memory = Path("/dev/shm")
    if not os.access(memory, os.W_OK) or memory.stat().st_dev == tmp_path.stat().st_dev:
        pytest.skip("no second file system")
    one = _folder(tmp_path / "one", list(FILES), 0o600)
    with tempfile.TemporaryDirectory(dir=memory) as other:
        two = _folder(Path(other), sorted(FILES), 0o755)
        write_zip(one, tmp_path / "one.zip")
        write_zip(two, tmp_path / "two.zip")
    assert (tmp_path / "one.zip").read_bytes() == (tmp_path / "two.zip").read_bytes()


def test_members_are_sorted_readable_and_whole(tmp_path: Path) -> None:
    write_zip(_folder(tmp_path / "one", list(FILES), 0o600), tmp_path / "one.zip")
    with zipfile.ZipFile(tmp_path / "one.zip") as archive:
        assert archive.namelist() == sorted(FILES)
        assert {name: archive.read(name).decode() for name in FILES} == FILES
        modes = {member.external_attr >> 16 for member in archive.infolist()}
        times = {member.date_time for member in archive.infolist()}
    assert (modes, times) == ({0o100644}, {(1980, 1, 1, 0, 0, 0)})
