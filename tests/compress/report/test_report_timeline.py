"""Temperature and clock over time: what is drawn, what is said, and what is not shown."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from compress.report import html, markdown
from compress.report.schema import DeviceRow, Trace
from compress.report.stored import from_json, to_json
from compress.report.timeline import NARROW, NOT_SHOWN, WIDE, Drawing, facts
from tests.compress.report import report_fixture as fixture
from tests.compress.report.test_report_html import Page

HOT = fixture.trace()
BLIND = Trace(
    at_s=(0.0, 1.0), temperature_c=(None, None), clock_mhz=(None, None), slowed=(False,) * 2
)
Shown = float | None
shown = st.none() | st.floats(-40, 5000)


def test_a_slowed_board_is_drawn_and_said() -> None:
    page = Page(html.render(fixture.report(trace=HOT)))
    assert "peak 87.8 °C, 42.0 °C at the start" in page.text
    assert "lowest 1,500 MHz, highest 2,400 MHz" in page.text
    slow = sum(HOT.slowed)
    assert f"at {slow} of 180 moments: frequency capped, soft temperature limit" in page.text
    assert len([row for row in page.with_tag("path") if row["class"] == "series"]) == 4
    assert [row for row in page.with_tag("rect") if row["class"] == "slow"]


def test_each_device_has_its_own() -> None:
    rows = tuple(
        DeviceRow(name=name, transport="ssh", profiles=(name,), trace=trace, lost=lost)
        for name, trace, lost in (("hot", HOT, ""), ("blind", BLIND, ""), ("gone", None, "lost"))
    )
    report = fixture.report(devices=rows, trace=HOT)
    page = Page(html.render(report))
    assert len([row for row in page.with_tag("path") if row["class"] == "series"]) == 4
    idents = [row["id"] for row in page.with_tag("title") if "id" in row]
    assert len(idents) == len(set(idents))
    assert f"temperature {NOT_SHOWN} clock {NOT_SHOWN} slowed never seen" in page.text
    said = markdown.render(report)
    assert "- hot: temperature: peak 87.8 °C" in said
    assert f"- blind: clock: {NOT_SHOWN}" in said
    assert "- gone" not in said
    assert from_json(to_json(report)) == report


@pytest.mark.parametrize("nothing", [None, Trace()])
def test_a_run_without_moments_has_no_part_of_it(nothing: Trace | None) -> None:
    report = fixture.report(trace=nothing)
    assert "Temperature and clock" not in html.render(report)
    assert "temperature" not in markdown.render(report)


def test_what_the_machine_hides_is_said_and_the_rest_drawn() -> None:
    cold = replace(HOT, temperature_c=(None,) * 180)
    assert [name for name, text in facts(cold) if text == NOT_SHOWN] == ["temperature"]
    (panel,) = Drawing(cold, WIDE, "x").panels
    assert panel.title == "clock, MHz"
    assert panel.extreme.text == "1,500 MHz"


def test_a_moment_that_shows_nothing_is_a_gap() -> None:
    heat = (50.0, None, 51.0, 52.0)
    (panel,) = Drawing(
        replace(BLIND, at_s=(0.0, 1.0, 2.0, 3.0), temperature_c=heat), WIDE, "x"
    ).panels
    assert re.fullmatch(r"M[\d. ]+h0M[\d. ]+L[\d. ]+", panel.line)


@given(st.lists(st.tuples(shown, shown, st.booleans()), min_size=1, max_size=30))
def test_nothing_lies_outside_its_frame(
    moments: list[tuple[Shown, Shown, bool]],
) -> None:
    heat, clocks, slowed = zip(*moments, strict=True)
    trace = Trace(
        at_s=tuple(map(float, range(len(moments)))),
        temperature_c=heat,
        clock_mhz=clocks,
        slowed=slowed,
    )
    if heat.count(None) == clocks.count(None) == len(moments):
        return
    for layout in (WIDE, NARROW):
        drawing = Drawing(trace, layout, "x")
        for panel in drawing.panels:
            for x, y in re.findall(r"[ML]([\d.]+) ([\d.]+)", panel.line):
                assert layout.left <= float(x) <= layout.end
                assert panel.top <= float(y) <= panel.floor
        assert all(layout.left - 2 <= start < end <= layout.end for start, end in drawing.slow)
        assert len(drawing.slow) <= sum(slowed)
