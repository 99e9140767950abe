"""Files that gates of boards write: no host is named, and `judge` gives the same verdicts."""

from __future__ import annotations

import getpass
import socket
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.compress.brief_tier import shorten
from tests.compress.cli.test_gate import Said, command
from tests.compress.cli.test_gate import ground as ground
from tests.compress.cli.two_boards import profiles
from tests.profiles.sshd import Board, needs_sshd, serving

pytestmark = [pytest.mark.measured, needs_sshd]

HOST = "lab-gateway.secret.example"
BUDGETS = {
    "left": 'accuracy = {min = 0.05}\nlatency_p90_ms = {max = 60000, level = "warn"}\n',
    "right": "accuracy = {min = 0.9999}\nrss_peak_mb = {max = 60000}\n",
}
"""Decided however busy the machine is; latency and memory take more processes, and stay open."""


@dataclass(frozen=True)
class Published:
    """Hold what a command of two boards said, the folder with its files, and the boards."""

    said: Said
    folder: Path
    boards: list[Board]

    @property
    def texts(self) -> dict[str, str]:
        files = [file for file in self.folder.rglob("*") if file.is_file()]
        return {"stdout": self.said.out, **{one.name: one.read_text("utf-8") for one in files}}


@pytest.fixture(scope="module", params=["gate", "validate"])
def published(
    request: pytest.FixtureRequest, ground: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Published]:
    """Gate or validate on two boards behind a name that only ssh's configuration knows."""
    place = tmp_path_factory.mktemp("published")
    out = place / "out"
    with ExitStack() as stack:
        patch = stack.enter_context(pytest.MonkeyPatch.context())
        patch.chdir(ground)
        shorten(patch)
        boards = [stack.enter_context(serving(place / name)) for name in BUDGETS]
        for board in boards:
            board.give_python()
            board.config.write_text(board.config.read_text().replace("Host board", f"Host {HOST}"))
            name = board.folder.name
            file = board.write_profile(name=name, more=BUDGETS[name])
            file.write_text(file.read_text().replace('host = "board"', f'host = "{HOST}"'))
        words: list[object] = [request.param, "model", "--data", "rows.csv", "--tier", "quick"]
        words += [*profiles(boards), "--json", "--samples", out / "s.jsonl"]
        if request.param == "gate":
            words += [
                "--html",
                out / "p.html",
                "--junit",
                out / "j.xml",
                "--markdown",
                out / "m.md",
            ]
            words += ["--comment", out / "c.md", "--github", "--history", out / "history"]
            words += ["--commit", "a" * 40, "--branch", "main"]
        else:
            words += ["--reference", "copy"]
        out.mkdir()
        patch.setenv("GITHUB_STEP_SUMMARY", str(out / "summary"))
        said = command(*words)
        yield Published(said, out, boards)


def test_no_file_names_a_host_a_user_a_port_or_a_key(published: Published) -> None:
    texts = published.texts
    assert {"stdout", "s.left.jsonl", "s.right.jsonl"} <= texts.keys(), published.said.err
    if "summary" in texts:
        assert {"p.html", "j.xml", "m.md", "c.md"} < texts.keys()
    private = [HOST, f"{getpass.getuser()}@", socket.gethostname(), "IdentityFile"]
    for board in published.boards:
        private += [str(board.home), str(board.config), str(board.folder / "user_key")]
        private += [f":{board.port}", f"ort {board.port}", f"-p {board.port}"]
    found = [(word, name) for word in private for name, text in texts.items() if word in text]
    assert found == []


def test_judge_gives_each_devices_file_the_verdict_of_the_gate(published: Published) -> None:
    for board, verdict in zip(published.boards, published.said.report["verdicts"], strict=True):
        name = board.folder.name
        assert verdict["profile"] == name
        again = command(
            "judge", published.folder / f"s.{name}.jsonl", "--profile", board.profile_file, "--json"
        )
        (judged,) = again.report["verdicts"]
        assert judged["status"] == verdict["status"]
        assert [_figure(row) for row in judged["checks"]] == [
            _figure(row) for row in verdict["checks"]
        ]
    assert [row["status"] for row in published.said.report["verdicts"]] == ["PASS", "FAIL"]


def _figure(check: dict[str, Any]) -> list[Any]:
    return [check[name] for name in ("metric", "status", "measurement") if name in check]
