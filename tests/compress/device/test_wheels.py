"""The tags of a platform, and how wheels are unpacked."""

from __future__ import annotations

import subprocess
import zipfile
from importlib.metadata import version
from pathlib import Path

import pytest
from packaging.tags import platform_tags as tags_here

from compress.device.wheels import as_installed, choose_wheels, platform_tags, unpack_wheels
from runtimes.errors import InputError


def test_tags_begin_with_the_newest_and_end_with_the_oldest() -> None:
    tags = platform_tags("aarch64", (2, 36))
    assert tags[:2] == ("manylinux_2_36_aarch64", "manylinux_2_35_aarch64")
    assert tags[-2:] == ("manylinux_2_17_aarch64", "manylinux2014_aarch64")
    assert set(platform_tags("aarch64", (2, 31))) < set(tags)


def test_tags_of_this_machine_are_those_that_its_own_pip_takes() -> None:
    own = [tag for tag in tags_here() if tag.startswith("manylinux")]
    if not own or not own[0].endswith(("x86_64", "aarch64")):
        pytest.skip("not a machine that manylinux wheels are for")
    newest = own[0].removeprefix("manylinux_").split("_", 2)
    assert set(platform_tags(newest[2], (int(newest[0]), int(newest[1])))) == set(own)


def test_a_plain_name_means_the_installed_version() -> None:
    assert as_installed("numpy") == f"numpy=={version('numpy')}"
    assert as_installed("numpy>=2") == "numpy>=2"
    assert as_installed("no-such-package") == "no-such-package"


def _wheel(path: Path, *names: str) -> Path:
    with zipfile.ZipFile(path, "w") as archive:
        for name in names:
            archive.writestr(name, name)
    return path


def test_a_wheel_is_unpacked_as_an_installation_has_it(tmp_path: Path) -> None:
    names = ("a/__init__.py", "a-1.data/purelib/b.py", "a-1.data/platlib/c/d.so")
    wheel = _wheel(tmp_path / "a.whl", *names, "a-1.data/scripts/run", "a-1.data/data/etc/x")
    unpack_wheels([wheel], tmp_path / "site")
    found = {
        path.relative_to(tmp_path / "site").as_posix(): path.read_text()
        for path in (tmp_path / "site").rglob("*")
        if path.is_file()
    }
    assert found == dict(zip(("a/__init__.py", "b.py", "c/d.so"), names, strict=True))


@pytest.mark.parametrize("name", ["../out.py", "/out.py", "a-1.data/purelib/../../out.py"])
def test_a_wheel_writes_nothing_outside(tmp_path: Path, name: str) -> None:
    with pytest.raises(InputError, match="is called"):
        unpack_wheels([_wheel(tmp_path / "a.whl", name)], tmp_path / "site")
    assert not list(tmp_path.rglob("out.py"))


def test_what_stops_pip_by_an_exception_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    said = (
        "ERROR: Exception:\nTraceback (most recent call last):\nOSError: [Errno 28] No space left"
    )
    failed = subprocess.CompletedProcess([], 2, "", said)
    monkeypatch.setattr(subprocess, "run", lambda *_args, **_more: failed)
    with pytest.raises(InputError) as caught:
        choose_wheels(["numpy"], arch="aarch64", python="3.11", glibc=(2, 36))
    assert caught.value.available == "OSError: [Errno 28] No space left"
