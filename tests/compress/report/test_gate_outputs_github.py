"""A gate's job summary and annotations, as GitHub's runner reads them."""

from __future__ import annotations

import re
from pathlib import Path
from typing import get_args

import pytest
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st

from compress.report import gate_markdown, github
from compress.report import gate_wording as gated
from compress.report.gate_wording import Policy
from profiles.gate import Status, Verdict
from runtimes.errors import InputError
from tests.compress.report import gate_fixture as fixture

COMMAND = re.compile(r"::(?P<level>error|warning|notice) title=(?P<title>[^:,\r\n]+)::(?P<data>.+)")
any_text = st.text(st.characters(exclude_categories=()))


def parsed(line: str) -> tuple[str, str, str]:
    """Return level, title and message as the runner does."""
    match = COMMAND.fullmatch(line)
    assert match is not None, line
    escapes = {"%25": "%", "%0D": "\r", "%0A": "\n", "%3A": ":", "%2C": ","}
    title, data = (
        re.sub("%25|%0D|%0A|%3A|%2C", lambda m: escapes[m[0]], match[name])
        for name in ("title", "data")
    )
    return match["level"], title, data


def levels(kind: str, policy: Policy = "fail") -> list[str]:
    """Return the annotations' levels."""
    return [parsed(line)[0] for line in github.annotations(fixture.EVERY[kind], policy)]


@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        ("PASS", []),
        ("no budgets", []),
        ("FAIL", ["error"]),
        ("WRONG_DEVICE", ["error"]),
        ("waived", ["warning"]),
        ("warned", ["warning", "notice"]),
        ("fault", ["error", "error"]),
        ("two", ["error", "error"]),
        ("no verdicts", ["error"]),
    ],
)
def test_levels(kind: str, expected: list[str]) -> None:
    assert levels(kind) == expected


@pytest.mark.parametrize("kind", ["INCONCLUSIVE", "NOT_MEASURED", "no verdicts"])
def test_what_is_undecided_follows_the_policy(kind: str) -> None:
    policies: tuple[Policy, ...] = get_args(Policy)
    assert [levels(kind, policy) for policy in policies] == [["error"], ["warning"], ["notice"]]


def test_an_annotation_says_what_broke_by_how_much_and_why() -> None:
    (line,) = github.annotations(fixture.EVERY["waived"])
    assert parsed(line) == (
        "warning",
        "FAIL on local: latency_p90_ms ≤ 1.5",
        "latency_p90_ms: measured 1.850 [1.790, 1.930] at 95 % confidence, limit ≤ 1.5, +23.3 %;"
        " waived until 2026-12-31: the fix is in review, #41",
    )


def test_another_device_is_told_of_once() -> None:
    checks = [fixture.check(Status.WRONG_DEVICE) for _ in range(5)]
    report = fixture.report(fixture.verdict(Status.WRONG_DEVICE, "pi", *checks))
    (line,) = github.annotations(report)
    assert parsed(line) == (
        "error",
        "WRONG DEVICE on pi",
        "the profile is aarch64, this is x86_64",
    )


def test_a_verdict_that_no_check_explains_is_told_of() -> None:
    noisy = Verdict("local", Status.INCONCLUSIVE, (fixture.check(),), "the machine was noisy")
    (line,) = github.annotations(fixture.report(noisy), "warn")
    assert parsed(line) == ("warning", "INCONCLUSIVE on local", "the machine was noisy")


def test_a_fault_is_one_line_with_its_last_output() -> None:
    line, silent = github.annotations(fixture.EVERY["fault"])
    _, title, data = parsed(line)
    assert title == "edgepress gate: candidate could not be measured"
    assert data.splitlines()[-1] == "MemoryError: cannot allocate 512 MiB"
    assert parsed(silent)[2] == "its process printed nothing"


def test_at_most_ten_a_level_the_worst_first() -> None:
    checks = [fixture.check(Status.FAIL, limit=1.7 - number / 100) for number in range(40)]
    warned = [fixture.warning() for _ in range(10)]
    report = fixture.report(Verdict("local", Status.FAIL, (*checks, *warned)))
    annotations = [parsed(line) for line in github.annotations(report)]
    assert [level for level, _, _ in annotations] == ["error"] * 10 + ["warning"] * 10
    assert annotations[0][1] == "FAIL on local: latency_p90_ms ≤ 1.31"
    assert annotations[9][2].startswith("31 more")
    assert "more" not in annotations[19][2]


@settings(deadline=None)
@given(any_text)
@example("100%0A, a: b\r\nc")
def test_any_text_is_one_line_and_comes_back(text: str) -> None:
    assume(gated.plain(text))
    lines = github.annotations(fixture.hostile(text))
    for line in lines:
        line.encode("utf-8")
        assert len(line.splitlines()) == 1
    fault, broken, _, _, warning, noise = map(parsed, lines)
    assert fault[2] == gated.last_output(text)
    assert broken[1] == f"FAIL on {gated.plain(text)}: latency_p90_ms ≤ 1.5"
    assert warning[2] == noise[2] == gated.plain(text)


def test_the_summary_is_the_markdown() -> None:
    report = fixture.EVERY["two"]
    assert github.render_summary(report) == gate_markdown.render(report)


def test_a_huge_summary_fits_the_runner() -> None:
    text = github.render_summary(fixture.huge())
    assert 0.99 * github.SUMMARY_BYTES < len(text.encode()) <= github.SUMMARY_BYTES


def test_a_summary_is_appended(tmp_path: Path) -> None:
    path = tmp_path / "summary.md"
    environ = {"GITHUB_STEP_SUMMARY": str(path)}
    report = fixture.EVERY["FAIL"]
    assert github.write_summary(report, environ) == path
    assert path.read_text(encoding="utf-8") == gate_markdown.render(report)
    path.write_text("| an earlier | table |\n", encoding="utf-8")
    github.write_summary(report, environ)
    whole = path.read_text(encoding="utf-8")
    assert whole == f"| an earlier | table |\n\n{gate_markdown.render(report)}"


def test_what_the_step_wrote_before_counts(tmp_path: Path) -> None:
    path = tmp_path / "summary.md"
    path.write_bytes(b"x" * 500 * 1024)
    github.write_summary(fixture.huge(), {"GITHUB_STEP_SUMMARY": str(path)})
    assert 800 * 1024 < path.stat().st_size <= github.SUMMARY_BYTES + 1


@pytest.mark.parametrize("environ", [{}, {"GITHUB_STEP_SUMMARY": ""}])
def test_without_a_runner_the_error_names_the_variable(environ: dict[str, str]) -> None:
    with pytest.raises(InputError, match="GITHUB_STEP_SUMMARY is not set") as error:
        github.summary_file(environ)
    assert error.value.expected
    assert error.value.action


def test_a_summary_that_cannot_be_written_is_an_input_error(tmp_path: Path) -> None:
    environ = {"GITHUB_STEP_SUMMARY": str(tmp_path / "missing" / "summary.md")}
    with pytest.raises(InputError, match="cannot be written: No such file"):
        github.write_summary(fixture.EVERY["PASS"], environ)
