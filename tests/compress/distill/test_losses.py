"""The losses, compared with sums by hand."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st

from compress.distill.losses import hidden_state_loss, relation_loss
from compress.tasks.losses import UNLABELED, distillation_loss, soft_target_loss


def logits(seed: int, rows: int = 4, classes: int = 3) -> torch.Tensor:
    return torch.randn(rows, classes, generator=torch.Generator().manual_seed(seed)) * 3


def kl_by_hand(student: torch.Tensor, teacher: torch.Tensor, temperature: float) -> list[float]:
    losses = []
    for s, t in zip(student.tolist(), teacher.tolist(), strict=True):
        p, q = softmax([x / temperature for x in t]), softmax([x / temperature for x in s])
        each = (a * math.log(a / b) for a, b in zip(p, q, strict=True))
        losses.append(temperature**2 * sum(each))
    return losses


def softmax(values: list[float]) -> list[float]:
    powers = [math.exp(value - max(values)) for value in values]
    return [power / sum(powers) for power in powers]


@settings(deadline=None, max_examples=30)
@given(seed=st.integers(0, 10_000), temperature=st.floats(0.5, 10), alpha=st.floats(0, 1))
def test_labeled_rows_mix_kl_and_cross_entropy_and_others_give_kl_alone(
    seed: int, temperature: float, alpha: float
) -> None:
    student, teacher = logits(seed), logits(seed + 1)
    labels = torch.tensor([2, UNLABELED, 0, UNLABELED])
    soft = kl_by_hand(student, teacher, temperature)
    rows = []
    for row, label in enumerate(labels.tolist()):
        if label == UNLABELED:
            rows.append(soft[row])
        else:
            hard = -math.log(softmax(student[row].tolist())[label])
            rows.append(alpha * soft[row] + (1 - alpha) * hard)
    loss = distillation_loss(student, teacher, labels, temperature=temperature, alpha=alpha)
    assert float(loss) == pytest.approx(sum(rows) / 4, rel=1e-3, abs=1e-4)


def test_unlabeled_batches_have_gradients_and_labels_do_not_leak() -> None:
    student = logits(0).requires_grad_()
    none = torch.full((4,), UNLABELED)
    distillation_loss(student, logits(1), none, temperature=2.0, alpha=0.5).backward()  # type: ignore[no-untyped-call]
    assert student.grad is not None
    assert torch.isfinite(student.grad).all()
    expected = torch.autograd.grad(soft_target_loss(student, logits(1), 2.0).mean(), student)[0]
    assert torch.allclose(student.grad, expected)


def test_the_gradient_keeps_its_size_when_the_temperature_grows() -> None:
    sizes = []
    for temperature in (5.0, 50.0):
        student = logits(0).requires_grad_()
        soft_target_loss(student, logits(1), temperature).mean().backward()  # type: ignore[no-untyped-call]
        assert student.grad is not None
        sizes.append(float(student.grad.norm()))
    assert sizes[1] == pytest.approx(sizes[0], rel=0.5)


def test_the_same_logits_cost_nothing() -> None:
    assert soft_target_loss(logits(3), logits(3), 4.0).abs().max() < 1e-5


def test_hidden_states_of_padding_do_not_count() -> None:
    student, teacher = torch.zeros(2, 3, 4), torch.full((2, 3, 4), 2.0)
    mask = torch.tensor([[1, 1, 0], [1, 0, 0]])
    teacher[0, 2] = teacher[1, 1:] = 1e6
    assert float(hidden_state_loss(student, teacher, mask)) == pytest.approx(4.0)


def relations_by_hand(
    student: torch.Tensor, teacher: torch.Tensor, lengths: list[int], heads: int
) -> float:
    total, count = 0.0, 0
    for row, length in enumerate(lengths):
        for head in range(heads):
            probabilities = []
            for states in (teacher, student):
                width = states.shape[-1] // heads
                cut = states[row, :length, head * width : (head + 1) * width].double()
                probabilities.append(torch.softmax(cut @ cut.T / math.sqrt(width), dim=-1))
            t, s = probabilities
            total += float((t * (t.log() - s.log())).sum())
            count += length
    return total / count


def test_relations_are_minilm_v2s_for_each_sequence_without_its_padding() -> None:
    generator = torch.Generator().manual_seed(0)
    student = torch.randn(2, 5, 12, generator=generator)
    teacher = torch.randn(2, 5, 24, generator=generator)
    lengths = [5, 3]
    mask = torch.tensor([[1] * n + [0] * (5 - n) for n in lengths])
    loss = relation_loss(student, teacher, mask, 4)
    assert float(loss) == pytest.approx(relations_by_hand(student, teacher, lengths, 4), rel=1e-4)


def test_relations_have_finite_gradients_under_padding() -> None:
    student = torch.randn(2, 4, 8, requires_grad=True)
    mask = torch.tensor([[1, 1, 1, 1], [1, 0, 0, 0]])
    relation_loss(student, torch.randn(2, 4, 16), mask, 2).backward()  # type: ignore[no-untyped-call]
    assert student.grad is not None
    assert torch.isfinite(student.grad).all()
    assert np.all(student.grad[1].numpy() == 0)


def test_cross_entropy_alone_at_alpha_zero() -> None:
    labels = torch.tensor([0, 1, 2, 0])
    loss = distillation_loss(logits(5), logits(6), labels, temperature=3.0, alpha=0.0)
    assert torch.allclose(loss, F.cross_entropy(logits(5), labels))
