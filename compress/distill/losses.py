"""Losses beside the answers: the teacher's hidden states and attention relations."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor


def hidden_state_loss(student: Tensor, teacher: Tensor, mask: Tensor) -> Tensor:
    """Return the mean squared difference of hidden states over real tokens.

    Shapes (rows, tokens, width) after projection, mask (rows, tokens)
    (TinyBERT, Jiao et al. 2020, equation 8).
    """
    kept = mask.unsqueeze(-1).to(student.dtype)
    return ((student - teacher) ** 2 * kept).sum() / (kept.sum() * student.shape[-1])


def relation_loss(student: Tensor, teacher: Tensor, mask: Tensor, heads: int) -> Tensor:
    """Return the KL between self-attention relations, the mean over heads and real tokens.

    `student` and `teacher` are queries, keys or values of one layer, shape (rows, tokens,
    width); widths may differ, since both are re-split into `heads` relation heads
    (MiniLMv2, Wang et al. 2021, section 3.1).
    """
    import torch.nn.functional as F  # noqa: N812

    own = _relations(student, mask, heads)
    wanted = _relations(teacher, mask, heads)
    each = F.kl_div(own, wanted, reduction="none", log_target=True).sum(dim=-1)
    real = mask[:, None, :].to(each.dtype)
    return (each * real).sum() / (real.sum() * heads)


def _relations(states: Tensor, mask: Tensor, heads: int) -> Tensor:
    import torch
    import torch.nn.functional as F  # noqa: N812

    rows, tokens, width = states.shape
    split = states.view(rows, tokens, heads, width // heads).transpose(1, 2)
    scores = split @ split.transpose(-1, -2) / math.sqrt(width // heads)
    hidden = (mask == 0)[:, None, None, :]
    return F.log_softmax(scores.masked_fill(hidden, torch.finfo(scores.dtype).min / 2), dim=-1)
