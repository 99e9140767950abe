"""A verdict has one sign and one color in every command; a file and JSON have no color."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from compress.cli.main import run
from compress.report import terminal
from compress.report.stored import write_report
from profiles.gate import Status
from tests.compress.report import gate_fixture, report_fixture

SIGNS = {
    Status.PASS: "\x1b[1;32m✓",
    Status.FAIL: "\x1b[1;31m✗",
    Status.INCONCLUSIVE: "\x1b[1;33m?",
    Status.NOT_MEASURED: "\x1b[1;33m–",
    Status.WRONG_DEVICE: "\x1b[1;35m≠",
}
"""Bold green, red, yellow, yellow and magenta (ECMA-48, SGR 1 and 31 to 35)."""


@pytest.fixture
def colors(monkeypatch: pytest.MonkeyPatch) -> None:
    """Print as on a terminal with 8 colors, although the output is captured."""
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "80")


@pytest.mark.parametrize("status", Status)
def test_a_gate_and_a_run_show_a_verdict_alike(
    colors: None, capsys: pytest.CaptureFixture[str], status: Status
) -> None:
    terminal.show(*terminal.gate_lines(gate_fixture.verdict(status)))
    gated = capsys.readouterr().out
    terminal.show(*terminal.verdict_lines(report_fixture.report(status=status.value)))
    ran = capsys.readouterr().out
    words = status.value.replace("_", " ")
    for said in (gated, ran):
        assert said.startswith(f"{SIGNS[status]} {words} on ")
    assert f" {SIGNS[status]}\x1b[0m latency_p90_ms" in gated


def test_the_table_is_the_same_text_with_and_without_colors(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    texts = []
    for forced in ("", "1"):
        monkeypatch.setenv("FORCE_COLOR", forced)
        for kind in ("FAIL", "waived", "WRONG_DEVICE", "two"):
            for verdict in gate_fixture.EVERY[kind].verdicts:
                terminal.show(*terminal.gate_lines(verdict))
        texts.append(re.sub(r"\x1b\[[0-9;]*m", "", capsys.readouterr().out))
    assert texts[0] == texts[1]


@pytest.mark.parametrize(
    ("command", "code", "sign"),
    [
        (["profile", "check", "local"], 0, Status.PASS),
        (["profile", "check", "rpi5"], 4, Status.WRONG_DEVICE),
        (["doctor"], 0, Status.PASS),
    ],
)
def test_commands_use_the_same_signs(
    colors: None,
    capsys: pytest.CaptureFixture[str],
    command: list[str],
    code: int,
    sign: Status,
) -> None:
    assert run(command) == code
    assert SIGNS[sign] in capsys.readouterr().out


def test_no_color_wins(
    colors: None, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NO_COLOR", "1")
    assert run(["profile", "check", "local"]) == 0
    said = capsys.readouterr().out
    assert "✓ yes" in said
    assert not re.search(r"\x1b\[[0-9;]*3[0-9]", said)


def test_a_report_in_a_file_has_no_colors(
    colors: None, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_report(tmp_path / "report.json", report_fixture.report())
    assert run(["report", str(tmp_path)]) == 0
    assert SIGNS[Status.PASS] in capsys.readouterr().out
    assert run(["report", str(tmp_path), "--out", str(tmp_path / "report.txt")]) == 0
    text = (tmp_path / "report.txt").read_text(encoding="utf-8")
    assert "\x1b" not in text
    assert "✓ PASS on " in text
