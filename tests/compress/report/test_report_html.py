"""report.html: whole, self-contained, escaped, readable in both color schemes."""

from __future__ import annotations

import itertools
import re
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from typing import get_args

import pytest

import compress.report
from compress.report import html, scatter, units, wording
from compress.report.schema import CheckRow, Estimate, Report, Status, VerdictRow
from profiles import gate
from tests.compress.report import report_fixture as fixture

HOSTILE = "<script>alert('x')</script>\"><img src=x onerror=alert(1)>&amp;{{7*7}}"
STATUSES: tuple[Status, ...] = get_args(Status)
VOID = {"meta", "br", "hr"}
TEMPLATES = Path(compress.report.__file__).parent / "templates"
CSS = (TEMPLATES / "report.css").read_text(encoding="utf-8").rstrip()


class Page(HTMLParser):
    """Read a page strictly: every element that opens must close, in order."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.words: list[str] = []
        self.feed(text)
        self.close()
        assert not self.open, f"never closed: {self.open}"

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if "style" not in self.open:
            self.words.append(data)

    @property
    def text(self) -> str:
        return " ".join(" ".join(self.words).split())

    def with_tag(self, name: str) -> list[dict[str, str | None]]:
        return [attributes for tag, attributes in self.tags if tag == name]


@pytest.mark.parametrize("stages", [1, 2, 5, 12])
@pytest.mark.parametrize("status", STATUSES)
def test_every_outcome_renders_whole(stages: int, status: Status) -> None:
    page = Page(html.render(fixture.report(stages, status)))
    assert f"{wording.SIGNS[status]} {wording.WORDS[status]} on local" in page.text
    assert len(page.with_tag("tr")) == 1 + stages
    assert len(page.with_tag("circle")) >= 2 * stages


def test_the_verdict_comes_first_and_says_what_was_gained() -> None:
    page = Page(html.render(fixture.report()))
    gains = "99.1 % of the teacher's accuracy [98.2, 99.9], 8.1× faster, 19× smaller"
    headings = ["PASS on local", gains, "Budgets of local", "Accuracy against latency", "Stages"]
    headings += ["Rows and warnings", "Environment", "Repeat it"]
    places = [page.text.index(heading) for heading in headings]
    assert places == sorted(places)


def test_every_figure_is_there() -> None:
    report = fixture.report()
    text = Page(html.render(report)).text
    for row in report.stages:
        for figure in (
            units.parameters(row.parameters),
            units.megabytes(row.size_mb),
            units.percent(row.accuracy),
            units.percent(row.f1_macro),
            units.percent_interval(row.retention),
            units.number(row.latency_p50_ms),
            units.number(row.latency_p90_ms),
            units.ratio_interval(row.speedup),
            "cached" if row.cached else units.seconds(row.seconds),
        ):
            assert figure in text
    for check in report.verdicts[0].checks:
        assert wording.requirement(check) in text
        assert wording.measured(check) in text
    for said in (
        report.verdicts[0].conditions,
        *report.warnings,
        *report.tools.values(),
        report.command,
        "AMD EPYC 7B13",
    ):
        assert said in text


def test_nothing_is_fetched_and_nothing_runs() -> None:
    text = html.render(fixture.report(12))
    page = Page(text)
    assert not re.search(r"https?:|//[a-z]|url\(|@import|javascript:", text)
    assert not any({"src", "href"} & attributes.keys() for _, attributes in page.tags)
    assert not {"script", "link", "iframe", "img", "object"} & {tag for tag, _ in page.tags}
    policies = [row["content"] for row in page.with_tag("meta") if row.get("http-equiv")]
    assert policies == ["default-src 'none'; style-src 'unsafe-inline'"]


def hostile_report() -> Report:
    """Return a report whose every text is an attack."""
    report = fixture.report(2)
    row = replace(
        report.stages[1], name=HOSTILE, kind=HOSTILE, runtime=HOSTILE, settings={HOSTILE: HOSTILE}
    )
    check = fixture.check(HOSTILE, unit=HOSTILE, why=HOSTILE, status="FAIL")
    assert report.environment is not None
    return replace(
        report,
        name=HOSTILE,
        created=HOSTILE,
        command=HOSTILE,
        stages=(report.stages[0], row),
        verdicts=(VerdictRow(profile=HOSTILE, status="FAIL", checks=(check,), why=HOSTILE),),
        warnings=(HOSTILE,),
        tools={HOSTILE: HOSTILE},
        environment=replace(report.environment, cpu=HOSTILE, facts={HOSTILE: HOSTILE}),
        artifacts={HOSTILE: HOSTILE},
    )


def test_hostile_text_stays_text() -> None:
    page = Page(html.render(hostile_report()))
    assert not {"script", "img"} & {tag for tag, _ in page.tags}
    assert not any(name.startswith("on") for _, row in page.tags for name in row)
    assert page.text.count("<script>alert('x')</script>") >= 12


def test_what_was_not_measured_is_a_dash() -> None:
    report = fixture.report(2)
    blank = replace(
        report.stages[1],
        latency_p50_ms=None,
        latency_p90_ms=None,
        f1_macro=None,
        speedup=Estimate(),
        seconds=None,
        cached=False,
    )
    page = html.render(replace(report, stages=(report.stages[0], blank)))
    last_row = page.split("<tr")[-1].split("</tr>")[0]
    assert last_row.count("<td>–</td>") == 6
    assert len(re.findall('<circle [^>]*class="mark', page)) == 2  # the teacher, in both drawings


def test_a_run_without_figures_says_so() -> None:
    report = Report(name="n", created="2026-01-01", seed=1, command="c", complete=False)
    text = Page(html.render(report)).text
    assert "Not finished" in text
    assert "nothing measured yet" in text


def test_a_teacher_without_a_stage_has_the_first_row() -> None:
    report = fixture.report(5)
    page = Page(html.render(replace(report, stages=report.stages[1:])))
    assert len(page.with_tag("tr")) == 1 + 5
    assert "1 teacher onnx · fp32 · onnxruntime" in page.text


def test_the_worst_profile_leads() -> None:
    verdicts = tuple(fixture.verdict(status, f"on-{status}") for status in reversed(STATUSES))
    text = Page(html.render(replace(fixture.report(), verdicts=verdicts))).text
    assert text.index("on on-FAIL") == min(text.index(f"on on-{status}") for status in STATUSES)


def test_the_order_of_gravity_is_the_gates() -> None:
    for worse, better in itertools.combinations(wording.GRAVITY, 2):
        assert gate.worst([gate.Status(better), gate.Status(worse)]).value == worse


def test_tables_and_drawings_can_be_read_aloud() -> None:
    page = Page(html.render(fixture.report()))
    assert all(row.get("scope") in ("col", "row") for row in page.with_tag("th"))
    assert len(page.with_tag("h1")) == 1
    drawings = [row for row in page.with_tag("svg") if row.get("aria-hidden") != "true"]
    assert all(row.get("role") == "img" for row in drawings)
    assert len(page.with_tag("desc")) == 2
    assert len(page.with_tag("title")) >= 1 + len(drawings)
    ids = [row["id"] for _, row in page.tags if row.get("id")]
    assert len(ids) == len(set(ids))
    for row in drawings:
        assert set((row.get("aria-labelledby") or "").split()) <= set(ids)


def test_status_is_said_in_words_wherever_it_is_colored() -> None:
    page = html.render(fixture.report(5, "FAIL"))
    colored = re.findall(r'class="status \w+"><span[^>]*>[^<]+</span>([A-Z ]+)<', page)
    assert len(colored) == page.count('class="status')


@pytest.mark.parametrize("scheme", [0, 1, 2], ids=["light", "dark", "print"])
@pytest.mark.parametrize("tone", ["ink", "muted", "accent", "pass", "fail", "open"])
def test_contrast_meets_aa(scheme: int, tone: str) -> None:
    blocks = re.findall(r":root \{([^}]*)\}", CSS)
    assert len(blocks) == 3
    light, own = (
        dict(re.findall(r"--([\w-]+): (#[0-9a-f]{6})\b", blocks[place])) for place in (0, scheme)
    )
    colors = {**light, **own}
    for ground in ("paper", "raised"):
        assert _contrast(colors[tone], colors[ground]) >= 4.5


def test_both_color_schemes_and_paper_are_styled() -> None:
    assert "@media screen and (prefers-color-scheme: dark)" in CSS
    assert "@media print" in CSS
    assert CSS in html.render(fixture.report())


def test_an_interval_with_one_side_shows_the_other_as_a_dash() -> None:
    check = CheckRow(
        metric="m", unit="ms", limit=3, bound="max", status="PASS", value=1.0, upper=2.0
    )
    assert wording.measured(check) == "1.00 ms [–, 2.00]"


def test_pareto_keeps_what_no_other_beats() -> None:
    seen = scatter.points(fixture.report(12).stages)
    front = scatter.pareto(seen)
    for point in seen:
        beaten = any(
            other.latency_ms <= point.latency_ms
            and other.score >= point.score
            and (other.latency_ms, other.score) != (point.latency_ms, point.score)
            for other in seen
        )
        assert (point in front) is not beaten


def _contrast(one: str, other: str) -> float:
    """Return the contrast ratio of two colors (WCAG 2.2, definition of contrast ratio)."""
    light, dark = sorted((_luminance(one), _luminance(other)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


def _luminance(color: str) -> float:
    channels = [int(color[place : place + 2], 16) / 255 for place in (1, 3, 5)]
    bent = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
    return 0.2126 * bent[0] + 0.7152 * bent[1] + 0.0722 * bent[2]


def test_retention_and_speed_up_come_first_in_figures_and_tables() -> None:
    """On a phone a table shows its first columns: what a reader looks for is in them."""
    page = Page(html.render(fixture.report()))
    figures = page.text.index("retention 99.1 % [98.2, 99.9] speed-up 8.1× [7.9, 8.4]")
    assert figures < page.text.index("Budgets of local")
    assert "stage retention speed-up MB" in page.text


def test_what_stages_report_stands_beside_their_settings() -> None:
    report = fixture.report(2)
    row = replace(report.stages[1], metrics={"agreement": 0.985, "loss": None})
    text = Page(html.render(replace(report, stages=(report.stages[0], row)))).text
    assert "agreement: 0.985; loss: –" in text
    assert wording.KL_NOTE not in text


def test_kl_is_explained_where_it_stands() -> None:
    report = fixture.report(2)
    row = replace(report.stages[1], metrics={"excluded /encoder/MatMul": 0.0123})
    text = Page(html.render(replace(report, stages=(report.stages[0], row)))).text
    assert "excluded /encoder/MatMul: 0.0123" in text
    assert wording.KL_NOTE in text


def test_paper_shows_what_a_screen_folds_away() -> None:
    paper = CSS.rpartition("@media print {")[2]
    assert "details::details-content { display: block; content-visibility: visible; }" in paper
    assert "break-inside: avoid" in paper


def test_no_rule_of_the_style_sheet_stands_twice() -> None:
    colors = re.findall(r":root \{([^}]*)\}", CSS)
    light = set(re.findall(r"--[\w-]+: #[0-9a-f]+;", colors[0]))
    assert not any(light & set(re.findall(r"--[\w-]+: #[0-9a-f]+;", one)) for one in colors[1:])


def test_names_in_another_direction_stay_in_their_place() -> None:
    """An Arabic profile or class must not turn the words beside it around."""
    arabic = "نموذج"
    verdict = replace(fixture.verdict(), profile=arabic)
    report = replace(fixture.report(), name=arabic, verdicts=(verdict,), warnings=(arabic,))
    page = html.render(report)
    assert f'<span class="on"> on </span><bdi>{arabic}</bdi>' in page
    assert f'<bdi class="name">{arabic}</bdi>' in page
    assert f'<li dir="auto">{arabic}</li>' in page


def test_layouts_of_screens_leave_paper_alone() -> None:
    assert re.findall(r"@media (?!screen|print)[^{]*", CSS) == []
