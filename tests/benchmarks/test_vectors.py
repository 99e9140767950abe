"""The comparison of students' vectors with another tool's."""

from __future__ import annotations

import numpy as np
import pytest

from benchmarks.vectors import Embedded, compared, table


def _embedded(name: str, noise: float) -> Embedded:
    """Return vectors near one of three directions; more noise mixes them."""
    random = np.random.default_rng(7)
    labels = np.arange(60) % 3
    vectors = np.eye(3)[labels] + noise * random.normal(size=(60, 3))
    return Embedded(name, 1.0, vectors.astype(np.float32), [0.1, 0.2])


def test_a_better_student_is_above_the_rival_on_the_same_rows() -> None:
    targets = [str(number % 3) for number in range(60)]
    good, bad = _embedded("student", 0.05), _embedded("model2vec", 0.8)
    result = compared(_embedded("reference", 0.01), [good], bad, targets)
    reference, student, rival = result["models"]
    assert reference["ndcg_at_10"] == pytest.approx(1.0)
    assert student["ndcg_at_10"] == pytest.approx(1.0)
    assert student["ndcg_at_10_retention"]["value"] == pytest.approx(1.0)
    assert rival["ndcg_at_10_retention"]["upper"] < 1.0
    assert student["ndcg_at_10_vs_model2vec"]["lower"] > 1.0
    assert "ndcg_at_10_vs_model2vec" not in rival
    lines = table(result).splitlines()
    assert len(lines) == 5
    assert len({line.count("|") for line in lines}) == 1
