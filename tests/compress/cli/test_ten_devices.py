"""Ten profiles in one gate: one report, a verdict each, nothing left on a board or here."""

from __future__ import annotations

import gc
import json
import os
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.compress.cli.test_board_faults import brief as brief
from tests.compress.cli.test_board_faults import left
from tests.compress.cli.test_gate import command
from tests.compress.cli.test_gate import ground as ground
from tests.compress.cli.two_boards import profiles
from tests.profiles.sshd import Board, needs_sshd, serving

pytestmark = [pytest.mark.alone, pytest.mark.slow, needs_sshd]

NAMES = [f"board-{number}" for number in range(10)]
GONE = 3


@pytest.fixture
def boards(tmp_path: Path) -> Iterator[list[Board]]:
    with ExitStack() as stack:
        boards = [stack.enter_context(serving(tmp_path / name)) for name in NAMES]
        for board in boards:
            board.give_python()
            board.write_profile(name=board.folder.name)
        yield boards


def clients() -> list[str]:
    """List the ssh clients that this process started and that still run."""
    found = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            name, _, rest = stat.read_text().partition("(")[2].rpartition(")")
        except OSError:
            continue
        state, parent = rest.split()[:2]
        if name == "ssh" and int(parent) == os.getpid() and state != "Z":
            found.append(stat.parent.name)
    return found


def test_ten_boards_of_which_one_is_gone(
    boards: list[Board],
    ground: Path,
    brief: None,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(ground)
    boards[GONE].server.terminate()
    boards[GONE].server.wait()
    before = set(threading.enumerate())
    said = command(
        "gate", "model", "--data", "rows.csv", "--tier", "quick", *profiles(boards),
        "--samples", tmp_path / "s.jsonl", "--json",
    )  # fmt: skip
    assert said.code == 4, said.err
    verdicts = said.report["verdicts"]
    assert [row["profile"] for row in verdicts] == NAMES
    assert [row["status"] for row in verdicts if row["profile"] != NAMES[GONE]] == ["PASS"] * 9
    assert verdicts[GONE]["status"] == "WRONG_DEVICE"
    assert "does not answer" in verdicts[GONE]["why"]
    assert [row["name"] for row in said.report["devices"]] == NAMES
    for board in boards:
        if board is not boards[GONE]:
            lines = (tmp_path / f"s.{board.folder.name}.jsonl").read_text().splitlines()
            assert json.loads(lines[-1])["kind"] == "end"
        assert left(board) == []
    gc.collect()
    for _ in range(100):
        if not (set(threading.enumerate()) - before or clients()):
            break
        time.sleep(0.1)
    assert set(threading.enumerate()) - before == set()
    assert clients() == []
