"""A board whose Python does nothing, and one whose folder is deleted while a model is there."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from compress.device.run_there import run_there
from compress.device.setup import clean
from profiles.transport import reach
from profiles.transport.remote import Remote
from runtimes.errors import DeviceError
from tests.profiles.sshd import Board, needs_sshd, serving
from tests.runtimes.tiny import tiny_onnx

pytestmark = needs_sshd


@pytest.fixture
def board(tmp_path: Path) -> Iterator[Board]:
    with serving(tmp_path / "board") as board:
        board.give_python()
        yield board


def _reached(board: Board) -> Remote:
    device = reach(board.profile())
    assert isinstance(device, Remote)
    return device


def test_a_python_that_does_nothing_is_no_success(board: Board, tmp_path: Path) -> None:
    (board.home / "python").write_text("# nothing\n")
    shown: list[str] = []
    with pytest.raises(DeviceError, match="ended there without an answer"):
        run_there(_reached(board), tiny_onnx(tmp_path / "m"), ["--", "my card"], shown.append)
    assert shown == []


def test_a_folder_that_is_deleted_while_it_is_used_is_said(board: Board) -> None:
    device = _reached(board)
    with device.lock():
        assert Path(device.root) == board.home
        clean(_reached(board), break_lock=True)
        process = device.run(["true"], env={})
        assert process.wait(30) == 73
        lost = process.lost()
        process.close()
    assert lost is not None
    assert "deleted meanwhile" in str(lost)
    assert not board.home.exists()
