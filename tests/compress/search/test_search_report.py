"""The report of a search: drawn, listed, escaped, and read again."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from compress.report import html, markdown
from compress.report.schema import Estimate, Report, RivalRow, Search, SearchTrial, SeedRow
from compress.report.stored import from_json, to_json
from tests.compress.report import report_fixture as fixture
from tests.compress.report.test_report_html import HOSTILE, Page


def shape(name: str, *, front: bool = True, deployed: bool = True) -> SearchTrial:
    """Return an invented trial."""
    return SearchTrial(
        name=name,
        epochs=20,
        deployed=deployed,
        front=front,
        accuracy=0.91,
        retention=Estimate(0.993, 0.987, None),
        speedup=21.4,
        latency_p50_ms=0.21,
        latency_p90_ms=0.34,
        size_mb=1.93,
        seconds=240.0,
    )


SEARCH = Search(
    goal="retention ≥ 99.00%",
    control="student 3-layer, fp32",
    why="the teacher came finished",
    answer="one",
    smallest="two",
    trials=(shape("one"), shape("two"), shape("three", front=False, deployed=False)),
    seconds=3000.0,
    rss_peak_mb=1400.0,
    rivals=(
        RivalRow(
            name="TF-IDF word",
            accuracy=0.93,
            difference=Estimate(-0.01, -0.015, -0.005, 0.95, "each"),
            size_mb=1.2,
            compression=75.0,
            latency_p50_ms=0.025,
            speedup=Estimate(290.0, 280.0, 300.0, 0.95, "each"),
            wins=True,
        ),
    ),
    seeds=(SeedRow(seed=7, accuracy=0.92, retention=Estimate(0.99, 0.98, 1.0), size_mb=1.94),),
)


def report(search: Search = SEARCH) -> Report:
    return replace(fixture.report(), search=search)


def test_the_page_draws_and_lists_every_shape() -> None:
    page = Page(html.render(report()))
    for text in (
        "fastest shape that meets it is one",
        "the smallest is two",
        "≥ 98.7 %",
        "21.4×",
        "fp32",
    ):
        assert text in page.text
    idents = [given["id"] for _, given in page.tags if "id" in given]
    assert len(idents) == len(set(idents))
    assert len(page.with_tag("svg")) >= 4
    assert "Seeds" in {given.get("aria-label") for _, given in page.tags}


def test_a_search_without_an_answer_says_so() -> None:
    without = replace(SEARCH, answer=None, smallest=None, seeds=())
    text = Page(html.render(report(without))).text
    assert "None of the shapes that were tried meets the goal" in text
    assert "Search" not in Page(html.render(fixture.report())).text


def test_memory_is_left_out_where_it_is_not_counted() -> None:
    assert "and 1,400 MB of memory at most." in Page(html.render(report())).text
    text = Page(html.render(report(replace(SEARCH, rss_peak_mb=None)))).text
    assert "It took 50 min 00 s." in text


@pytest.mark.parametrize("render", [html.render, markdown.render])
def test_names_are_escaped(render: object) -> None:
    assert callable(render)
    hostile = replace(SEARCH, trials=(shape(HOSTILE),), control=HOSTILE, why=HOSTILE, goal=HOSTILE)
    assert "<script>" not in render(report(hostile))


def test_markdown_lists_the_front_alone() -> None:
    text = markdown.render(report())
    assert "**one**" in text
    assert "|two|" in text.replace(" ", "")
    assert "three" not in text


def test_a_linear_model_that_is_better_at_its_size_is_said_to_be() -> None:
    said = (
        "93.0 %, 1.2 MB, 0.025 ms (p50), 290× faster, 75× smaller; the answer less this: -1.0"
        " points [-1.5, -0.5]. It beats the answer at its size"
    )
    assert said in markdown.render(report()).replace("\\", "")
    assert said in Page(html.render(report())).text
    fair = replace(SEARCH, rivals=(replace(SEARCH.rivals[0], wins=False),))
    assert "It beats the answer" not in markdown.render(report(fair))


def test_it_is_the_same_after_json() -> None:
    assert from_json(json.loads(json.dumps(to_json(report())))) == report()
