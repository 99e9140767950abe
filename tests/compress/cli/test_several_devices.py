"""Several devices at once: boards behind real ssh servers, and this machine."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from junitparser import JUnitXml

from compress.cli.main import run
from tests.compress.cli.test_board_faults import brief as brief
from tests.compress.cli.test_board_faults import meanwhile, signalled
from tests.compress.cli.test_gate import command
from tests.compress.cli.test_gate import ground as ground
from tests.compress.cli.two_boards import boards as boards
from tests.compress.cli.two_boards import profiles
from tests.profiles.sshd import Board, needs_sshd

pytestmark = [pytest.mark.measured, needs_sshd]

QUICK = ("--data", "rows.csv", "--tier", "quick")


@pytest.fixture(autouse=True)
def beside_the_model(ground: Path, brief: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ground)


def test_two_boards_and_this_machine_each_have_a_verdict(
    boards: list[Board], tmp_path: Path
) -> None:
    junit = tmp_path / "gate.xml"
    said = command(
        "gate", "model", *QUICK, *profiles(boards), "--profile", "local", "--budget",
        "artifact_mb=5", "--samples", tmp_path / "s.jsonl", "--junit", junit, "--json",
    )  # fmt: skip
    assert said.code in (0, 3), said.err  # local's own budgets are timed
    assert [row["profile"] for row in said.report["verdicts"]] == ["left", "right", "local"]
    assert [row["status"] for row in said.report["verdicts"]][:2] == ["PASS", "PASS"]
    devices = said.report["devices"]
    assert [row["transport"] for row in devices] == ["ssh", "ssh", "local"]
    assert all(row["machine"]["arch"] and row["models"] and not row["lost"] for row in devices)
    for name in ("left", "right", "local"):
        lines = (tmp_path / f"s.{name}.jsonl").read_text().splitlines()
        assert json.loads(lines[0])["kind"] == "session"
        assert json.loads(lines[-1])["kind"] == "end"
    suites = list(JUnitXml.fromfile(str(junit)))
    names = {str(suite.name).rpartition(".")[2] for suite in suites}
    assert names >= {"left", "right", "local"}


@pytest.mark.parametrize("lost", [0, 1])
def test_one_board_that_fails_leaves_the_others_verdict(boards: list[Board], lost: int) -> None:
    boards[lost].server.terminate()
    boards[lost].server.wait()
    said = command("gate", "model", *QUICK, *profiles(boards), "--json")
    assert said.code == 4
    verdicts = said.report["verdicts"]
    assert verdicts[1 - lost]["status"] == "PASS"
    assert verdicts[lost]["status"] == "WRONG_DEVICE"
    assert "does not answer" in verdicts[lost]["why"]
    assert "does not answer" in said.report["devices"][lost]["lost"]


def test_what_is_published_names_no_host_user_or_folder(
    boards: list[Board], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(tmp_path / "g.summary"))
    left, _ = boards
    left.config.write_text(left.config.read_text().replace("Host board", "Host secret.host"))
    text = left.profile_file.read_text()
    left.profile_file.write_text(text.replace('"board"', '"ann@secret.host"'))
    said = command(
        "gate", "model", *QUICK, *profiles(boards), "--json",
        "--junit", tmp_path / "g.xml", "--markdown", tmp_path / "g.md", "--comment",
        tmp_path / "g.comment", "--verdict", tmp_path / "g.intoto", "--github",
    )  # fmt: skip
    assert said.code == 4, said.err
    assert "accepts no key" in said.report["devices"][0]["lost"]
    assert "ann@secret.host" in said.err  # who repairs it needs the name
    files = [tmp_path / f"g.{kind}" for kind in ("xml", "md", "comment", "intoto", "summary")]
    published = [said.out, *(file.read_text(encoding="utf-8") for file in files)]
    for private in ("secret.host", "ann@", "ssh-copy-id", str(left.folder / "user_key")):
        assert not [text for text in published if private in text]
    for board in boards:  # the measured one too
        assert not [text for text in published if str(board.home) in text]


def test_one_board_that_vanishes_while_it_measures(boards: list[Board]) -> None:
    left, _ = boards
    with meanwhile(lambda: _cut(left)):
        said = command("gate", "model", *QUICK, *profiles(boards), "--json")
    assert said.code == 4
    assert [row["status"] for row in said.report["verdicts"]] == ["WRONG_DEVICE", "PASS"]
    assert "connection broke" in said.report["verdicts"][0]["why"]


@pytest.mark.parametrize(
    "words", [("gate", "model"), ("validate", "model", "--reference", "model")]
)
def test_two_profiles_of_one_name_are_refused(
    boards: list[Board], tmp_path: Path, words: tuple[str, ...]
) -> None:
    boards[1].write_profile(name="left")
    said = command(*words, *QUICK, *profiles(boards), "--samples", tmp_path / "s.jsonl")
    assert said.code == 2
    assert "two profiles have the name 'left'" in said.err
    assert not list(tmp_path.glob("s*.jsonl"))


@pytest.mark.parametrize(
    "words", [("gate", "model"), ("validate", "model", "--reference", "model")]
)
def test_a_devices_file_of_samples_that_edgepress_did_not_write_stays(
    boards: list[Board], tmp_path: Path, words: tuple[str, ...]
) -> None:
    foreign = tmp_path / "s.right.jsonl"
    foreign.write_text("my notes\n")
    said = command(*words, *QUICK, *profiles(boards), "--samples", tmp_path / "s.jsonl")
    assert said.code == 2
    assert "s.right.jsonl" in said.err
    assert "--force" in said.err
    assert [file.name for file in tmp_path.glob("s.*")] == ["s.right.jsonl"]
    assert foreign.read_text() == "my notes\n"


def test_all_boards_lost_is_one_error(boards: list[Board]) -> None:
    for board in boards:
        board.server.terminate()
        board.server.wait()
    said = command("gate", "model", *QUICK, *profiles(boards))
    assert said.code == 4
    assert "does not answer" in said.err
    assert said.out == ""


def test_validate_prints_each_devices_figures(
    boards: list[Board], capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["validate", "model", "--reference", "copy", *QUICK, *profiles(boards)]
    assert run(words) == 0
    shown = capsys.readouterr().out
    assert shown.index("left: ") < shown.index("right: ") < shown.index("PASS on left")
    assert "PASS on right" in shown


def _cut(board: Board) -> bool:
    """Break a board's connections while a model is measured there."""
    if signalled(board, 0):
        board.cut()
        return True
    return False
