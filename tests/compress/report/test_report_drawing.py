"""Scales, marks and their numbers: nothing outside its frame, no number over another."""

from __future__ import annotations

import html
import itertools
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from jinja2 import UndefinedError

from compress.explain.explanation import Explanation
from compress.report import bullet, scatter
from compress.report.html import page
from compress.report.scale import linear, logarithmic
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


@pytest.mark.parametrize("limit", [0.0, 1e-9, 1.85, 1e9])
@pytest.mark.parametrize("bound", ["max", "min"])
def test_a_budget_draws_at_any_distance(limit: float, bound: str) -> None:
    for value in (None, 0.0, 1.85):
        check = fixture.check(limit=limit, bound=bound, value=value, lower=value, upper=value)
        drawing = bullet.Bullet(check)
        places = (drawing.limit, *drawing.allowed, *drawing.interval)
        assert all(0 <= place <= drawing.width for place in places)
        assert len(drawing.interval) == (0 if value is None else 3)


@given(st.text())
def test_any_text_survives_a_template(text: str) -> None:
    written, plain = (
        page("sensitivity", found=Explanation(said, {}, notes=(said,)), name=said)
        for said in (text, "")
    )
    note = written.split('<ul class="warnings"><li>')[1].split("</li></ul>")[0]
    assert html.unescape(note) == text
    assert written.count("<") == plain.count("<")


def test_a_name_that_a_template_lacks_is_an_error() -> None:
    with pytest.raises(UndefinedError, match="'name' is undefined"):
        page("sensitivity", found=Explanation("", {}))
