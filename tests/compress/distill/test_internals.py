"""Hidden states and relations: the right layers, both vocabularies, learned projections."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from compress.distill.internals import Internals, relation_heads
from compress.distill.losses import hidden_state_loss, relation_loss
from compress.distill.stage import _matched
from compress.models.architectures import FULL
from compress.models.layers import keep_layers
from compress.training.compact import compact_vocabulary
from runtimes.tokenizing import load_tokenizer
from tests.compress.text_models import encode, load_model
from tests.compress.tiny_models import make_data, make_model

TEXTS = make_data().train.inputs[:6]
ROWS = np.arange(len(TEXTS))


def pair(folder: Path, model_type: str, kept: tuple[int, ...]) -> tuple[Any, Any, Any]:
    """Return a student of some of a teacher's layers, the teacher, and the encoded texts."""
    source = make_model(folder, model_type, layers=3)
    student, teacher = load_model(source.path), load_model(source.path)
    keep_layers(student, kept)
    rows = encode(load_tokenizer(source.path, 64), TEXTS, teacher.config)
    return student, teacher, rows


def inner_loss(internals: Internals, student: Any, rows: Any) -> torch.Tensor:
    batch = rows.collate(ROWS)
    with internals.watching():
        output = student(**batch.inputs, output_hidden_states=True)
        return internals.loss(output, batch)


@pytest.mark.parametrize("model_type", sorted(FULL))
def test_the_first_layers_of_a_teacher_match_themselves(tmp_path: Path, model_type: str) -> None:
    student, teacher, rows = pair(tmp_path, model_type, (0, 1))
    same = Internals(student, teacher, rows, [(0, 0), (1, 1)], hidden=1.0, relations=1.0)
    assert float(inner_loss(same, student, rows).detach()) == pytest.approx(0.0, abs=1e-5)
    other = Internals(student, teacher, rows, [(0, 0), (1, 2)], hidden=1.0, relations=1.0)
    assert float(inner_loss(other, student, rows).detach()) > 1e-3


@pytest.mark.parametrize("model_type", ["bert", "roberta"])
def test_a_student_on_fewer_embeddings_sees_the_same(tmp_path: Path, model_type: str) -> None:
    student, teacher, rows = pair(tmp_path, model_type, (0, 2))
    internals = Internals(student, teacher, rows, [(0, 0), (1, 2)], hidden=0.7, relations=0.3)
    expected = inner_loss(internals, student, rows)
    with compact_vocabulary(student, rows) as (small,):
        assert small.ids[0].tolist() != rows.ids[0].tolist()
        loss = inner_loss(internals, student, small)
    torch.testing.assert_close(loss, expected)


def test_the_sum_is_that_of_the_losses_of_the_named_layers(tmp_path: Path) -> None:
    student, teacher, rows = pair(tmp_path, "bert", (0, 1))
    internals = Internals(student, teacher, rows, [(0, 1), (1, 2)], hidden=2.0, relations=3.0)
    loss = inner_loss(internals, student, rows)
    inputs = rows.collate(ROWS).inputs
    mask = inputs["attention_mask"]
    with torch.no_grad():
        mine = student(**inputs, output_hidden_states=True).hidden_states
        theirs = teacher(**inputs, output_hidden_states=True).hidden_states
        hidden = hidden_state_loss(mine[1], theirs[2], mask)
        hidden = hidden + hidden_state_loss(mine[2], theirs[3], mask)
        relations = torch.zeros(())
        for kind in ("query", "key", "value"):
            one = getattr(student.bert.encoder.layer[1].attention.self, kind)(mine[1])
            two = getattr(teacher.bert.encoder.layer[2].attention.self, kind)(theirs[2])
            relations = relations + relation_loss(one, two, mask, 32)
    torch.testing.assert_close(loss.detach(), 2.0 * hidden + 3.0 * relations)


def test_projections_learn_and_the_teacher_does_not(tmp_path: Path) -> None:
    teacher = load_model(make_model(tmp_path / "wide", hidden=64).path)
    narrow = make_model(tmp_path / "narrow", hidden=32, layers=1)
    student = load_model(narrow.path)
    rows = encode(load_tokenizer(narrow.path, 64), TEXTS, student.config)
    internals = Internals(student, teacher, rows, [(0, 1)], hidden=1.0, relations=1.0)
    inner_loss(internals, student, rows).backward()  # type: ignore[no-untyped-call]
    assert all(
        p.grad is not None and p.grad.abs().sum() > 0 for p in internals.projections.parameters()
    )
    assert student.bert.encoder.layer[0].attention.self.query.weight.grad.abs().sum() > 0
    assert all(p.grad is None for p in teacher.parameters())


def test_nothing_watches_afterwards(tmp_path: Path) -> None:
    student, teacher, rows = pair(tmp_path, "bert", (2,))

    def hooks() -> list[int]:
        models = (student, teacher)
        return [len(part._forward_hooks) for model in models for part in model.modules()]

    for model in (student, teacher):  # transformers leaves a hook of its own at the first call
        model(**rows.collate(ROWS).inputs, output_hidden_states=True)
    before = hooks()
    internals = Internals(student, teacher, rows, [(0, 2)], hidden=0.0, relations=1.0)
    with internals.watching():
        assert sum(hooks()) == sum(before) + 6
    inner_loss(internals, student, rows)
    assert hooks() == before


@given(student=st.integers(1, 800), teacher=st.integers(1, 1024))
def test_relation_heads_divide_both_widths(student: int, teacher: int) -> None:
    heads = relation_heads(student, teacher)
    assert 1 <= heads <= 48
    assert student % heads == teacher % heads == 0
    assert relation_heads(384, 768) == 48


@pytest.mark.parametrize(
    ("kept", "student", "teacher", "pairs"),
    [
        ((1, 3, 5), 3, 6, ((0, 1), (1, 3), (2, 5))),
        ((), 3, 6, ((0, 1), (1, 3), (2, 5))),
        ((), 4, 2, ((1, 0), (3, 1))),
        ((0,), 1, 6, ((0, 0),)),
    ],
)
def test_layers_are_paired(kept: Any, student: int, teacher: int, pairs: Any) -> None:
    assert _matched(kept, student, teacher) == pairs
