"""A run's folder is its own: no other files are deleted, and no foreign folder is used."""

from __future__ import annotations

from pathlib import Path

import pytest

from compress.run.run_folder import MARKER, RunFolder
from runtimes.artifact import Artifact
from runtimes.errors import InputError
from tests.compress.tiny_models import make_model


@pytest.fixture(scope="module")
def artifact(tmp_path_factory: pytest.TempPathFactory) -> Artifact:
    return make_model(tmp_path_factory.mktemp("kept") / "model")


def test_a_new_folder_is_claimed_and_claimed_again(tmp_path: Path) -> None:
    run = RunFolder(tmp_path / "deep" / "out")
    assert run.owner() is None
    run.claim("mine", fresh=False)
    run.claim("mine", fresh=False)
    assert run.owner() == "mine"


def test_another_recipe_s_run_is_replaced_only_when_asked(tmp_path: Path) -> None:
    run = RunFolder(tmp_path)
    run.claim("mine", fresh=False)
    with pytest.raises(InputError, match="'mine'"):
        run.claim("yours", fresh=False)
    assert run.owner() == "mine"
    run.claim("yours", fresh=True)
    assert run.owner() == "yours"


@pytest.mark.parametrize("content", ["", "[]", "{}", "{"])
def test_a_folder_with_other_files_is_refused(tmp_path: Path, content: str) -> None:
    (tmp_path / MARKER).write_text(content)
    (tmp_path / "notes.txt").write_text("mine")
    for fresh in (False, True):
        with pytest.raises(InputError, match="not a run's"):
            RunFolder(tmp_path).claim("t", fresh=fresh)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["notes.txt", MARKER]


def test_a_file_is_no_folder(tmp_path: Path) -> None:
    (tmp_path / "out").write_text("")
    with pytest.raises(InputError, match="a file"):
        RunFolder(tmp_path / "out").claim("t", fresh=False)


def test_only_what_a_killed_run_left_is_swept(tmp_path: Path, artifact: Artifact) -> None:
    run = RunFolder(tmp_path)
    run.claim("t", fresh=False)
    run.keep(artifact, "01-distill")
    for name in (
        ".02-prune.ab12cd_8",
        ".bundle.old.abcdefgh",
        ".reference.12345678",
    ):
        (tmp_path / name).mkdir()
    (tmp_path / ".03-fp8_cast-onnx.ab12cd_8").mkdir()
    for name in (".report.json.a1b2c3d4", ".run.json.zzzzzzzz", ".bundle-rows.jsonl"):
        (tmp_path / name).write_text("")
    kept = [".gitignore", ".gitattributes", ".venv", "notes.txt"]
    for name in kept:
        (tmp_path / name).write_text("mine")
    run.claim("t", fresh=False)
    assert sorted(p.name for p in tmp_path.iterdir()) == sorted([*kept, "01-distill", MARKER])
    run.claim("t", fresh=True)
    assert sorted(p.name for p in tmp_path.iterdir()) == sorted([*kept, MARKER])


def test_what_a_kill_left_alone_makes_a_folder_nobody_s(tmp_path: Path) -> None:
    (tmp_path / ".run.json.zzzzzzzz").write_text("")
    RunFolder(tmp_path).claim("t", fresh=False)
    assert [path.name for path in tmp_path.iterdir()] == [MARKER]


def test_a_kept_artifact_is_copied_once_and_again_when_damaged(
    tmp_path: Path, artifact: Artifact
) -> None:
    run = RunFolder(tmp_path)
    kept = run.keep(artifact, "00-teacher")
    assert (kept.digest, kept.path) == (artifact.digest, tmp_path / "00-teacher")
    before = kept.model_file.stat().st_mtime_ns
    run.keep(artifact, "00-teacher")
    assert kept.model_file.stat().st_mtime_ns == before
    kept.model_file.write_bytes(b"harm")
    run.keep(artifact, "00-teacher").verify()
