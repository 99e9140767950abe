"""A missing, added or changed file of a package is found."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from compress.cli.main import run
from compress.package.archive import write_zip
from compress.package.contents import MANIFEST, verify_package, write_contents
from runtimes.digest import stable_hash
from runtimes.errors import ArtifactError


@pytest.fixture
def package(tmp_path: Path) -> Path:
    """Write a package's folder of two files."""
    folder = tmp_path / "package"
    (folder / "function").mkdir(parents=True)
    (folder / "function/handler.py").write_text("one = 1\n")
    write_zip(folder / "function", folder / "function.zip")
    archives = {"function.zip": "function"}
    write_contents(folder, {"target": "zip", "archives": archives})
    return folder


def _edit(folder: Path, old: str, new: str) -> None:
    path = folder / MANIFEST
    path.write_text(path.read_text().replace(old, new))


def _link(folder: Path) -> None:
    copy = folder.with_name("copy.zip")
    (folder / "function.zip").rename(copy)
    (folder / "function.zip").symlink_to(copy)


CHANGES: dict[str, tuple[Callable[[Path], object], str]] = {
    "missing": (lambda p: (p / "function.zip").unlink(), "function.zip is missing"),
    "added": (lambda p: (p / "function/numpy.py").write_text(""), "function/numpy.py was added"),
    "hidden": (lambda p: (p / ".x").write_text(""), ".x was added"),
    "changed": (
        lambda p: (p / "function/handler.py").write_text("one = 2\n"),
        "function/handler.py was changed",
    ),
    "linked": (_link, "function.zip is a symbolic link"),
    "edited": (lambda p: _edit(p, '"zip"', '"zap"'), "not as it was written"),
    "no JSON": (lambda p: (p / MANIFEST).write_text("{"), "not a package"),
    "no manifest": (lambda p: (p / MANIFEST).unlink(), "not a package"),
    "a surrogate": (lambda p: _edit(p, '"zip"', '"\\ud800"'), "not as it was written"),
}


@pytest.mark.parametrize("name", CHANGES)
def test_a_change_is_found(package: Path, name: str, capsys: pytest.CaptureFixture[str]) -> None:
    change, said = CHANGES[name]
    change(package)
    with pytest.raises(ArtifactError, match=said):
        verify_package(package)
    assert run(["package", "verify", str(package)]) == 2
    assert said in capsys.readouterr().err


def test_an_unchanged_package_is_verified(package: Path) -> None:
    assert verify_package(package)["target"] == "zip"
    assert run(["package", "verify", str(package)]) == 0


def test_an_archive_that_is_not_its_folder_is_found(tmp_path: Path) -> None:
    """Also where the manifest was written after the change."""
    (tmp_path / "layer").mkdir()
    (tmp_path / "layer/a.py").write_text("one")
    write_zip(tmp_path / "layer", tmp_path / "layer.zip")
    (tmp_path / "layer/a.py").write_text("two")
    write_contents(tmp_path, {"target": "zip", "archives": {"layer.zip": "layer"}})
    with pytest.raises(ArtifactError, match=r"layer\.zip: it does not hold the files of layer"):
        verify_package(tmp_path)


@pytest.mark.parametrize(
    "content", [{}, {"files": 7}, {"files": {"a": {}}}, {"files": {}, "archives": 7}]
)
def test_a_manifest_without_a_list_of_files_is_none(tmp_path: Path, content: Any) -> None:
    plain = {"schema_version": 1, **content}
    own = {**plain, "manifest_digest": stable_hash(plain)}
    (tmp_path / MANIFEST).write_text(json.dumps(own))
    with pytest.raises(ArtifactError, match="not a package"):
        verify_package(tmp_path)
