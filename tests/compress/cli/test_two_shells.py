"""Two gates of one board: the second is told who measures there, and the first goes on."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import time
from pathlib import Path

import pytest

from tests.compress.cli.test_board_faults import answers, gated, left, one_line, signalled
from tests.compress.cli.test_board_faults import board as board
from tests.compress.cli.test_board_faults import brief as brief
from tests.compress.cli.test_gate import ground as ground
from tests.compress.cli.test_process import COMMAND, ROOT
from tests.profiles.sshd import Board, needs_sshd

pytestmark = [pytest.mark.measured, needs_sshd]


def test_the_second_gate_says_who_holds_the_board(
    board: Board, ground: Path, brief: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(ground)
    words = ("gate", "model", "--data", "rows.csv", "--tier", "quick", "--json")
    first = subprocess.Popen(
        [*COMMAND, *words, "--profile", board.write_profile()],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        for _ in range(6000):
            if signalled(board, signal.SIGSTOP):  # so that it does not end before the second comes
                break
            assert first.poll() is None, first.communicate()[1]
            time.sleep(0.02)
        second = gated(board)
        assert second.code == 4, second.out + second.err
        assert re.search(rf"locked by \S+ \(process {first.pid}\) for \d+ s", one_line(second))
        assert "device clean --break-lock" in second.err
        assert signalled(board, signal.SIGCONT)
        out, err = first.communicate(timeout=600)
    finally:
        first.kill()
        first.communicate()
    assert first.returncode == 0, err
    assert [row["status"] for row in json.loads(out)["verdicts"]] == ["PASS"]
    assert left(board) == []
    assert answers(board)
