"""Augmented copies: as many as rows, repeatable, of the same words, taken in turn."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from compress.data.rows import Rows
from compress.distill.augment import augmented
from compress.distill.rows import TrainingRows
from compress.distill.stage import Distill
from compress.stage import RunContext, execute
from tests.compress.text_models import load_model
from tests.compress.tiny_models import make_data, make_model, make_trained_model

DATA = make_data()
WORDS = st.lists(st.text("abcdefgh", min_size=1, max_size=8), min_size=1, max_size=12)


@given(rows=st.lists(WORDS.map(" ".join), min_size=1, max_size=20), seed=st.integers(0, 99))
def test_copies_hold_the_rows_words_and_come_again(rows: list[str], seed: int) -> None:
    copies = augmented(rows, seed)
    assert len(copies) == len(rows)
    assert copies == augmented(rows, seed)
    known = {word for row in rows for word in row.split(" ")}
    assert all(copy.strip() for copy in copies)
    assert {word for copy in copies for word in copy.split(" ")} <= known


def test_most_copies_differ_from_their_rows_and_from_one_another() -> None:
    texts = DATA.train.inputs
    one, two = augmented(texts, 7), augmented(texts, 8)
    assert np.mean([a != b for a, b in zip(texts, one, strict=True)]) > 0.6
    assert np.mean([a != b for a, b in zip(one, two, strict=True)]) > 0.6


def test_text_without_spaces_is_cut_by_characters() -> None:
    rows = [
        "我的卡还没有到，请问什么时候可以收到我的新银行卡呢",
        "为什么我的转账还没有到账，已经过了三天了还是没有",
    ] * 4
    copies = augmented(rows, 1)
    assert any(a != b for a, b in zip(rows, copies, strict=True))
    assert set("".join(copies)) <= set("".join(rows))


def test_each_epoch_takes_the_rows_and_one_copy_in_turn(tmp_path: Path) -> None:
    teacher = make_model(tmp_path)
    data = dataclasses.replace(
        DATA, train=Rows(DATA.train.inputs[:5], DATA.train.targets[:5]), unlabeled=("one", "two")
    )
    rows = TrainingRows.of(data, 2, teacher)
    assert rows.targets == (*data.train.targets, *[None] * 12)
    assert len(rows.texts) == 17
    assert rows.of_epoch(0).tolist() == [*range(7), *range(7, 12)]
    assert rows.of_epoch(1).tolist() == [*range(7), *range(12, 17)]
    assert rows.of_epoch(2).tolist() == rows.of_epoch(0).tolist()
    assert TrainingRows.of(data, 0, teacher).of_epoch(4).tolist() == list(range(7))


def test_rows_in_turn_with_their_copies_leave_as_many_in_each_epoch(tmp_path: Path) -> None:
    data = dataclasses.replace(
        DATA, train=Rows(DATA.train.inputs[:5], DATA.train.targets[:5]), unlabeled=("one", "two")
    )
    rows = TrainingRows.of(data, 2, make_model(tmp_path), "in-turn")
    first, second, unlabeled = range(7, 12), range(12, 17), range(5, 7)
    assert rows.of_epoch(0).tolist() == [*range(5), *unlabeled, *first]
    assert rows.of_epoch(1).tolist() == [*second, *unlabeled, *range(5)]
    assert rows.of_epoch(2).tolist() == [*first, *unlabeled, *second]
    assert rows.of_epoch(3).tolist() == rows.of_epoch(0).tolist()


def test_rows_are_taken_in_turn_where_a_class_has_many(tmp_path: Path) -> None:
    teacher = make_model(tmp_path)
    pairs = dataclasses.replace(teacher, task="text-pair-classification")
    count = 1_000 * len(DATA.labels)
    many = Rows(tuple(map(str, range(count))), (0,) * count)
    few = Rows(many.inputs[1:], many.targets[1:])
    known = dataclasses.replace(DATA, train=many)
    assert TrainingRows.of(known, 0, teacher).in_turn
    assert not TrainingRows.of(known, 0, teacher, "every-epoch").in_turn
    assert not TrainingRows.of(dataclasses.replace(DATA, train=few), 0, teacher).in_turn
    assert not TrainingRows.of(known, 0, pairs).in_turn


def test_a_student_learns_from_copies(tmp_path: Path) -> None:
    data = dataclasses.replace(DATA, train=Rows(DATA.train.inputs[:40], DATA.train.targets[:40]))
    teacher = make_trained_model(tmp_path / "teacher", data=DATA)
    context = RunContext(data, teacher, 7, tmp_path / "scratch", shared=tmp_path / "shared")
    stage = Distill(
        layers=1,
        epochs=2,
        augment=2,
        quantization_aware=["embeddings", "weights"],
    )
    made = execute(stage, teacher, context, tmp_path / "made")
    assert load_model(made.path).config.num_hidden_layers == 1
    assert len(list((tmp_path / "shared").glob("logits-*.npz"))) == 3
