"""Multi-label classification on the host, and its own rules."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from compress.data.dataset import DataSettings, load_dataset
from compress.data.rows import Record
from compress.tasks import Answer, thresholds
from compress.tasks.multi_label_classification import MultiLabelClassification
from compress.tasks.multi_label_scores import f1_macro_of, hot, mean_average_precision_of
from runtimes.errors import DataError
from tests.compress.tasks.contract_task import TaskContract

TASK = MultiLabelClassification()
SAID = {"card": "refund my card", "screen": "the screen is broken", "thanks": "thanks for the help"}


def _row(number: int) -> dict[str, Any]:
    topics = [name for place, name in enumerate(SAID) if (number >> place) & 1]
    return {"said": " ".join([*(SAID[name] for name in topics), str(number)]), "topics": topics}


class TestMultiLabelClassification(TaskContract):
    """Hold multi-label classification to the contract."""

    name: ClassVar[str] = "multi-label-classification"
    settings: ClassVar[dict[str, Any]] = {"text": "said", "label": "topics"}
    records: ClassVar[Sequence[dict[str, Any]]] = [_row(n) for n in range(64)]
    refused: ClassVar[Sequence[Sequence[dict[str, Any]]]] = [
        [{"said": f"text {n}", "topics": ["a"]} for n in range(20)],
        [{"said": f"text {n}", "topics": ["a", "b"] if n else ["c"]} for n in range(20)],
        [{"said": f"text {n}", "topics": [["a"], ["b"]]} for n in range(20)],
        [{"said": f"text {n}", "topics": None if n == 3 else "a|b"[: 1 + 2 * (n % 2)]}
         for n in range(20)],
    ]  # fmt: skip

    def perfect(self, targets: Sequence[Any], labels: tuple[str, ...]) -> list[Answer]:
        """Return logits that are sure of the right labels."""
        return list((10 * hot(targets, len(labels)) - 5).astype(np.float32))

    def random(self, targets: Sequence[Any], labels: tuple[str, ...], seed: int) -> list[Answer]:
        """Return logits drawn at random."""
        rng = np.random.default_rng(seed)
        return list(rng.normal(size=(len(targets), len(labels))).astype(np.float32))


@pytest.mark.parametrize(
    ("cell", "labels"),
    [
        (("b", "a"), ["a", "b"]),
        ("a|b", ["a", "b"]),
        ("a; b", ["a", "b"]),
        ("b,a,", ["a", "b"]),
        ("one", ["one"]),
        ('["x, y", "z"]', ["x, y", "z"]),
        ("[]", []),
        ((), []),
        ("[broken", ["[broken"]),
    ],
)
def test_labels_are_lists_or_texts_with_a_separator(cell: Any, labels: list[str]) -> None:
    assert TASK.target((cell,)) == labels


def test_csv_rows_may_have_no_label_when_they_say_so(tmp_path: Any) -> None:
    rows = "".join(f"text {n},{'[]' if n % 3 else 'a|b'}\n" for n in range(40))
    (tmp_path / "rows.csv").write_text(f"text,label\n{rows}", encoding="utf-8")
    data = load_dataset(DataSettings(train=("rows.csv",)), tmp_path, 7, TASK)
    assert set(map(tuple, data.train.targets)) == {(), (0, 1)}


flags = arrays(bool, st.tuples(st.integers(2, 9), st.just(3)))


@settings(deadline=None)
@given(st.data())
def test_scores_are_scikit_learn_s(data: st.DataObject) -> None:
    metrics = pytest.importorskip("sklearn.metrics")
    wanted = data.draw(flags)
    shape = wanted.shape
    logits = data.draw(arrays(np.float32, shape, elements=st.sampled_from([-2, -1, 0, 0.5, 3])))
    said, targets = logits > 0, [np.flatnonzero(row).tolist() for row in wanted]
    once, answers = np.ones((1, len(wanted))), list(logits)
    micro = metrics.f1_score(wanted.ravel(), said.ravel(), zero_division=0)
    assert TASK.score(answers, targets, ("a", "b", "c")).metric == pytest.approx(micro)
    if (seen := np.flatnonzero((said | wanted).any(axis=0))).size:
        each = [metrics.f1_score(wanted[:, k], said[:, k], zero_division=0) for k in seen]
        assert f1_macro_of(said, wanted, once)[0] == pytest.approx(np.mean(each))
    if (present := np.flatnonzero(wanted.any(axis=0))).size:
        each = [metrics.average_precision_score(wanted[:, k], logits[:, k]) for k in present]
        assert mean_average_precision_of(logits, wanted, once)[0] == pytest.approx(np.mean(each))


@given(st.data())
def test_one_threshold_is_the_best_of_all(data: st.DataObject) -> None:
    wanted = data.draw(flags)
    logits = data.draw(
        arrays(np.float64, wanted.shape, elements=st.floats(-4, 4, allow_subnormal=False, width=16))
    )
    best = thresholds.micro_f1(logits > thresholds.single(logits, wanted), wanted)
    for threshold in (*np.unique(logits), -5.0):
        assert thresholds.micro_f1(logits > threshold, wanted) <= best + 1e-12


def test_labels_have_thresholds_of_their_own_only_where_rows_show_it() -> None:
    rng = np.random.default_rng(0)
    wanted = rng.random((600, 4)) < 0.3
    same = np.where(wanted, 1.0, -1.0) + rng.normal(0, 0.8, wanted.shape)
    assert np.ptp(thresholds.choose(same, wanted)) == 0
    shifted = same + np.array([-3.0, 0.0, 2.0, 4.0])
    own = thresholds.choose(shifted, wanted)
    assert (np.diff(own) > 1).all()
    rare = wanted.copy()
    rare[:, 3] = False
    rare[:3, 3] = True
    assert thresholds.each(shifted, rare)[3] == thresholds.single(shifted, rare)[3]
    assert (thresholds.choose(same, np.zeros_like(wanted)) == 0).all()


def test_a_new_head_starts_with_the_frequency_of_labels() -> None:
    import torch

    model = torch.nn.Module()
    model.classifier = torch.nn.Linear(2, 2)
    targets = [[0], [0, 1], [0], []] * 50
    trained = model.classifier.bias.detach().clone()
    TASK.learner(model, targets)
    assert torch.equal(model.classifier.bias, trained)
    with torch.no_grad():
        model.classifier.bias.zero_()
    TASK.learner(model, targets)
    shares = model.classifier.bias.detach().sigmoid().tolist()
    assert shares == pytest.approx([0.75, 0.25], abs=0.005)


def test_the_head_s_bias_takes_the_thresholds() -> None:
    import torch

    model = torch.nn.Module()
    model.classifier = torch.nn.Linear(2, 2)
    before = model.classifier.bias.detach().clone()
    logits = [np.array([1.0 + (n % 2), 1.0 + (n % 2)], dtype=np.float32) for n in range(40)]
    TASK.settle(model, lambda: logits, [[0, 1] if n % 2 else [] for n in range(40)])
    np.testing.assert_allclose((before - model.classifier.bias).detach(), [1.5, 1.5])


def test_what_is_lost_is_counted_by_label() -> None:
    wanted = [[0], [0, 1], [1], []] * 30
    teacher = list((10 * hot(wanted, 2) - 5).astype(np.float32))
    student = [row.copy() for row in teacher]
    for place in range(0, 120, 8):
        student[place][:] = (-1, 1)  # label 0 is taken for label 1
    costs = TASK.class_costs(student, teacher, wanted, ("a", "b"))
    assert [cost.label for cost in costs] == ["a", "b"]
    assert costs[0].counts.retention == pytest.approx(45 / 60)
    assert costs[0].taken_for == {"b": 15}
    figures = TASK.figures(student, wanted, ("a", "b"), teacher).all(0.95)
    assert figures["worst_label_recall_retention"].value == pytest.approx(45 / 60)
    with pytest.raises(DataError, match="no label right"):
        TASK.figures(student, wanted, ("a", "b"), [-one for one in teacher])


def test_rows_are_read_as_the_head_numbers_its_labels() -> None:
    records = [Record("x", ["b"]), Record("y", ["a", "c"])]
    assert TASK.rows("train", records, ("c", "b", "a")).targets == ([1], [0, 2])
    with pytest.raises(DataError, match="'a'"):
        TASK.rows("test", records, ("b", "c"))
