"""`search` and `run` on boards behind real ssh servers: trials and verdicts are the boards'."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from compress.cli.main import run
from compress.report.stored import read_report
from tests.compress.cli.two_boards import boards as boards
from tests.compress.cli.two_boards import profiles
from tests.compress.searching import write_recipe
from tests.profiles.sshd import Board, needs_sshd

pytestmark = [pytest.mark.alone, pytest.mark.slow, needs_sshd]

STAGES = '[[stage]]\nkind = "distill"\nlayers = 1\nepochs = 1\n[[stage]]\nkind = "quantize"\n'


def models(board: Board) -> int:
    """Count the models that travelled to a board."""
    return len({*board.home.glob("trees/*/*/model.onnx")})


def test_a_search_times_its_shapes_on_the_board(boards: list[Board], tmp_path: Path) -> None:
    recipe = write_recipe(tmp_path / "ground")
    out = tmp_path / "out"
    words = ["search", str(recipe), "--out", str(out), "--tier", "quick", "-q"]
    assert run([*words, *profiles(boards[:1])]) in (0, 1, 3)
    report = read_report(out / "report.json")
    assert report.search is not None
    assert models(boards[0]) >= 2  # the teacher's export, and each shape that was timed
    assert report.verdicts[0].profile == "left"


def test_a_run_has_a_row_and_a_verdict_for_each_board(boards: list[Board], tmp_path: Path) -> None:
    recipe = write_recipe(tmp_path / "ground")
    recipe.write_text(recipe.read_text().partition("[target]")[0] + STAGES)
    for board in boards:
        board.config.write_text(board.config.read_text().replace("Host board", "Host secret.host"))
        text = board.profile_file.read_text()
        board.profile_file.write_text(text.replace('host = "board"', 'host = "secret.host"'))
    out = tmp_path / "out"
    words = ["run", str(recipe), "--out", str(out), "--tier", "quick", "-q"]
    assert run([*words, *profiles(boards)]) == 0
    report = read_report(out / "report.json")
    assert [row.profile for row in report.verdicts] == ["left", "right"]
    assert [row.name for row in report.devices] == ["left", "right"]
    assert all(row.model is not None and row.model.accuracy for row in report.devices)
    assert all(models(board) >= 2 for board in boards)
    page = (out / "report.html").read_text(encoding="utf-8")
    assert "<h2>Devices</h2>" in page
    written = [file for file in (*out.glob("report.*"), *out.glob("samples.*")) if file.is_file()]
    assert {file.suffix for file in written} >= {".html", ".json", ".md", ".jsonl"}
    keys = (str(board.folder / "user_key") for board in boards)
    for private in ("secret.host", *(str(board.home) for board in boards), *keys):
        assert not [file for file in written if private in file.read_text(encoding="utf-8")]
    for name in ("left", "right"):
        lines = (out / f"samples.{name}.jsonl").read_text(encoding="utf-8").splitlines()
        assert json.loads(lines[-1])["kind"] == "end"


def test_a_plan_says_what_no_transport_can_do(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    recipe = write_recipe(tmp_path / "ground")
    words = ["search", str(recipe), "--out", str(tmp_path / "out"), "--dry-run"]
    assert run([*words, "--profile", "rpi5"]) == 0
    said = capsys.readouterr()
    assert "EDGEPRESS_RPI5_HOST is not set" in said.out + said.err
