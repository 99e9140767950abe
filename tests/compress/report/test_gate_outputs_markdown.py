"""A gate's Markdown: the worst first, cut to a size, and any text shown as it is."""

from __future__ import annotations

import re

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from markdown_it import MarkdownIt
from markdown_it.token import Token

from compress.report import gate_markdown
from compress.report import gate_wording as gated
from compress.report.gate_report import Fault, GateReport
from profiles.gate import Status, Verdict
from tests.compress.report import gate_fixture as fixture

GITHUB = MarkdownIt("commonmark").enable("table")
any_text = st.text(st.characters(exclude_categories=()))


def tokens(report: GateReport) -> list[Token]:
    """Return what a reader of Markdown makes of a report."""
    return GITHUB.parse(gate_markdown.render(report))


def said(inline: Token) -> str:
    """Return a block's text as a reader sees it."""
    return "".join(child.content for child in inline.children or ())


def tables(report: GateReport) -> list[list[list[str]]]:
    """Return the cells' texts, by table and row."""
    all_tables: list[list[list[str]]] = []
    for token, inner in zip(tokens(report), tokens(report)[1:], strict=False):
        if token.type == "table_open":
            all_tables.append([])
        elif token.type == "tr_open":
            all_tables[-1].append([])
        elif token.type in ("th_open", "td_open"):
            all_tables[-1][-1].append(said(inner))
    return all_tables


@pytest.mark.parametrize("status", Status)
def test_the_head_says_the_verdict(status: Status) -> None:
    text = gate_markdown.render(fixture.EVERY[status.value])
    word = status.value.replace("_", " ")
    assert text.startswith(f"### {status.sign} edgepress gate: {word}\n\n")
    assert f"**{word}** on **local** — n=1,200 in 5 processes, clean 97 %" in text


def test_the_table_says_all_of_a_check_the_worst_first() -> None:
    checks, models, figures = tables(fixture.EVERY["waived"])
    assert checks[0] == ["", "metric", "limit", "measured", "distance", "note"]
    assert checks[1][:5] == ["✗", "latency_p90_ms", "≤ 1.5", "1.850 [1.790, 1.930]", "+23.3 %"]
    assert checks[1][5] == "waived until 2026-12-31: the fix is in review, #41"
    assert [row[0] for row in checks[2:]] == ["✓"] * 3
    assert models[1] == ["candidate", "the candidate", "onnx", "c0ffeec0ffee", "onnxruntime 1.31.1"]
    assert figures[0] == ["metric", "candidate", "reference"]
    assert figures[1][:2] == ["latency_p90_ms", "1.850 [1.790, 1.930]"]


def test_of_broken_budgets_the_one_furthest_off_comes_first() -> None:
    checks = [fixture.check(Status.FAIL, limit=limit) for limit in (1.7, 1.2, 1.5)]
    least = fixture.check(Status.FAIL, "accuracy_retention", 0.999)
    met = fixture.check()
    report = fixture.report(
        Verdict("met", Status.PASS, (met,)),
        Verdict("local", Status.FAIL, (met, fixture.warning(), least, *checks)),
    )
    broken, other = tables(report)[:2]
    limits = [row[2] for row in broken[1:]]
    assert limits == ["≤ 1.2", "≤ 1.5", "≤ 1.7", "≥ 0.999", "≤ 1.5", "≤ 4"]
    assert [row[2] for row in other[1:]] == ["≤ 4"]


def test_a_fault_outweighs_a_pass_and_is_fenced() -> None:
    text = gate_markdown.render(fixture.EVERY["fault"])
    assert text.startswith("### ⚠ edgepress gate: not measured to the end")
    fence = next(token for token in tokens(fixture.EVERY["fault"]) if token.type == "fence")
    assert fence.content.endswith("MemoryError: cannot allocate 512 MiB\n")
    assert "**reference** could not be measured to the end; its process printed nothing." in text
    assert "✓ **PASS** on **local**" in text


def test_without_verdicts_or_budgets_it_says_so() -> None:
    assert "No profile was judged." in gate_markdown.render(fixture.EVERY["no verdicts"])
    assert "The profile names no budgets." in gate_markdown.render(fixture.EVERY["no budgets"])


def test_noise_warnings_and_how_to_repeat_it_are_there() -> None:
    report = fixture.report(fixture.verdict(), noise=("load 3.1",), warnings=("old baseline",))
    text = gate_markdown.render(report)
    assert "- ⚠ noise: load 3.1\n- ⚠ old baseline\n" in text
    assert "```sh\nedgepress gate model --data test.csv --seed 7\n```" in text
    assert "Invented 9000, x86\\_64, 0123456789abcdef" in text


def test_the_fence_is_longer_than_any_inside() -> None:
    words = "```\n# not a heading\n`````\n"
    report = fixture.report(fixture.verdict(), faults=(Fault("candidate", words),))
    fence = next(token for token in tokens(report) if token.type == "fence")
    assert fence.content == words
    assert fence.markup == "``````"


@settings(deadline=None)
@given(any_text)
def test_any_text_is_shown_as_it_is(text: str) -> None:
    assume(gated.plain(text))
    report = fixture.hostile(text)
    shown = tokens(report)
    assert [token.type for token in shown] == [t.type for t in tokens(fixture.hostile("x"))]
    inner = {child.type for token in shown for child in token.children or ()}
    assert inner <= {"text", "text_special", "strong_open", "strong_close", "code_inline"}
    assert tables(report)[0][1][5] == gated.plain(text)
    assert shown[[token.type for token in shown].index("fence")].content == (
        f"{gated.last_output(text)}\n"
    )


def test_a_cut_keeps_the_worst_and_counts_the_rest() -> None:
    report = fixture.huge(1_000)
    whole, limit = gate_markdown.render(report), 64 * 1024
    text = gate_markdown.render(report, limit)
    assert len(text.encode()) <= limit < len(whole.encode())
    marks = re.findall(r"^\| (\S) \|", text, flags=re.MULTILINE)
    assert marks.count("✗") == whole.count("| ✗ |")
    assert "✓" not in marks
    left = re.search(r"\*\*([\d,]+) more checks do not fit here\*\*: (.*)\.", text)
    assert left is not None
    assert int(left[1].replace(",", "")) == 1_009 - len(marks)
    assert "PASS" in left[2]
    assert len(text.encode()) > 0.99 * limit
    assert text.rstrip().endswith("</details>")


def test_even_the_worst_texts_fit_a_summary() -> None:
    report = fixture.hostile("&" * 10_000)
    figures = tuple(fixture.measurement(f"latency_{n}_ms") for n in range(10_000))
    many = [fixture.verdict(Status.FAIL, "&" * 10_000)] * 1_000
    swollen = fixture.report(
        *report.verdicts,
        *many,
        faults=(Fault("😀" * 10_000, "😀" * 10_000),) * 1_000,
        noise=report.noise * 1_000,
        warnings=report.warnings * 1_000,
        models=(*report.models, fixture.model(figures=figures)) * 1_000,
        repeat=report.repeat,
    )
    text = gate_markdown.render(swollen, 900 * 1024)
    assert len(text.encode()) <= 900 * 1024
    assert "more profiles do not fit here" in text
    assert "1,000 models could not be measured; these are the first 20." in text


def test_long_text_is_cut_and_whitespace_and_colours_go() -> None:
    assert gated.plain("a\t\nb\x1b[1;31mc\x1b[0m\x1b]0;title\x07 \x85") == "a bc \\x85"
    assert gated.plain("x" * 600) == "x" * 499 + "…"
    assert gated.last_output("\n\x1b[2Ka\r\n\rb\n\n") == "a\n\nb"
