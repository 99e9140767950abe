"""Scales, marks and their numbers: nothing outside its frame, no number over another."""

from __future__ import annotations

import html
import itertools
import re
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from compress.report import bullet, scatter
from compress.report.markup import Markup, tag
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
    drawing = scatter.render(scatter.points(rows), scatter.WIDE, "x")
    found = re.findall(r'<text x="([\d.-]+)" y="([\d.-]+)"[^>]*class="label[^>]*>(\d+)<', drawing)
    assert [int(number) for *_, number in found] == list(range(1, 1 + len(rows)))
    spots = [(float(x), float(y)) for x, y, _ in found]
    for (x1, y1), (x2, y2) in itertools.combinations(spots, 2):
        assert abs(x1 - x2) >= 25.9 or abs(y1 - y2) >= 12.9


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
        drawing = bullet.render(check)
        assert "nan" not in drawing
        assert ('class="value"' in drawing) is (value is not None)


@given(st.text())
def test_any_text_survives_an_element(text: str) -> None:
    written = tag("p", text, title=text)
    assert html.unescape(written.split(">", 1)[1].removesuffix("</p>")) == text
    assert written.count("<") == 2


def test_markup_is_not_escaped_twice() -> None:
    assert tag("p", tag("b", "&"), None, ["<", Markup("<br>")]) == "<p><b>&amp;</b>&lt;<br></p>"
