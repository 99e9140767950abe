"""Scales, marks and labels: nothing outside its frame, nothing over another."""

from __future__ import annotations

import html
import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from compress.report import bullet
from compress.report.labels import Box, Spot, place
from compress.report.markup import Markup, tag
from compress.report.scale import linear, logarithmic
from tests.compress.report import report_fixture as fixture

FRAME = Box(0, 0, 880, 460)
places = st.tuples(st.floats(0, 880), st.floats(0, 460), st.floats(3.5, 26))
positive = st.floats(1e-3, 1e5)


@given(st.lists(places, min_size=1, max_size=12))
def test_labels_never_overlap(where: list[tuple[float, float, float]]) -> None:
    spots = [Spot(x, y, radius, "quantize int8", "12") for x, y, radius in where]
    placed = [row for row in place(spots, [], FRAME, 13.0) if row is not None]
    assert all(row.box.within(FRAME) for row in placed)
    assert not any(one.box.meets(other.box) for one, other in itertools.combinations(placed, 2))
    assert not any(row.box.meets(spot.box) for row in placed for spot in spots)


def test_a_label_without_room_is_shortened() -> None:
    frame = Box(0, 0, 60, 40)
    (placed,) = place([Spot(30, 20, 4, "a name that is far too long", "7")], [], frame, 12.0)
    assert placed is not None
    assert placed.text == "7"


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
