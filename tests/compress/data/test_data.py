"""Rows become splits for training, with a digest of their whole content."""

from __future__ import annotations

import csv
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from compress.data.classes import align_labels
from compress.data.dataset import Dataset, DataSettings, load_dataset, load_labeled
from runtimes.errors import DataError
from tests.compress.text_models import TASK

ROWS = [(f"text number {n}", "abc"[n % 3]) for n in range(120)]


def write(path: Path, rows: Sequence[tuple[str, ...]], header: tuple[str, ...] = ()) -> None:
    with path.open("w", encoding="utf-8", newline="") as stream:
        csv.writer(stream).writerows([header or ("text", "label", "group")[: len(rows[0])], *rows])


def load(
    folder: Path, rows: list[Any] = ROWS, test: list[Any] | None = None, **settings: Any
) -> Dataset:
    write(folder / "train.csv", rows)
    if test is not None:
        write(folder / "test.csv", test)
        settings["test"] = "test.csv"
    return load_dataset(DataSettings(train="train.csv", **settings), folder, 7, TASK)


def test_rows_are_split_70_15_15_in_every_class(tmp_path: Path) -> None:
    data = load(tmp_path)
    assert data.labels == ("a", "b", "c")
    assert [len(part) for part in (data.train, data.validation, data.test)] == [84, 18, 18]
    assert set(Counter(data.test.targets).values()) == {6}
    texts = (*data.train.inputs, *data.validation.inputs, *data.test.inputs)
    assert sorted(texts) == sorted(text for text, _ in ROWS)


@pytest.mark.parametrize(
    ("rows", "said"),
    [
        ([("one", "x"), ("two", "x"), ("three", "x")], "one class only"),
        ([*ROWS, ("lonely", "rare")], "'rare'"),
        ([*ROWS, (" ", "a"), ("nan", "b"), ("text", "")], "line 122 (text)"),
        ([(t, f"0.{n % 3}5") for n, (t, _) in enumerate(ROWS)], "fractions"),
        ([("", "a"), ("", "b")], "without a value (2)"),
    ],
)
def test_rows_that_cannot_be_learned_are_refused(tmp_path: Path, rows: Any, said: str) -> None:
    with pytest.raises(DataError) as caught:
        load(tmp_path, rows)
    assert said in str(caught.value)
    assert caught.value.action


def test_an_id_column_is_no_label(tmp_path: Path) -> None:
    rows = [(f"t{n}", str(n // 2)) for n in range(10_100)]
    with pytest.raises(DataError, match="5050 classes"):
        load(tmp_path, rows)


def test_empty_rows_can_be_left_out(tmp_path: Path) -> None:
    data = load(tmp_path, [*ROWS, ("", "a")], on_empty="drop")
    assert "left out: 1" in data.warnings[0]
    assert sum(map(len, (data.train, data.validation, data.test))) == len(ROWS)


def test_test_labels_that_train_lacks_are_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="'q'"):
        load(tmp_path, test=[("new", "a"), ("newer", "q")])


def test_labels_are_read_without_the_space_around_them(tmp_path: Path) -> None:
    rows = [(text, f" {label} ") for text, label in ROWS[:60]] + ROWS[60:]
    assert load(tmp_path, rows).labels == ("a", "b", "c")


def test_weak_data_is_warned_of(tmp_path: Path) -> None:
    rows = [*ROWS, ("Text  number 0", "b"), *((f"more {n}", "a") for n in range(3000))]
    write(tmp_path / "v.csv", [("other", "a")] * 200)
    warnings = "\n".join(load(tmp_path, rows, test=ROWS[:6], validation="v.csv").warnings)
    assert "texts in both train and test: 6;" in warnings
    assert "texts with different labels in train: 1, such as 'text number 0'" in warnings
    assert "test has 6 rows only" in warnings
    assert "class 'a' has" in warnings


def test_sound_data_gives_no_warning(tmp_path: Path) -> None:
    assert load(tmp_path, [(f"text {n}", "abc"[n % 3]) for n in range(1200)]).warnings == ()


def test_a_group_in_two_given_splits_is_warned_of(tmp_path: Path) -> None:
    rows = [(f"t{n}", "ab"[n % 2], f"g{n // 10}") for n in range(200)]
    write(tmp_path / "v.csv", rows[185:])
    data = load(tmp_path, rows[:175], test=rows[175:180], validation="v.csv", group="group")
    assert any(warning.startswith("groups in both train and test: 1") for warning in data.warnings)


def test_groups_too_coarse_to_split_are_refused(tmp_path: Path) -> None:
    rows = [(f"t{n}", "ab"[n % 2], "all") for n in range(30)]
    with pytest.raises(DataError, match="no test rows"):
        load(tmp_path, rows, group="group")


def test_shares_must_leave_rows_to_train_on() -> None:
    with pytest.raises(ValidationError, match="nothing to train on"):
        DataSettings(train=("a.csv",), validation_share=0.5, test_share=0.5)
    DataSettings(train=("a.csv",), test=("b.csv",), validation_share=0.5, test_share=0.5)


@given(
    rows=st.lists(
        st.tuples(st.text("xyz", min_size=1, max_size=3), st.sampled_from("ab")),
        min_size=6,
        max_size=20,
    ),
    place=st.integers(0, 19),
)
def test_the_digest_changes_with_a_row_a_label_or_a_split(
    rows: list[tuple[str, str]], place: int, tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path_factory.mktemp("digest")
    rows = [("a0", "a"), ("a1", "a"), ("a2", "a"), ("b0", "b"), ("b1", "b"), ("b2", "b"), *rows]
    test = [("t", "a"), ("u", "b")]
    whole = load(folder, rows, test)
    assert load(folder, rows, test).digest == whole.digest
    text, label = rows[place % len(rows)]
    changed = [*rows]
    changed[place % len(rows)] = (text + "!", label)
    assert load(folder, changed, test).digest != whole.digest
    assert load(folder, rows, [("t", "b"), ("u", "b")]).digest != whole.digest
    assert load(folder, rows[:-1], [*test, rows[-1]]).digest != whole.digest
    assert load(folder, [(t, f"{c}c") for t, c in rows], [("t", "ac"), ("u", "bc")]).digest != (
        whole.digest
    )


def test_the_digest_covers_unlabeled_text_and_not_the_file_s_name(tmp_path: Path) -> None:
    write(tmp_path / "more.csv", [("spare",)], header=("text",))
    plain, more = load(tmp_path), load(tmp_path, unlabeled="more.csv")
    assert more.unlabeled == ("spare",)
    assert plain.digest != more.digest
    (tmp_path / "train.csv").rename(tmp_path / "other.csv")
    again = load_dataset(DataSettings(train=("other.csv",)), tmp_path, 7, TASK)
    assert again.digest == plain.digest
    assert (
        load_dataset(DataSettings(train=("other.csv",)), tmp_path, 8, TASK).digest != again.digest
    )


def test_classes_take_the_head_s_order_and_names(tmp_path: Path) -> None:
    data = load(tmp_path)
    turned = align_labels(data, ("c", "a", "b"))
    assert [turned.labels[i] for i in turned.train.targets] == [
        data.labels[i] for i in data.train.targets
    ]
    numbered = load(tmp_path, [(text, str("abc".index(label))) for text, label in ROWS])
    assert align_labels(numbered, ("a", "b", "c")).train.targets == numbered.train.targets
    assert align_labels(numbered, ("a", "b", "c")).labels == ("a", "b", "c")


@pytest.mark.parametrize("classes", [("a", "b"), ("a", "b", "x"), ("a", "b", "c", "d")])
def test_a_head_for_other_classes_is_refused(tmp_path: Path, classes: tuple[str, ...]) -> None:
    with pytest.raises(DataError, match="finetune"):
        align_labels(load(tmp_path), classes)


def test_labeled_rows_are_read_for_a_model(tmp_path: Path) -> None:
    write(tmp_path / "t.csv", [("x", "1"), ("y", "0")])
    settings = DataSettings(train=(), test=("t.csv",))
    assert load_labeled(settings, tmp_path, ("a", "b"), TASK)[0].targets == (1, 0)
    write(tmp_path / "t.csv", [("x", "9")])
    with pytest.raises(DataError, match="'9'"):
        load_labeled(settings, tmp_path, ("a", "b"), TASK)


def test_texts_of_two_splits_and_dropped_rows_are_counted(tmp_path: Path) -> None:
    (tmp_path / "train.csv").write_text(
        "text,label\none,a\ntwo,b\nthree,a\nfour,b\nfive,a\nsix,b\n,b\n", encoding="utf-8"
    )
    (tmp_path / "test.csv").write_text("text,label\nOne ,a\nnew,b\n", encoding="utf-8")
    settings = DataSettings(
        train=("train.csv",), validation=("test.csv",), test=("test.csv",), on_empty="drop"
    )
    data = load_dataset(settings, tmp_path, 7, TASK)
    assert (data.duplicates, data.dropped) == (2, 1)


def test_labels_of_another_case_are_the_teacher_s(tmp_path: Path) -> None:
    rows = [(f"text {n}", ("entailment", "Neutral")[n % 2]) for n in range(40)]
    data = align_labels(load(tmp_path, rows), ("NEUTRAL", "ENTAILMENT"))
    assert data.labels == ("NEUTRAL", "ENTAILMENT")
    assert {
        text: target
        for text, target in zip(data.train.inputs, data.train.targets, strict=True)
        if text in ("text 0", "text 1")
    }.items() <= {"text 0": 1, "text 1": 0}.items()
    settings = DataSettings(train=(), test="train.csv")
    known, _ = load_labeled(settings, tmp_path, ("NEUTRAL", "ENTAILMENT"), TASK)
    assert known.targets == tuple(1 - n % 2 for n in range(40))
    both = [(f"text {n}", ("yes", "Yes")[n % 2]) for n in range(40)]
    with pytest.raises(DataError, match="only in the data"):
        align_labels(load(tmp_path, both), ("YES", "NO"))
