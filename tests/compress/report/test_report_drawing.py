"""Scales, marks and their numbers: nothing outside its frame, no number over another."""

from __future__ import annotations

import html
import itertools
import re
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from jinja2 import UndefinedError

from compress.explain.explanation import Column, Explanation, Table
from compress.report import headroom, scatter
from compress.report.html import page, render
from compress.report.scale import linear, logarithmic
from compress.report.schema import CheckRow, VerdictRow
from tests.compress.report import report_fixture as fixture

places = st.tuples(st.floats(0.01, 100), st.floats(0, 1), st.floats(0.1, 500))
positive = st.floats(1e-3, 1e5)


@given(st.lists(places, min_size=1, max_size=12))
def test_numbers_never_overlap(where: list[tuple[float, float, float]]) -> None:
    rows = [
        replace(fixture.stage_row(0, False), latency_p50_ms=ms, accuracy=share, size_mb=size)
        for ms, share, size in where
    ]
    for drawing in scatter.drawings(rows):
        font, placed = drawing.layout.font, list(drawing.numbers())
        assert [mark.point.number for mark, _ in placed] == list(range(1, 1 + len(rows)))
        for (one, foot), (other, its) in itertools.combinations(placed, 2):
            assert abs(one.x - other.x) >= 2 * font or abs(foot - its) >= font - 0.02


@given(st.lists(positive, min_size=1, max_size=12), st.booleans())
def test_scales_hold_their_values_and_keep_their_order(values: list[float], log: bool) -> None:
    scale = (
        logarithmic(values, 0, 100, pad=1.3) if log else linear(values, 0, 100, pad=0.1, least=1e-6)
    )
    ordered = [scale.at(value) for value in sorted(values)]
    assert ordered == sorted(ordered)
    assert all(0 <= there <= 100 for there in ordered)


@given(positive, st.floats(1, 1e4), st.booleans())
def test_ticks_are_few_and_inside(low: float, factor: float, log: bool) -> None:
    values = [low, low * factor]
    scale = logarithmic(values, 0, 1, pad=1.3) if log else linear(values, 0, 1, pad=0.1, least=1)
    ticks = scale.ticks()
    assert 2 <= len(ticks) <= 13
    assert ticks == sorted(set(ticks))
    slack = (scale.high - scale.low) * 1e-6
    assert all(scale.low - slack <= tick <= scale.high + slack for tick in ticks)


def _bar(check: CheckRow, *others: CheckRow) -> headroom.Bar:
    verdict = replace(fixture.verdict(), checks=(check, *others))
    return headroom.Bar(check, headroom.axis_of([verdict]))


@pytest.mark.parametrize("limit", [0.0, 1e-9, 1.85, 1e9])
@pytest.mark.parametrize("bound", ["max", "min"])
def test_a_budget_draws_at_any_distance(limit: float, bound: str) -> None:
    for value in (None, 0.0, 1.85):
        bar = _bar(fixture.check(limit=limit, bound=bound, value=value, lower=value, upper=value))
        places = (bar.axis.limit, *(bar.interval or ()), *([] if value is None else [bar.value]))
        assert all(place is not None and 0 < place < headroom.WIDTH for place in places)
        assert (bar.value is None) == (bar.interval is None) == (value is None)


@given(positive, positive, st.sampled_from(["max", "min"]))
def test_the_better_side_is_always_the_right_one(limit: float, value: float, bound: str) -> None:
    bar = _bar(fixture.check(limit=limit, value=value, lower=value, upper=value, bound=bound))
    meets = value <= limit if bound == "max" else value >= limit
    assert bar.value is not None
    assert (bar.value >= bar.axis.limit) is meets


def test_every_row_has_its_limit_at_the_same_place() -> None:
    verdicts = [fixture.verdict("FAIL"), fixture.verdict("INCONCLUSIVE", "other")]
    axis = headroom.axis_of(verdicts)
    page_ = page_of(verdicts)
    lines = re.findall(r'<line x1="([\d.]+)"[^>]*class="limit"', page_)
    assert set(lines) == {str(axis.limit)}
    assert len(lines) == 2 * (1 + 5)


def page_of(verdicts: Sequence[VerdictRow]) -> str:
    return render(replace(fixture.report(), verdicts=tuple(verdicts)))


def test_equal_ratios_have_equal_headroom_whatever_the_unit() -> None:
    half = fixture.check(limit=10.0, value=5.0, lower=4.0, upper=6.0)
    double = fixture.check("speedup", unit="ratio", bound="min", limit=2.0, value=4.0)
    axis = headroom.axis_of([replace(fixture.verdict(), checks=(half, double))])
    assert headroom.Bar(half, axis).value == headroom.Bar(double, axis).value


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"limit": 10.0, "value": 4.8}, "2.1 times better than the limit"),
        ({"limit": 1.5, "value": 1.85}, "23 % worse than the limit"),
        ({"limit": 0.97, "bound": "min", "value": 0.9913}, "2.2 % better than the limit"),
        ({"limit": 2.0, "bound": "min", "value": 250.0}, "125 times better than the limit"),
        ({"limit": 1e9}, "1,000 times better than the limit, or more"),
        ({"limit": 1.85, "value": 1.85}, "at the limit"),
        ({"limit": 1.85, "value": None}, "not measured"),
        ({"limit": 5.0, "value": 0.0}, "1,000 times better than the limit, or more"),
    ],
)
def test_headroom_in_words(changes: dict[str, Any], said: str) -> None:
    assert headroom.said(fixture.check(**changes)) == said


@given(st.lists(st.floats(0, 1e6), max_size=6))
def test_ticks_of_the_headroom_keep_apart(values: list[float]) -> None:
    checks = tuple(fixture.check(value=value, lower=None, upper=None) for value in values)
    axis = headroom.axis_of([replace(fixture.verdict(), checks=checks)])
    places = sorted([axis.limit, *(tick.x for tick in axis.ticks() if tick.text)])
    assert all(after - before >= 26 for before, after in itertools.pairwise(places))


def test_statuses_differ_in_shape_and_not_in_colour_alone() -> None:
    shapes = {
        _bar(fixture.check(status=status)).shape for status in ("PASS", "FAIL", "INCONCLUSIVE")
    }
    assert len(shapes) == 3


@given(st.text())
def test_any_text_survives_a_template(text: str) -> None:
    written, plain = (
        page("sensitivity", found=Explanation(said, {}, notes=(said,)), name=said)
        for said in (text, "")
    )
    note = written.split('<ul class="warnings"><li dir="auto">')[1].split("</li></ul>")[0]
    assert html.unescape(note) == text
    assert written.count("<") == plain.count("<")


def test_a_name_that_a_template_lacks_is_an_error() -> None:
    with pytest.raises(UndefinedError, match="'name' is undefined"):
        page("sensitivity", found=Explanation("", {}))


def test_a_sensitivity_row_is_headed_by_its_first_cell() -> None:
    columns = (Column("node", "node"), Column("kl", "KL", ".2e"))
    table = Table("nodes", "nodes, the most costly first", columns, (("/a/MatMul", 0.0123),))
    text = page("sensitivity", found=Explanation("", {}, (table,)), name="bank")
    assert '<th scope="row"><bdi>/a/MatMul</bdi></th><td>1.23e-02</td>' in text
    assert '<th scope="col" class="text">node</th>' in text
