"""What a search says of few rows, and what would help where there is no answer."""

from __future__ import annotations

import pytest

from compress.search.advice import cannot_tell, what_helps
from compress.search.choice import Goal, Standing
from compress.search.trial import Control
from tests.compress.searching import control, right, standing

GOAL = Goal(0.99)


def advice(rows: list[Standing], count: int = 1500, known: Control | None = None) -> list[str]:
    return list(what_helps(rows, GOAL, count, known or control(), time_is_up=True))


def test_few_rows_are_said_with_the_difference_that_they_tell() -> None:
    said = cannot_tell([standing(0.98, 9, 2)], GOAL, 300)
    assert said is not None
    assert "300 validation rows" in said
    assert "differ by 0.5 points or more" in said
    assert "measures 99.5% is known to keep 99.0%" in said
    assert cannot_tell([standing(0.98, 9, 2)], GOAL, 1000) is None
    assert cannot_tell([], GOAL, 300) is None


def test_an_answer_needs_no_advice() -> None:
    assert advice([standing(0.996, 9, 2)]) == []


def test_what_measures_enough_needs_rows_and_what_does_not_needs_time() -> None:
    near = "\n".join(advice([standing(0.9925, 9, 2), standing(0.95, 30, 1)]))
    assert "keeps 99.2% on 1500 validation rows, which shows at least 98.8%" in near
    assert "about 6,000 validation rows" in near
    assert "--retention 0.988" in near
    assert "1 of 3 seeds" in near
    below = "\n".join(advice([standing(0.98, 9, 2)]))
    assert "no shape measured 99.0% yet" in below
    assert "validation rows would" not in below


@pytest.mark.parametrize(
    ("rows", "goal", "known", "said"),
    [
        ([], GOAL, control(), "no student was trained"),
        ([standing(1.0, 9, 2)], Goal(0.99, artifact_mb=1.0), control(), "small enough"),
        (
            [standing(1.0, 9, 2)],
            GOAL,
            Control("one", right(900), "there was no time", stands_in=True),
            "give more --time",
        ),
    ],
)
def test_what_is_in_the_way_is_named(
    rows: list[Standing], goal: Goal, known: Control, said: str
) -> None:
    (line,) = what_helps(rows, goal, 1500, known, time_is_up=False)
    assert said in line
