"""The list of an artifact's files: what it covers and what it refuses; order does not matter."""

from __future__ import annotations

from pathlib import Path

import pytest

from runtimes.contents import check_files, describe_files, digest_of, list_files, unlisted
from runtimes.errors import ArtifactError
from runtimes.listed import ListedFile, files_from_json, files_to_json

NAMES = ["model.onnx", "runtimes/__init__.py", "runtimes/predict.py", "tokenizer.json"]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    place = tmp_path / "bundle"
    for name in NAMES:
        (place / name).parent.mkdir(parents=True, exist_ok=True)
        (place / name).write_text(name)
    return place


def test_the_list_holds_files_of_subfolders_and_no_litter(folder: Path) -> None:
    (folder / ".DS_Store").write_bytes(b"\0")
    (folder / ".git").mkdir()
    (folder / ".git" / "HEAD").write_text("ref")
    (folder / "runtimes" / "__pycache__").mkdir()
    (folder / "runtimes" / "__pycache__" / "predict.pyc").write_bytes(b"compiled")
    (folder / "artifact.json").write_text("{}")
    assert list(list_files(folder)) == NAMES


def test_the_digest_is_of_names_and_contents_in_any_order(folder: Path) -> None:
    files = list_files(folder)
    assert digest_of(dict(reversed(files.items()))) == digest_of(files)
    renamed = {name.replace("token", "talk"): one for name, one in files.items()}
    assert digest_of(renamed) != digest_of(files)
    (folder / "model.onnx").write_text("model.onnX")
    assert digest_of(list_files(folder)) != digest_of(files)


def test_the_list_survives_json(folder: Path) -> None:
    files = list_files(folder)
    assert files_from_json(files_to_json(files)) == files


@pytest.mark.parametrize(
    "name",
    [
        *("../model.onnx", "a/../../b", "a/..", "/etc/passwd", "./model.onnx", "a//b", "a/"),
        *("", ".", "..", "C:model.onnx", "C:/model.onnx", r"a\..\b", r"\\host\share", "a\0b"),
        *("artifact.json", ".DS_Store", "__pycache__/a.pyc"),
    ],
)
def test_a_name_that_may_lead_elsewhere_is_refused(name: str) -> None:
    with pytest.raises(ValueError, match="no path of a file in the folder"):
        files_from_json({name: {"size_bytes": 1, "sha256": "0" * 64}})


def test_a_link_is_no_part_of_an_artifact(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "weights").write_text("w")
    (folder / "model.bin").symlink_to(tmp_path / "weights")
    with pytest.raises(ArtifactError, match=r"model\.bin: a symbolic link"):
        list_files(folder)
    assert describe_files(folder, ["model.bin"])["model.bin"].size_bytes == 1


@pytest.mark.parametrize("place", ["model.onnx", "runtimes"])
def test_a_listed_file_that_became_a_link_is_found(
    folder: Path, tmp_path: Path, place: str
) -> None:
    files = list_files(folder)
    (folder / place).rename(tmp_path / "moved")
    (folder / place).symlink_to(tmp_path / "moved")
    with pytest.raises(ArtifactError, match="is a symbolic link"):
        check_files(folder, files)


def test_many_faults_are_counted(folder: Path) -> None:
    files = {f"part-{place}": ListedFile(1, "0") for place in range(9)}
    with pytest.raises(ArtifactError, match=r"part-4 is missing; 4 more"):
        check_files(folder, files)


def test_what_a_person_put_there_is_told_from_litter(folder: Path) -> None:
    files = list_files(folder)
    (folder / ".DS_Store").write_bytes(b"\0")
    (folder / "runtimes" / "__pycache__").mkdir()
    (folder / "runtimes" / "__pycache__" / "predict.pyc").write_bytes(b"compiled")
    assert unlisted(folder, files) == []
    (folder / "notes").mkdir()
    (folder / "notes" / "today.md").write_text("mine")
    (folder / ".gitignore").write_text("*")
    assert unlisted(folder, files) == [".gitignore", "notes/today.md"]
