"""Progress reads well at 80 columns, and in a log without a terminal."""

from __future__ import annotations

import io
import re
import sys
import time

import pytest
from rich.console import Console
from rich.progress import Progress

from compress.progress import Meter, Terminal, bars, clock

LONG = "accuracy of 06-quantize-openvino after the reconstruction"
NOTE = "loss 0.3123, accuracy 0.912, and [bold]more[/bold] than a line holds in any terminal"


@pytest.fixture
def clock_s(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Stop the time: what is in the list is what the clock shows, in seconds."""
    now = [1000.0]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    return now


def drawn(progress: Progress, console: Console) -> list[str]:
    """Return the lines of the bars as the console draws them."""
    lines = console.render_lines(progress.get_renderable(), pad=False)
    return ["".join(segment.text for segment in line).rstrip() for line in lines]


@pytest.mark.parametrize("width", [30, 40, 60, 80, 200])
def test_a_bar_is_one_line_at_any_width(width: int) -> None:
    console = Console(file=io.StringIO(), width=width, force_terminal=True, legacy_windows=False)
    with bars(console) as progress:
        bar = progress.add_task(LONG, total=1200, note="")
        for done in (0, 300, 900):
            progress.update(bar, advance=done, note=NOTE)
            (line,) = drawn(progress, console)
            assert len(line) <= width


def test_at_80_columns_a_bar_shows_name_share_rest_and_note() -> None:
    console = Console(file=io.StringIO(), width=80, force_terminal=True, legacy_windows=False)
    now = [0.0]
    with bars(console) as progress:
        progress.get_time = lambda: now[0]
        bar = progress.add_task("distill", total=1200, note="")
        for _ in range(3):
            now[0] += 15
            progress.update(bar, advance=100, note="loss 0.31")
        (line,) = drawn(progress, console)
    assert re.fullmatch(r"  distill +━+╺━+ +25% 02:15 +loss 0\.31", line)


def test_a_recorded_session_stays_on_one_line() -> None:
    console = Console(
        file=io.StringIO(), width=80, force_terminal=True, record=True, legacy_windows=False
    )
    with bars(console) as progress:
        bar = progress.add_task(LONG, total=3, note="")
        for _ in range(3):
            progress.update(bar, advance=1, note=NOTE)
            progress.refresh()
    text = console.export_text()
    assert "100%" in text
    assert text.count("\n") == 1  # the end; every drawing before it began on the same line
    assert len(text.rstrip("\n")) % 80 == 0


def test_a_log_says_how_long_and_how_long_yet(
    clock_s: list[float], capsys: pytest.CaptureFixture[str]
) -> None:
    with Terminal().task("distill", 1200) as advance:
        clock_s[0] += 45
        advance(300, "loss 0.31")
        clock_s[0] += 5
        advance(10, "loss 0.30")
        clock_s[0] += 4000
        advance(890, "")
    assert capsys.readouterr().err.splitlines() == [
        "  distill: 300/1200, loss 0.31, 0:45 elapsed, about 2:15 left",
        "  distill: 1200/1200, 1:07:30 elapsed, about 0:00 left",
        "  distill: done in 1:07:30",
    ]


def test_a_short_task_leaves_no_line(
    clock_s: list[float], capsys: pytest.CaptureFixture[str]
) -> None:
    with Terminal().task("features", 3) as advance:
        advance(3, "")
    assert capsys.readouterr().err == ""


def test_more_units_than_were_expected_leave_nothing_to_do(clock_s: list[float]) -> None:
    meter = Meter("noise", 10, done=12)
    assert meter.text("").endswith("about 0:00 left")


def test_a_task_that_has_done_nothing_does_not_guess(clock_s: list[float]) -> None:
    assert Meter("noise", 10).text("warming up") == "noise: 0/10, warming up, 0:00 elapsed"


def test_a_note_says_when(clock_s: list[float], capsys: pytest.CaptureFixture[str]) -> None:
    progress = Terminal()
    progress.note("1/3 01-finetune")
    clock_s[0] += 754
    progress.note("2/3 02-distill")
    clock_s[0] += 3600
    progress.note("3/3 03-prune")
    assert capsys.readouterr().err.splitlines() == [
        "[ 0:00] 1/3 01-finetune",
        "[12:34] 2/3 02-distill",
        "[1:12:34] 3/3 03-prune",
    ]


def test_a_warning_is_printed_once_and_kept(capsys: pytest.CaptureFixture[str]) -> None:
    progress = Terminal(quiet=True)
    progress.note("unseen")
    for _ in range(2):
        progress.warn("few rows")
    assert capsys.readouterr().err == "warning: few rows\n"
    assert progress.warnings == ["few rows"]


def test_what_no_report_may_hold_is_printed_also_when_quiet(
    capsys: pytest.CaptureFixture[str],
) -> None:
    progress = Terminal(quiet=True)
    progress.say_only("bob@left.lan: it does not answer")
    assert "bob@left.lan: it does not answer" in capsys.readouterr().err
    assert progress.warnings == []


@pytest.mark.parametrize(
    ("seconds", "shown"),
    [(0, "0:00"), (0.4, "0:00"), (59.6, "1:00"), (3599, "59:59"), (3600, "1:00:00")],
)
def test_a_duration_is_written_as_a_clock_shows_it(seconds: float, shown: str) -> None:
    assert clock(seconds) == shown


def test_no_color_is_honored(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_COLOR", "1")
    stream = io.StringIO()
    console = Console(file=stream, width=80, force_terminal=True, legacy_windows=False)
    with bars(console) as progress:
        progress.add_task("distill", total=2, note="loss 0.31")
    assert not re.search(r"\x1b\[[0-9;]*3[0-9]", stream.getvalue())


def test_stderr_that_is_no_terminal_gets_no_escape_sequences(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert not sys.stderr.isatty()
    with Terminal().task("distill", 2) as advance:
        advance(2, "loss 0.31")
    assert "\x1b" not in capsys.readouterr().err
