"""Seals: what another user or another name sealed is not taken."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest

from compress.storage import seal
from compress.storage.seal import (
    is_sealed_file,
    is_sealed_folder,
    seal_file,
    seal_folder,
    sealed,
    unsealed,
)


@pytest.fixture
def state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    return tmp_path / "state" / "edgepress"


def test_the_key_is_the_user_s_alone(state: Path) -> None:
    sealed("name", b"content")
    key = state / "cache.key"
    assert stat.S_IMODE(key.stat().st_mode) == 0o600
    assert len(key.read_bytes()) == 32
    assert [path.name for path in state.iterdir()] == ["cache.key"]


@pytest.mark.parametrize("mode", [0o644, 0o660])
def test_a_key_that_others_can_read_is_replaced(state: Path, mode: int) -> None:
    blob = sealed("name", b"content")
    (state / "cache.key").chmod(mode)
    seal._key.cache_clear()
    assert unsealed("name", blob) is None
    assert stat.S_IMODE((state / "cache.key").stat().st_mode) == 0o600


def test_a_key_that_is_a_link_is_not_followed(state: Path, tmp_path: Path) -> None:
    (tmp_path / "known").write_bytes(b"k" * 32)
    (tmp_path / "known").chmod(0o600)
    state.mkdir(parents=True)
    (state / "cache.key").symlink_to(tmp_path / "known")
    blob = sealed("name", b"content")
    seal._key.cache_clear()
    assert unsealed("name", blob) is None


def test_content_is_bound_to_its_name_and_to_the_key(
    state: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    blob = sealed("name", b"content")
    assert unsealed("name", blob) == b"content"
    assert unsealed("another", blob) is None
    assert unsealed("name", blob[:-1] + b"T") is None
    assert unsealed("name", b"") is None
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "another user"))
    assert unsealed("name", blob) is None


def test_a_file_is_bound_to_its_name_and_content(state: Path, tmp_path: Path) -> None:
    file = tmp_path / "checkpoint.pt"
    file.write_bytes(b"weights")
    assert not is_sealed_file(file)
    seal_file(file)
    assert is_sealed_file(file)
    file.write_bytes(b"Weights")
    assert not is_sealed_file(file)


def test_a_folder_is_bound_to_its_name_and_content(state: Path, tmp_path: Path) -> None:
    folder = tmp_path / "entry"
    (folder / "inner").mkdir(parents=True)
    (folder / "inner" / "weights").write_bytes(b"weights")
    (folder / "artifact.json").write_text("{}")
    assert not is_sealed_folder(folder)
    seal_folder(folder)
    assert is_sealed_folder(folder)
    moved = folder.rename(tmp_path / "other")
    assert not is_sealed_folder(moved)
    moved.rename(folder)
    for name in ("artifact.json", "inner/weights"):
        before = (folder / name).read_bytes()
        (folder / name).write_bytes(before + b" ")
        assert not is_sealed_folder(folder), name
        (folder / name).write_bytes(before)
    assert is_sealed_folder(folder)


def test_without_a_place_for_the_key_nothing_that_is_kept_passes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("no folder")
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "file"))
    blob = sealed("name", b"content")
    seal._key.cache_clear()
    assert unsealed("name", blob) is None
