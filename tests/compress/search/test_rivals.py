"""The linear models that a search's answer is compared with."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from compress.report.schema import Estimate
from compress.search.rivals import RIVALS, difference, made_rivals, wins
from profiles.scores import RowScores
from tests.compress.search.test_search import asked
from tests.compress.searching import write_recipe


def _scores(right: list[int]) -> RowScores:
    return RowScores(np.array(right, dtype=np.float64), np.ones(len(right)))


def test_rivals_learn_labels_alone_and_never_test_rows(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def asked_teacher(*_: object) -> None:
        raise AssertionError("a rival asked the teacher")

    monkeypatch.setattr("compress.distill.rows.teacher_answers", asked_teacher)
    shop = asked(write_recipe(tmp_path), tmp_path / "out").workshop()
    made = dict(made_rivals(shop))
    assert list(made) == list(RIVALS)
    for model in made.values():
        assert model.format == "linear"
        assert shop.scores(model).metric > 0.9  # rows that it has learned
        assert model.provenance["data"]["test"] == 0
    word, both = made.values()
    assert word.size_mb < both.size_mb


def test_the_difference_is_paired_by_row() -> None:
    same = _scores([1, 0] * 200)
    assert difference(same, same, 7).value == 0
    better = difference(_scores([1, 1, 1, 0] * 100), _scores([1, 0, 1, 0] * 100), 7)
    assert better.value == pytest.approx(0.25)
    assert better.lower is not None
    assert better.lower > 0.2


@pytest.mark.parametrize(
    ("upper", "rival_mb", "won"),
    [(-0.01, 1.0, True), (-0.01, 2.0, False), (0.01, 1.0, False), (None, 1.0, False)],
)
def test_a_rival_wins_where_it_is_surely_better_and_not_larger(
    upper: float | None, rival_mb: float, won: bool
) -> None:
    assert wins(Estimate(-0.02, -0.03, upper), rival_mb, 1.5) is won
