"""The output of one stage: an artifact is replaced, and no other file is lost."""

from __future__ import annotations

from pathlib import Path

import pytest

from compress.run.single import check_out
from runtimes.errors import InputError
from tests.runtimes.tiny import tiny_onnx


def test_an_artifact_is_replaced(tmp_path: Path) -> None:
    artifact = tiny_onnx(tmp_path / "out")
    (artifact.path / ".DS_Store").write_bytes(b"\0")
    check_out(artifact.path)


def test_an_artifact_of_another_version_is_replaced(tmp_path: Path) -> None:
    (tmp_path / "artifact.json").write_text('{"schema_version": 1}')
    check_out(tmp_path)


def test_a_persons_files_in_it_are_named_and_kept(tmp_path: Path) -> None:
    artifact = tiny_onnx(tmp_path / "out")
    (artifact.path / "notes").mkdir()
    (artifact.path / "notes" / "today.md").write_text("mine")
    with pytest.raises(InputError, match=r"not an artifact's: notes/today\.md"):
        check_out(artifact.path)


def test_a_folder_of_other_files_is_refused(tmp_path: Path) -> None:
    check_out(tmp_path)
    (tmp_path / "letter.txt").write_text("mine")
    with pytest.raises(InputError, match=r"letter\.txt"):
        check_out(tmp_path)
