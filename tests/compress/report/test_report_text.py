"""report.md and the terminal's table."""

from __future__ import annotations

import io
import re
import subprocess
import sys
from dataclasses import replace
from typing import get_args

import pytest
from rich.console import Console

from compress.report import markdown, terminal, units, wording
from compress.report.schema import Estimate, Report, Status, Summary
from tests.compress.report import report_fixture as fixture

STATUSES: tuple[Status, ...] = get_args(Status)


def printed(report: Report, width: int = 80) -> str:
    """Return what a pipe of that width would get."""
    console = Console(file=io.StringIO(), width=width)
    console.print(terminal.table(report))
    for line in terminal.verdict_lines(report):
        console.print(line)
    text = console.file.getvalue()  # type: ignore[attr-defined]
    assert isinstance(text, str)
    return text


@pytest.mark.parametrize("status", STATUSES)
def test_markdown_says_the_verdict_first(status: Status) -> None:
    text = markdown.render(fixture.report(5, status))
    verdict = text.split("\n\n")[1]
    assert verdict.startswith(f"{wording.SIGNS[status]} **{wording.WORDS[status]} on local**")
    assert "\\[98.2, 99.9\\], 8.1× faster, 19× smaller" in verdict
    if status != "PASS":
        assert "- latency p90" in text.split("\n\n")[2]


@pytest.mark.parametrize("stages", [1, 12])
def test_markdown_tables_are_rectangular(stages: int) -> None:
    text = markdown.render(fixture.report(stages, "FAIL", name="a|b", warnings=("c|d",)))
    for table in re.findall(r"(?:^\|.*\n?)+", text, flags=re.MULTILINE):
        widths = {len(re.findall(r"(?<!\\)\|", line)) for line in table.strip().splitlines()}
        assert len(widths) == 1
    assert text.count("\n| ") >= stages + 5


def test_markdown_shows_hostile_text_as_text() -> None:
    hostile = "a|b\n# x <script> `c` [d](e) **f**"
    row = replace(fixture.stage_row(0, True), name=hostile)
    report = replace(fixture.report(1), stages=(row,), warnings=(hostile,), name=hostile)
    text = markdown.render(report)
    assert "<script>" not in text
    assert "\n# x" not in text
    assert "a\\|b \\# x \\<script\\>" in text


def test_a_command_cannot_leave_its_block() -> None:
    text = markdown.render(replace(fixture.report(1), command="x\n```\n# out"))
    assert text.count("```") == 2


@pytest.mark.parametrize("stages", [1, 5, 12])
def test_the_terminal_table_fits_80_columns_and_loses_nothing(stages: int) -> None:
    report = fixture.report(stages)
    text = printed(report)
    assert max(map(len, text.splitlines())) <= 80
    assert "…" not in text
    for row in report.stages:
        latencies = f"{units.number(row.latency_p50_ms)} / {units.number(row.latency_p90_ms)}"
        intervals = (units.percent_interval(row.retention), units.ratio_interval(row.speedup))
        bounds = [text.partition(" ")[2].partition("[")[2] for text in intervals]
        for figure in (units.parameters(row.parameters), latencies, *bounds):
            assert figure in text


def test_a_pipe_gets_no_escape_sequences() -> None:
    assert "\x1b" not in printed(fixture.report(5, "FAIL"))


def test_markup_in_a_name_is_not_interpreted() -> None:
    row = replace(fixture.stage_row(0, True), name="[bold red]x[/]")
    assert "[bold red]x[/] ←" in printed(replace(fixture.report(1), stages=(row,)), width=120)


@pytest.mark.parametrize("status", STATUSES)
def test_the_last_lines_say_the_verdict_and_why(status: Status) -> None:
    lines = [line.plain for line in terminal.verdict_lines(fixture.report(5, status))]
    assert lines[0].startswith(f"{wording.SIGNS[status]} {wording.WORDS[status]} on local — 99.1 %")
    assert len(lines) == (1 if status == "PASS" else 2)


def test_an_inconclusive_verdict_names_what_was_not_measured() -> None:
    verdict = replace(fixture.verdict("NOT_MEASURED"), status="INCONCLUSIVE", why="too noisy")
    assert wording.reasons(verdict)[0] == "too noisy"
    assert "64 samples are needed" in wording.reasons(verdict)[1]


@pytest.mark.parametrize(
    ("speedup", "compression", "said"),
    [
        (8.1, 19.2, "8.1× faster, 19× smaller"),
        (0.5, 0.25, "2.0× slower, 4.0× larger"),
        (1.0, 1.01, "not faster, not smaller"),
        (None, None, "nothing measured yet"),
    ],
)
def test_gains(speedup: float | None, compression: float | None, said: str) -> None:
    figures = fixture.figures_of(fixture.stage_row(0, True))
    summary = Summary(
        teacher=figures, model=figures, speedup=Estimate(speedup), compression=compression
    )
    assert wording.gains(summary) == said


def test_numbers_in_words() -> None:
    assert [units.number(value) for value in (1234.5, 212.34, 11.42, 1.414, 0.0004, None)] == [
        *("1,234", "212", "11.4", "1.41", "0.0004", "–"),
    ]
    assert [units.seconds(value) for value in (0.42, 12.3, 119.7, 3725.0)] == [
        *("0.4 s", "12 s", "2 min 00 s", "1 h 02 min"),
    ]
    assert [units.parameters(count) for count in (12, 5_100, 22_742_861)] == [
        "12",
        "5.1 k",
        "22.7 M",
    ]
    assert wording.moment("2026-11-21T07:20:00+02:00") == "21 November 2026, 05:20 UTC"


def test_rich_is_loaded_only_to_print() -> None:
    code = (
        "import sys, compress.report.terminal, compress.report.html; print('rich' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"
