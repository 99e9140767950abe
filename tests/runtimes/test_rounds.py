"""The rows of a round: blocks as long as the slowest model allows, all rows in turn."""

from __future__ import annotations

import random
from collections import Counter

import pytest

from runtimes.rounds import RowDraw
from runtimes.samples import FEWEST_BLOCK_RUNS, Load, MeasurePlan

PLAN = MeasurePlan(blocks=3, block_ms=12.0, block_runs=80, idle_runs=5)


def _draw(rows: int = 50, plan: MeasurePlan = PLAN) -> RowDraw:
    return RowDraw(rows, plan, random.Random(7))


@pytest.mark.parametrize(
    ("slowest_ms", "size"), [(0.05, 80), (0.2, 60), (1.0, 12), (7.0, FEWEST_BLOCK_RUNS), (0.0, 80)]
)
def test_a_block_lasts_as_long_as_the_slowest_needs(slowest_ms: float, size: int) -> None:
    assert [len(block) for block in _draw().round(0, slowest_ms).blocks] == [size] * 3


def test_all_rows_are_answered_in_turn() -> None:
    draw = _draw(rows=36)
    rounds = [draw.round(process, 1.0) for process in range(4)]
    rows = [row for one in rounds for block in one.blocks for row in block]
    assert Counter(rows) == dict.fromkeys(range(36), 4)


def test_every_named_row_has_a_place() -> None:
    drawn = _draw(plan=MeasurePlan(loads=(Load(8, 2),))).round(3, 1.0)
    named = [*drawn.idle, *drawn.loaded, *(row for block in drawn.blocks for row in block)]
    assert [drawn.used[place] for place in drawn.places(named)] == named
    assert len(set(drawn.used)) == len(drawn.used)
