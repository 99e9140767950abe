"""The losses, compared with sums by hand."""

from __future__ import annotations

import math

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st

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


def test_cross_entropy_alone_at_alpha_zero() -> None:
    labels = torch.tensor([0, 1, 2, 0])
    loss = distillation_loss(logits(5), logits(6), labels, temperature=3.0, alpha=0.0)
    assert torch.allclose(loss, F.cross_entropy(logits(5), labels))
