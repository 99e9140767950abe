"""edgepress is upgraded between two gates: no board computes silently with what was before."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path

import pytest

import runtimes
from compress.device import wheels
from profiles.job import Job
from profiles.transport import serving as workers_there
from profiles.transport import versions
from tests.compress.cli.test_board_faults import answers, gated, left, one_line
from tests.compress.cli.test_full_disks import made_ready
from tests.compress.cli.test_full_disks import pack as pack
from tests.compress.cli.test_gate import ground as ground
from tests.profiles.sshd import Board, needs_sshd, serving

pytestmark = needs_sshd

ANOTHER_WORKER = """
import dataclasses
_probe = probe


def probe(*where):
    return dataclasses.replace(_probe(*where), cpu_model="seen by another worker")
"""


@pytest.fixture
def board(tmp_path: Path, ground: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Board]:
    monkeypatch.chdir(ground)
    with serving(tmp_path / "board") as board:
        board.write_profile()
        yield board


def upgrade(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let this machine have another onnxruntime than before."""

    def upgraded(package: str) -> str:
        return "99.0" if package == "onnxruntime" else version(package)

    monkeypatch.setattr(versions, "version", upgraded)
    monkeypatch.setattr(wheels, "version", upgraded)


@pytest.mark.parametrize("how", ["pack", "setup"])
def test_a_board_with_the_packages_of_before_is_refused_until_it_is_made_ready_again(
    board: Board, pack: Path, how: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert made_ready(board, how).code == 0
    assert answers(board)
    upgrade(monkeypatch)
    said = gated(board)
    assert said.code == 4
    before = version("onnxruntime")
    assert f"set up with onnxruntime {before}; this machine has onnxruntime 99.0" in one_line(said)
    assert "device setup PROFILE" in said.err
    assert left(board) == []
    sent = sorted(board.home.glob("objects/*"))
    assert made_ready(board, how).code == 0
    assert sorted(board.home.glob("objects/*")) == sent  # nothing travelled twice
    assert answers(board)


def test_the_worker_is_the_one_of_the_command_that_measures(
    board: Board, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    board.give_python()
    before = Job.on([board.profile()]).facts().cpu_model
    code = tmp_path / "upgraded" / "runtimes"
    shutil.copytree(Path(runtimes.__file__).parent, code)
    with (code / "facts.py").open("a") as lines:
        lines.write(ANOTHER_WORKER)
    with monkeypatch.context() as patch:
        patch.setattr(workers_there, "_CODE", code)
        assert Job.on([board.profile()]).facts().cpu_model == "seen by another worker"
    assert Job.on([board.profile()]).facts().cpu_model == before
