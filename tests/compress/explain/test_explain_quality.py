"""Which rows and classes a model lost, counted again from its answers."""

from __future__ import annotations

import csv
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from compress.data.dataset import DataSettings
from compress.explain.explain import explain
from compress.explain.explanation import Explanation
from compress.explain.question import Question
from profiles import metrics
from runtimes.artifact import Artifact
from runtimes.errors import DataError, UnsupportedError
from runtimes.predict import open_predictor
from tests.runtimes import tiny

TEXTS = [f"{a} {b} {c}" for a in tiny.WORDS for b in tiny.WORDS[:4] for c in tiny.WORDS[5:8]]


@pytest.fixture(scope="module")
def ground(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """Make a model and a reference with different answers, and rows that each knows in part."""
    folder = tmp_path_factory.mktemp("quality")
    model = tiny.tiny_onnx(folder / "model", layers=1)
    reference = tiny.tiny_onnx(folder / "reference", layers=2)
    mine, theirs = (_answers(one) for one in (model, reference))
    truth = np.where(np.arange(len(TEXTS)) % 3 == 0, mine, theirs)
    with (folder / "rows.csv").open("w", newline="") as stream:
        rows = [(text, tiny.LABELS[label]) for text, label in zip(TEXTS, truth, strict=True)]
        csv.writer(stream).writerows([("text", "label"), *rows])
    return {
        "model": model,
        "reference": reference,
        "data": DataSettings(train=(), test=(str(folder / "rows.csv"),)),
        "truth": truth,
        "mine": mine,
        "theirs": theirs,
    }


def _answers(artifact: Artifact) -> Any:
    predictor = open_predictor(artifact.path)
    return np.array([int(np.argmax(predictor.answer(text))) for text in TEXTS])


def _asked(ground: dict[str, Any], metric: str, reference: bool, **more: Any) -> Explanation:
    other = ground["reference"] if reference else None
    return explain(Question(metric, ground["model"], ground["data"], reference=other, **more))


def _table(explanation: Explanation, key: str) -> list[dict[str, Any]]:
    return next(table for table in explanation.tables if table.key == key).to_json()


def _f1(ground: dict[str, Any]) -> NDArray[np.float64]:
    return metrics.f1_of(metrics.confusion(ground["truth"], ground["mine"], 3))


def test_lost_and_gained_rows_are_counted(ground: dict[str, Any]) -> None:
    right, known = ground["mine"] == ground["truth"], ground["theirs"] == ground["truth"]
    figures = _asked(ground, "accuracy_retention", reference=True).figures
    assert figures["lost"] == (known & ~right).sum() > 0
    assert figures["gained"] == (right & ~known).sum() > 0
    assert figures["accuracy"] == right.mean()
    assert figures["reference_accuracy"] == known.mean()
    assert figures["f1_macro"] == _f1(ground).mean()


def test_the_test_is_exact(ground: dict[str, Any]) -> None:
    from scipy.stats import binomtest

    explanation = _asked(ground, "accuracy", reference=True)
    lost, gained = explanation.figures["lost"], explanation.figures["gained"]
    assert explanation.figures["mcnemar_p"] == pytest.approx(binomtest(lost, lost + gained).pvalue)


def test_a_model_against_itself_lost_nothing(ground: dict[str, Any]) -> None:
    question = Question("accuracy", ground["model"], ground["data"], reference=ground["model"])
    explanation = explain(question)
    assert (explanation.figures["lost"], explanation.figures["gained"]) == (0, 0)
    assert explanation.figures["mcnemar_p"] == 1
    assert "right equally often as far as these rows show" in explanation.answer
    assert not _table(explanation, "confusions")


def test_classes_come_with_what_they_lost(ground: dict[str, Any]) -> None:
    rows = _table(_asked(ground, "accuracy", reference=True), "classes")
    by_label = {row["label"]: row for row in rows}
    for index, label in enumerate(tiny.LABELS):
        of_class = ground["truth"] == index
        assert by_label[label]["rows"] == of_class.sum()
        assert by_label[label]["right"] == (ground["mine"][of_class] == index).sum()
        change = by_label[label]["right"] - by_label[label]["reference_right"]
        assert by_label[label]["change"] == change
    assert [row["change"] for row in rows] == sorted(row["change"] for row in rows)


def test_confusions_are_counted_by_pair(ground: dict[str, Any]) -> None:
    pairs = Counter(
        (tiny.LABELS[t], tiny.LABELS[p])
        for t, p in zip(ground["truth"], ground["mine"], strict=True)
        if t != p
    )
    rows = _table(_asked(ground, "f1_macro", reference=False), "confusions")
    assert {(row["truth"], row["predicted"]): row["rows"] for row in rows} == dict(pairs)
    assert [row["rows"] for row in rows] == sorted((row["rows"] for row in rows), reverse=True)


def test_examples_are_rows_that_one_of_the_two_has_right(ground: dict[str, Any]) -> None:
    explanation = _asked(ground, "accuracy", reference=True, top=3)
    truth = dict(zip(TEXTS, ground["truth"], strict=True))
    mine = dict(zip(TEXTS, ground["mine"], strict=True))
    lost = _table(explanation, "lost")
    assert len(lost) == 3
    for row in lost:
        assert row["truth"] == tiny.LABELS[truth[row["text"]]] != row["predicted"]
        assert row["predicted"] == tiny.LABELS[mine[row["text"]]]


def test_without_a_reference_the_worst_classes_come_first(ground: dict[str, Any]) -> None:
    explanation = _asked(ground, "f1_macro", reference=False)
    f1 = _f1(ground)
    assert [row["f1"] for row in _table(explanation, "classes")] == pytest.approx(sorted(f1))
    assert tiny.LABELS[int(f1.argmin())] in explanation.answer


def test_foreign_labels_and_references_are_refused(ground: dict[str, Any], tmp_path: Path) -> None:
    import dataclasses

    (tmp_path / "rows.csv").write_text("text,label\nmy card,zebra\n")
    strange = DataSettings(train=(), test=(str(tmp_path / "rows.csv"),))
    with pytest.raises(DataError, match="'zebra'"):
        explain(Question("accuracy", ground["model"], strange))
    other = dataclasses.replace(ground["reference"], labels=("a", "b"))
    with pytest.raises(UnsupportedError, match="classes are not the model's"):
        explain(Question("accuracy", ground["model"], ground["data"], reference=other))
