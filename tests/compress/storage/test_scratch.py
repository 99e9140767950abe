"""Temporary folders: none outlives its command, and no folder of others is removed."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pytest

from compress.storage.scratch import LOCK, scratch_folder

KILLED = """
import os, signal
from compress.storage.scratch import scratch_folder
with scratch_folder() as folder:
    (folder / "model.onnx").write_bytes(b"weights")
    print(folder, flush=True)
    os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.fixture(autouse=True)
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Use a temporary folder of this test's own."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    return tmp_path


def _aged(folder: Path) -> Path:
    before = time.time() - 3600
    os.utime(folder, (before, before))
    return folder


def test_a_folder_goes_with_its_block(place: Path) -> None:
    with scratch_folder() as folder:
        (folder / "model").write_text("copy")
        assert list(folder.iterdir()) == [folder / "model"]
    assert list(place.iterdir()) == []


def test_what_a_killed_process_left_goes_with_the_next_command(place: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", KILLED], capture_output=True, text=True, check=False
    )
    left = Path(done.stdout.strip()).parent
    assert left.is_dir(), done.stderr
    with scratch_folder():
        assert left.is_dir()  # too young: its process might still be about to lock it
    _aged(left)
    with scratch_folder():
        assert not left.exists()


def test_a_folder_in_use_stays(place: Path) -> None:
    with scratch_folder() as folder:
        _aged(folder.parent)
        with scratch_folder():
            assert folder.is_dir()


def test_folders_of_others_stay(place: Path) -> None:
    mine = place / "edgepress-notes"
    mine.mkdir()
    (mine / "notes.md").write_text("mine")
    _aged(mine)
    target = place / "target"
    target.mkdir()
    (target / LOCK).touch()
    (place / "edgepress-link").symlink_to(target)
    with scratch_folder():
        pass
    assert (mine / "notes.md").is_file()
    assert (target / LOCK).is_file()
