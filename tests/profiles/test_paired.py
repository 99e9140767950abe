"""Two models on the same rows: exact figures, properties, and coverage in seeded simulation."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from profiles.class_retention import count_classes
from profiles.paired import Paired, paired_retention
from profiles.scores import RowScores
from profiles.statistics import Interval
from runtimes.errors import DataError
from tests.profiles.test_statistics import _misses as misses

PAIRS = st.lists(st.tuples(st.booleans(), st.booleans()), min_size=1, max_size=200)
EARNED = st.just(0.0) | st.floats(1e-3, 10)
ROWS = st.lists(st.tuples(EARNED, st.floats(0.1, 5), EARNED, st.floats(0.1, 5)), min_size=2)


def right(rows: object) -> RowScores:
    return RowScores.right(np.asarray(rows))


def split(rows: list[tuple[float, ...]]) -> tuple[RowScores, RowScores]:
    """Return the candidate's and the reference's scores of rows of four numbers."""
    columns = np.array(rows).T
    return RowScores(columns[0], columns[1]), RowScores(columns[2], columns[3])


def _found(
    rng: np.random.Generator, count: NDArray[np.float64], share: float
) -> NDArray[np.float64]:
    return rng.binomial(count.astype(np.int64), share).astype(np.float64)


@given(PAIRS, st.integers(0, 2**32 - 1), st.floats(0.6, 0.999))
@settings(max_examples=50)
def test_right_or_wrong_rows_have_the_bounds_of_a_class(
    rows: list[tuple[bool, bool]], seed: int, confidence: float
) -> None:
    """One exact test: no seed changes it."""
    candidate, reference = (np.array(column) for column in zip(*rows, strict=True))
    kept = paired_retention(right(candidate), right(reference), confidence, seed)
    (one,) = count_classes(np.ones(len(rows)), candidate, reference)
    if reference.any():
        assert kept.value == pytest.approx(sum(candidate) / sum(reference))
        assert kept.lower == pytest.approx(one.lower(confidence), rel=1e-6)
        assert kept.upper == pytest.approx(one.upper(confidence), rel=1e-6)


@given(ROWS, st.integers(0, 2**32 - 1))
@settings(max_examples=50)
def test_the_bounds_hold_the_ratio_of_the_two_metrics(
    rows: list[tuple[float, ...]], seed: int
) -> None:
    candidate, reference = split(rows)
    if reference.metric <= 0:
        return
    kept = paired_retention(candidate, reference, 0.95, seed, resamples=200)
    assert kept.value == pytest.approx(candidate.metric / reference.metric)
    assert kept.value is not None
    assert kept.lower is not None
    assert kept.upper is not None
    assert kept.lower <= kept.value <= kept.upper
    assert kept == paired_retention(candidate, reference, 0.95, seed, resamples=200)


@given(ROWS, st.floats(0.01, 100), st.randoms())
@settings(max_examples=50)
def test_neither_the_unit_nor_the_order_of_rows_matters(
    rows: list[tuple[float, ...]], unit: float, random: object
) -> None:
    candidate, reference = split(rows)
    if reference.metric <= 0 or candidate.binary or reference.binary:
        return
    retention = paired_retention(candidate, reference, 0.9, 3, resamples=300)
    scaled = paired_retention(
        RowScores(candidate.value * unit, candidate.weight),
        RowScores(reference.value * unit, reference.weight),
        0.9, 3, resamples=300,
    )  # fmt: skip
    order = np.random.default_rng(1).permutation(len(rows))
    turned = paired_retention(candidate.of(order), reference.of(order), 0.9, 3, resamples=300)
    for other in (scaled, turned):
        assert other.value == pytest.approx(retention.value)
        assert other.lower == pytest.approx(retention.lower, rel=1e-6)
        assert other.upper == pytest.approx(retention.upper, rel=1e-6)


def test_rows_that_weigh_two_are_bounded_as_rows_that_weigh_one() -> None:
    rng = np.random.default_rng(5)
    mine, theirs = rng.random(400) < 0.9, rng.random(400) < 0.93
    one = paired_retention(right(mine), right(theirs), 0.95, 1)
    weight, value = np.full(400, 2.0), [2.0 * rows.astype(np.float64) for rows in (mine, theirs)]
    candidate, reference = (RowScores(each, weight) for each in value)
    two = paired_retention(candidate, reference, 0.95, 1)
    assert two.value == pytest.approx(one.value)
    assert two.lower == pytest.approx(one.lower, abs=0.002)
    assert two.upper == pytest.approx(one.upper, abs=0.002)


def test_agreeing_on_every_row_is_not_certainty() -> None:
    for each in (1.0, 0.8):
        few, many = (
            paired_retention(scores, scores, 0.95, 1, resamples=2000)
            for scores in (RowScores(np.full(n, each), np.ones(n)) for n in (30, 3000))
        )
        assert few.lower is not None
        assert many.lower is not None
        assert few.lower < 0.97 < 0.997 < many.lower < 1


def test_bounds_of_right_rows_cover() -> None:
    cells = [0.90, 0.015, 0.025, 0.06]  # both right, candidate alone, reference alone, neither
    truth = (cells[0] + cells[1]) / (cells[0] + cells[2])

    def draw(rng: np.random.Generator) -> Interval:
        both, mine, theirs, _ = counts = rng.multinomial(1000, cells)
        code = np.repeat([3, 2, 1, 0], counts)
        assert both + mine + theirs <= 1000
        seed = int(rng.integers(2**32))
        return paired_retention(right(code >= 2), right(code % 2 == 1), 0.95, seed, resamples=1000)

    assert max(misses(draw, truth, times=600)) <= 0.07


def test_bounds_of_rows_that_earn_more_or_less_cover() -> None:
    """As of entity F1: rows of several entities, of which each model finds some."""

    def rows(rng: np.random.Generator, count: int) -> tuple[RowScores, RowScores]:
        entities = rng.integers(1, 6, size=count).astype(np.float64)
        known = _found(rng, entities, 0.9)
        kept = _found(rng, known, 0.97) + _found(rng, entities - known, 0.2)
        return (
            RowScores(2.0 * kept, entities + kept + rng.binomial(1, 0.1, count)),
            RowScores(2.0 * known, entities + known),
        )

    candidate, reference = rows(np.random.default_rng(0), 2_000_000)
    truth = candidate.metric / reference.metric

    def draw(rng: np.random.Generator) -> Interval:
        return paired_retention(*rows(rng, 300), 0.95, int(rng.integers(2**32)), resamples=600)

    assert max(misses(draw, truth, times=400)) <= 0.08


def test_a_reference_that_earns_nothing_has_no_ratio() -> None:
    nothing = RowScores(np.zeros(4), np.full(4, 2.0))
    with pytest.raises(DataError, match="earns nothing"):
        paired_retention(nothing, nothing, 0.95, 1)


def test_other_rows_are_no_pair() -> None:
    with pytest.raises(DataError, match="of 1 and of 2 rows"):
        Paired(right([1]), right([1, 0]))


def test_the_table_counts_who_was_right() -> None:
    pair = Paired(right([1, 1, 1, 0, 0]), right([1, 1, 0, 1, 0]))
    assert pair.table.tolist() == [[2, 1], [1, 1]]
    assert np.flatnonzero(pair.gained).tolist() == [2]
    assert np.flatnonzero(pair.lost).tolist() == [3]


def test_mcnemar_is_the_exact_binomial() -> None:
    candidate, reference = [1] * 9 + [0] * 1, [0] * 9 + [1] * 1
    assert Paired(right(candidate), right(reference)).mcnemar() == pytest.approx(2 * 11 / 1024)
    assert Paired(right([1, 0]), right([1, 0])).mcnemar() == 1.0
    halves = RowScores(np.linspace(0.1, 0.9, 9), np.ones(9))
    worse = RowScores(halves.value / 2, halves.weight)
    assert Paired(worse, halves).mcnemar() == pytest.approx(2 / 2**9)


@given(PAIRS)
def test_the_sure_drop_is_what_pairs_leave_beyond_their_noise(
    rows: list[tuple[bool, bool]],
) -> None:
    candidate, reference = (np.array(column) for column in zip(*rows, strict=True))
    pair = Paired(right(candidate), right(reference))
    lost, gained = (reference & ~candidate).sum(), (candidate & ~reference).sum()
    expected = (lost - gained - 1.645 * np.sqrt(lost + gained)) / len(rows)
    assert pair.sure_drop(1.645) == pytest.approx(expected)
    assert pair.drop == pytest.approx((lost - gained) / len(rows))
