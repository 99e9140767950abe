"""Text regression on the host, and its own rules."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from compress.data.rows import Record
from compress.tasks import Answer
from compress.tasks.number_scores import (
    bounded_rows,
    mae_of,
    mae_retention_of,
    r2_of,
    ranges,
    rmse_of,
    spearman_of,
)
from compress.tasks.text_regression import TextRegression
from runtimes.errors import DataError, UnsupportedError
from tests.compress.tasks.contract_task import TaskContract

TASK = TextRegression()
WORDS = ("refund", "card", "screen", "broken", "thanks", "help")


def _row(number: int) -> dict[str, Any]:
    said = [word for place, word in enumerate(WORDS) if (number >> place) & 1]
    return {"said": " ".join([*said, str(number)]), "stars": f"{100 + 2.5 * len(said)}"}


class TestTextRegression(TaskContract):
    """Hold text regression to the contract."""

    name: ClassVar[str] = "text-regression"
    settings: ClassVar[dict[str, Any]] = {"text": "said", "label": "stars"}
    records: ClassVar[Sequence[dict[str, Any]]] = [_row(n) for n in range(64)]
    refused: ClassVar[Sequence[Sequence[dict[str, Any]]]] = [
        [{"said": f"text {n}", "stars": 3.5} for n in range(20)],
        [{"said": f"text {n}", "stars": "good" if n == 7 else n} for n in range(20)],
        [{"said": f"text {n}", "stars": f"{n},5"} for n in range(20)],
        [{"said": f"text {n}", "stars": "inf" if n == 7 else n} for n in range(20)],
        [{"said": f"text {n}", "stars": None if n == 3 else n} for n in range(20)],
    ]

    def perfect(self, targets: Sequence[Any], labels: tuple[str, ...]) -> list[Answer]:
        """Return the targets."""
        return _answers(targets)

    def random(self, targets: Sequence[Any], labels: tuple[str, ...], seed: int) -> list[Answer]:
        """Return numbers with the targets' mean and spread."""
        rng = np.random.default_rng(seed)
        return _answers(rng.normal(np.mean(targets), np.std(targets), len(targets)))


def _answers(values: Any) -> list[Answer]:
    return list(np.asarray(values, dtype=np.float32)[:, None])


_values = st.floats(-50, 50, allow_subnormal=False, width=16)
_pairs = st.integers(3, 12).flatmap(
    lambda rows: st.tuples(*(arrays(np.float64, rows, elements=_values) for _ in range(2)))
)


@settings(deadline=None)
@given(_pairs)
def test_figures_are_scikit_learn_s_and_scipy_s(pair: tuple[Any, Any]) -> None:
    metrics = pytest.importorskip("sklearn.metrics")
    from scipy.stats import spearmanr

    said, wanted = pair
    once = np.ones((1, len(wanted)))
    assert mae_of(said, wanted, once)[0] == pytest.approx(metrics.mean_absolute_error(wanted, said))
    squared = metrics.mean_squared_error(wanted, said)
    assert rmse_of(said, wanted, once)[0] == pytest.approx(np.sqrt(squared))
    if np.ptp(wanted) > 0:
        r2 = metrics.r2_score(wanted, said)
        assert r2_of(said, wanted, once)[0] == pytest.approx(r2, rel=1e-6, abs=1e-6)
        if np.ptp(said) > 0:
            known = spearmanr(said, wanted).statistic
            assert spearman_of(said, wanted, once)[0] == pytest.approx(known, abs=1e-9)


@settings(deadline=None)
@given(_pairs, st.integers(0, 2**32 - 1))
def test_a_row_drawn_twice_counts_as_two_rows(pair: tuple[Any, Any], seed: int) -> None:
    said, wanted = pair
    drawn = np.random.default_rng(seed).integers(0, 3, len(wanted))
    drawn[0] += 1
    twice = np.repeat(np.arange(len(wanted)), drawn)
    for statistic in (mae_of, rmse_of, spearman_of):
        one = statistic(said, wanted, drawn[None, :].astype(float))[0]
        other = statistic(said[twice], wanted[twice], np.ones((1, len(twice))))[0]
        assert one == pytest.approx(other, abs=1e-9)


def test_the_score_is_r2_where_no_error_is_large() -> None:
    rng = np.random.default_rng(0)
    wanted = rng.normal(5, 2, 500)
    said = wanted + rng.uniform(-1, 1, 500)
    r2 = r2_of(said, wanted, np.ones((1, 500)))[0]
    assert bounded_rows(said, wanted).metric == pytest.approx(r2)
    said[0] += 1e6
    assert bounded_rows(said, wanted).metric == pytest.approx(r2, abs=0.003)
    assert bounded_rows(wanted, wanted).metric == 1
    assert bounded_rows(np.full(3, 2.0), np.full(3, 2.0)).metric == 1


def test_errors_that_vanish_have_a_bounded_ratio() -> None:
    wanted, once = np.arange(9.0), np.ones((1, 9))
    assert mae_retention_of(wanted, wanted + 1, wanted, once)[0] == 2
    assert mae_retention_of(wanted, wanted, wanted, once)[0] == 1
    assert mae_retention_of(wanted + 2, wanted + 1, wanted, once)[0] == pytest.approx(0.5)


def test_every_row_is_in_one_range_and_ranges_are_of_even_size() -> None:
    places, names = ranges(np.arange(100.0))
    assert np.bincount(places).tolist() == [20] * 5
    assert len(names) == 5
    assert ranges(np.full(4, 2.5))[1] == ("2.5 to 2.5",)
    few, names = ranges(np.array([0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 1.0, 1.0]))
    assert set(few) == {0} or len(set(few)) <= len(names)


def test_a_head_learns_in_units_of_the_spread_and_answers_in_the_label_s() -> None:
    import torch

    model = torch.nn.Module()
    model.classifier = torch.nn.Linear(3, 1)
    states = torch.randn(5, 3)
    before = model.classifier(states).detach()
    learner = TASK.learner(model, [10.0, 30.0])  # mean 20, spread 10
    torch.testing.assert_close(model.classifier(states) * 10 + 20, before)
    learner.settle(model, list, [])
    torch.testing.assert_close(model.classifier(states), before)
    with torch.no_grad():
        model.classifier.bias.zero_()
        weights = model.classifier.weight.clone()
    TASK.learner(model, [10.0, 30.0])
    torch.testing.assert_close(model.classifier.weight, weights)


def test_what_is_lost_is_counted_by_range() -> None:
    wanted = [float(n) for n in range(100)]
    teacher, student = _answers(wanted), _answers(wanted)
    for place in range(80, 100, 2):
        student[place] += 90
    costs = TASK.class_costs(student, teacher, wanted, ("value",))
    assert costs[0].label.endswith("99")
    assert costs[0].counts.retention == pytest.approx(0.5)
    figures = TASK.figures(student, wanted, ("value",), teacher).all(0.95)
    assert figures["worst_range_retention"].value == pytest.approx(0.5)
    assert figures["mae_retention"].value == pytest.approx(0, abs=1e-9)
    assert figures["bounded_r2_retention"].value == pytest.approx(0.9)
    with pytest.raises(DataError, match="exceeds a standard deviation"):
        TASK.figures(student, wanted, ("value",), _answers([500.0] * 100))


def test_answers_that_hardly_differ_agree() -> None:
    known = _answers([1.0, 2.0, 3.0])
    assert TASK.agrees(known, _answers([1.01, 2.5, 3.0])).tolist() == [True, False, True]


def test_an_output_keeps_the_name_that_its_folder_has() -> None:
    records = [Record("x", 1.5), Record("y", 2.0)]
    assert TASK.rows("test", records, ("LABEL_0",)).targets == (1.5, 2.0)
    with pytest.raises(DataError, match="'many'"):
        TASK.rows("test", [Record("x", "many")], ("LABEL_0",))


def test_a_head_with_several_numbers_is_refused(tmp_path: Path) -> None:
    config = {
        "architectures": ["BertForSequenceClassification"],
        "problem_type": "regression",
        "id2label": {"0": "a", "1": "b"},
    }
    with pytest.raises(UnsupportedError, match="2 outputs"):
        TASK.head_labels(tmp_path, config, {"classifier.weight": (2, 8)})
    one = {**config, "id2label": {"0": "stars"}}
    assert TASK.head_labels(tmp_path, one, {"classifier.weight": (1, 8)}) == ("stars",)
