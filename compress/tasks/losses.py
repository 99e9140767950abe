"""Losses on class logits: against labels, against a teacher, and combined."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from torch import Generator, Tensor

UNLABELED = -1
"""The label of a row without one."""

_IMBALANCED = 3.0


def soft_target_loss(student: Tensor, teacher: Tensor, temperature: float) -> Tensor:
    """Return T²·KL(softmax(teacher/T) ‖ softmax(student/T)) of each row, shape (rows,).

    Both are logits of shape (rows, classes). T² keeps the gradient's size independent of T
    (Hinton, Vinyals, Dean 2015, section 2).
    """
    import torch.nn.functional as F  # noqa: N812

    each = F.kl_div(
        F.log_softmax(student / temperature, dim=-1),
        F.log_softmax(teacher / temperature, dim=-1),
        reduction="none",
        log_target=True,
    )
    return each.sum(dim=-1) * temperature**2


def distillation_loss(
    student: Tensor, teacher: Tensor, labels: Tensor, *, temperature: float, alpha: float
) -> Tensor:
    """Return the rows' mean of α·T²·KL + (1−α)·CE, and of T²·KL where the label is UNLABELED.

    (Hinton et al. 2015, section 2.)
    """
    import torch.nn.functional as F  # noqa: N812

    soft = soft_target_loss(student, teacher, temperature)
    hard = F.cross_entropy(student, labels, ignore_index=UNLABELED, reduction="none")
    return mixed(soft, hard, labels != UNLABELED, alpha)


def mixed(soft: Tensor, hard: Tensor, labeled: Tensor, alpha: float) -> Tensor:
    """Return the rows' mean of α·soft + (1−α)·hard loss, and of the soft one without a label.

    All three have shape (rows,).
    """
    import torch

    return torch.where(labeled, alpha * soft + (1.0 - alpha) * hard, soft).mean()


def drawn_loss(logits: Tensor, temperature: float, generator: Generator) -> Tensor:
    """Return the summed cross-entropy of classes drawn from the softened logits themselves."""
    import torch
    import torch.nn.functional as F  # noqa: N812

    soft = logits / temperature
    drawn = torch.multinomial(soft.detach().softmax(-1), 1, generator=generator)[:, 0]
    return F.cross_entropy(soft, drawn, reduction="sum")


def class_weights(targets: Sequence[Any], classes: int, balance: str) -> Tensor | None:
    """Return each class's weight, given the rows' classes; a class without rows has weight 1.

    "balanced" weighs a class by rows / (classes · its rows); "auto" takes the square root of that,
    and only when the largest class is over three times the smallest.
    """
    import torch

    counts = torch.bincount(torch.tensor(targets), minlength=classes).float().clamp(min=1)
    balanced = counts.sum() / (len(counts) * counts)
    if balance == "balanced":
        return balanced
    uneven = float(counts.max() / counts.min()) > _IMBALANCED
    return balanced.sqrt() if balance == "auto" and uneven else None


def binary_soft_loss(student: Tensor, teacher: Tensor, temperature: float) -> Tensor:
    """Return T²·KL of each row, the mean over labels that are answered one by one; shape (rows,).

    Both are logits of shape (rows, labels); a label's probabilities are sigmoid(±logit / T).
    """
    import torch.nn.functional as F  # noqa: N812

    mine, theirs = student / temperature, teacher / temperature
    yes = F.logsigmoid(theirs), F.logsigmoid(mine)
    no = F.logsigmoid(-theirs), F.logsigmoid(-mine)
    each = sum(known.exp() * (known - said) for known, said in (yes, no))
    assert not isinstance(each, int)
    return each.mean(dim=-1) * temperature**2


_SHARPNESS = 0.05
"""Similarities are divided by it before their softmax, as in contrastive training of encoders."""


def similarity_loss(vectors: Tensor, known: Tensor) -> Tensor:
    """Return 1 − cosine of each row, plus the KL of its similarities to the batch's other rows.

    Both have the shape (rows, dimensions); the result has (rows,), 0 where equal. The KL is that of
    softmax over similarities (Fang et al. 2021, "SEED", section 3.2), with the batch in the place
    of a queue.
    """
    import torch
    import torch.nn.functional as F  # noqa: N812

    mine, theirs = F.normalize(vectors, dim=1), F.normalize(known, dim=1)
    apart = 1 - (mine * theirs).sum(dim=1)
    if len(mine) < 3:  # one other row: its softmax is 1 in both
        return apart
    own = torch.eye(len(mine), dtype=torch.bool, device=mine.device)
    least = torch.finfo(mine.dtype).min / 2
    logs = [
        F.log_softmax((one @ one.T / _SHARPNESS).masked_fill(own, least), dim=1)
        for one in (mine, theirs)
    ]
    return apart + F.kl_div(logs[0], logs[1], reduction="none", log_target=True).sum(dim=1)
