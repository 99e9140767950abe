"""A zip's bytes follow from names and contents alone."""

from __future__ import annotations

import os
import tempfile
import warnings
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from compress.package.archive import check_zip, write_zip
from runtimes.errors import ArtifactError

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


def _again(archive: zipfile.ZipFile, name: str) -> None:
    member = archive.getinfo("a.py")
    with warnings.catch_warnings(action="ignore"):  # zipfile's own: a duplicate name
        archive.writestr(_named(member, name), "one")


def _named(member: zipfile.ZipInfo, name: str) -> zipfile.ZipInfo:
    made = zipfile.ZipInfo(name, member.date_time)
    made.external_attr = member.external_attr
    return made


def _link(archive: zipfile.ZipFile) -> None:
    member = zipfile.ZipInfo("z")
    member.external_attr = 0o120777 << 16
    archive.writestr(member, "/etc/passwd")


WRONG: dict[str, tuple[Callable[[zipfile.ZipFile], object], str]] = {
    "a duplicate": (lambda archive: _again(archive, "a.py"), "a.py is there 2 times"),
    "another case": (lambda archive: _again(archive, "A.PY"), "a.py is there 2 times"),
    "an added file": (lambda archive: _again(archive, "c.py"), "c.py was added"),
    "a path that leads out": (lambda archive: _again(archive, "../c.py"), "../c.py was added"),
    "a folder": (lambda archive: archive.mkdir("empty"), "empty/ was added"),
    "a link": (_link, "z was added"),
}


@pytest.mark.parametrize("name", WRONG)
def test_a_zip_that_holds_anything_else_is_found(tmp_path: Path, name: str) -> None:
    change, said = WRONG[name]
    folder = _folder(tmp_path / "one", list(FILES), 0o600)
    write_zip(folder, tmp_path / "one.zip")
    check_zip(tmp_path / "one.zip", folder)
    with zipfile.ZipFile(tmp_path / "one.zip", "a") as archive:
        change(archive)
    with pytest.raises(ArtifactError) as found:
        check_zip(tmp_path / "one.zip", folder)
    assert said in str(found.value)


def test_a_folder_that_has_changed_since_is_found(tmp_path: Path) -> None:
    folder = _folder(tmp_path / "one", list(FILES), 0o600)
    write_zip(folder, tmp_path / "one.zip")
    (folder / "a.py").write_text("two")
    with pytest.raises(ArtifactError, match=r"a\.py was changed"):
        check_zip(tmp_path / "one.zip", folder)
    (folder / "a.py").unlink()
    with pytest.raises(ArtifactError, match=r"a\.py was added"):
        check_zip(tmp_path / "one.zip", folder)


def test_a_cut_zip_is_found(tmp_path: Path) -> None:
    folder = _folder(tmp_path / "one", list(FILES), 0o600)
    write_zip(folder, tmp_path / "one.zip")
    whole = (tmp_path / "one.zip").read_bytes()
    for size in (0, 10, len(whole) - 5):
        (tmp_path / "one.zip").write_bytes(whole[:size])
        with pytest.raises(ArtifactError, match="cannot be read"):
            check_zip(tmp_path / "one.zip", folder)
