"""The choice on planted truth: an answer that says "keeps 99 %" truly does, nine times of ten."""

from __future__ import annotations

from collections import Counter

import pytest

from benchmarks.choice import POPULATIONS, SIZES, Cell, simulate

MOST_FALSE = 0.1


def counted(cells: list[Cell], searches: int) -> dict[str, Counter[str]]:
    """Return searches, answers and false answers over all cells, by rule."""
    counts: dict[str, Counter[str]] = {}
    for cell in cells:
        for rule, tally in simulate(cell, searches).items():
            counts.setdefault(rule, Counter()).update(
                searches=tally.searches, answers=tally.answers, false=tally.false
            )
    return counts


@pytest.mark.parametrize(("command", "shapes"), [("search", 6), ("search", 20), ("compress", 5)])
def test_few_answers_are_false_where_the_rule_before_was_wrong_often(
    command: str, shapes: int
) -> None:
    cells = [Cell(command, "falling", shapes, rows, 150) for rows in (1000, 3000)]
    counts = counted(cells, 50)
    now, before = counts["now"], counts["before"]
    assert now["answers"] > 20, "the rule must not refuse everything"
    assert now["false"] <= MOST_FALSE * now["answers"]
    assert before["false"] > 1.5 * MOST_FALSE * before["answers"], "the rule before was not honest"


@pytest.mark.parametrize("command", ["search", "compress"])
def test_where_nothing_keeps_enough_few_searches_answer(command: str) -> None:
    shapes = 20 if command == "search" else 5
    counts = counted([Cell(command, "none", shapes, rows, 2) for rows in (300, 1000)], 50)
    assert counts["now"]["answers"] <= MOST_FALSE * counts["now"]["searches"]
    assert counts["before"]["answers"] > 0.5 * counts["before"]["searches"]


@pytest.mark.slow
@pytest.mark.parametrize("population", POPULATIONS)
@pytest.mark.parametrize("classes", [2, 150])
@pytest.mark.parametrize(("command", "shapes"), [("search", 6), ("search", 20), ("compress", 5)])
def test_the_truth_holds_over_sizes_classes_and_populations(
    command: str, shapes: int, classes: int, population: str
) -> None:
    cells = [Cell(command, population, shapes, rows, classes) for rows in SIZES]
    now = counted(cells, 100)["now"]
    of = now["searches"] if population == "none" else now["answers"]
    assert now["false"] <= MOST_FALSE * of
