"""Distill more than logits: hidden states and attention relations."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from compress.data.batch import Batch
from compress.distill.losses import hidden_state_loss, relation_loss
from compress.models.architectures import architecture, part
from compress.training.batches import Encoded

if TYPE_CHECKING:
    from torch import Tensor
    from transformers import PreTrainedModel

_KINDS = ("query", "key", "value")
_MOST_RELATION_HEADS = 48
"""MiniLMv2's number for base models; more relation heads than attention heads help."""


class Internals:
    """Compare a student's internal states with the teacher's, in the teacher's forward pass.

    `texts` are the training rows in the teacher's own vocabulary; student and teacher must split
    text into the same tokens, since states are compared token by token. `matched` pairs layers of
    student and teacher. Relations are compared for the last pair, hidden states for every pair; a
    narrower student's states pass through a learned projection (`projections`).
    """

    def __init__(
        self,
        student: PreTrainedModel,
        teacher: PreTrainedModel,
        texts: Encoded,
        matched: Sequence[tuple[int, int]],
        *,
        hidden: float,
        relations: float,
    ) -> None:
        from torch import nn

        self._student = student
        self._teacher = teacher.eval()
        self._texts = texts
        self._matched = tuple(matched)
        self._hidden = hidden
        self._relations = relations
        narrow, wide = student.config.hidden_size, teacher.config.hidden_size
        self.projections = nn.ModuleList(
            nn.Identity() if narrow == wide else nn.Linear(narrow, wide)
            for _ in (matched if hidden > 0 else ())
        )
        self._seen: dict[str, Tensor] = {}

    @contextmanager
    def watching(self) -> Iterator[None]:
        """Record the queries, keys and values of both models' last matched layers."""
        handles = []
        if self._relations > 0:
            mine, theirs = self._matched[-1]
            handles = self._watch("student", self._student, mine)
            handles += self._watch("teacher", self._teacher, theirs)
        try:
            yield
        finally:
            self._seen.clear()
            for handle in handles:
                handle.remove()

    def _watch(self, role: str, model: Any, layer: int) -> list[Any]:
        names = architecture(model.config.model_type)
        block = part(model, f"{names.layers}.{layer}")
        handles = []
        for kind in _KINDS:

            def keep(_: Any, __: Any, output: Tensor, name: str = f"{role}.{kind}") -> None:
                self._seen[name] = output

            handles.append(part(block, getattr(names, kind)).register_forward_hook(keep))
        return handles

    def loss(self, output: Any, batch: Batch) -> Tensor:
        """Return the weighted sum of the internal losses for a batch of the student's output."""
        import torch

        device = output.logits.device
        inputs = self._texts.collate(batch.rows).inputs
        inputs = {key: value.to(device) for key, value in inputs.items()}
        with torch.no_grad():
            wanted = self._teacher.to(device)(**inputs, output_hidden_states=self._hidden > 0)
        total = torch.zeros((), device=device)
        if self._hidden > 0:
            total = total + self._hidden * self._of_hidden(output, wanted, inputs)
        if self._relations > 0:
            total = total + self._relations * self._of_relations(inputs)
        return total

    def _of_hidden(self, output: Any, wanted: Any, inputs: dict[str, Tensor]) -> Tensor:
        """Sum the loss over the matched layers; index 0 of hidden_states is the embeddings."""
        losses = [
            hidden_state_loss(
                projection(output.hidden_states[mine + 1]),
                wanted.hidden_states[theirs + 1],
                inputs["attention_mask"],
            )
            for projection, (mine, theirs) in zip(self.projections, self._matched, strict=True)
        ]
        return sum(losses[1:], losses[0])

    def _of_relations(self, inputs: dict[str, Tensor]) -> Tensor:
        """Sum the loss over queries, keys and values."""
        losses = []
        for kind in _KINDS:
            mine, theirs = self._seen[f"student.{kind}"], self._seen[f"teacher.{kind}"]
            heads = relation_heads(mine.shape[-1], theirs.shape[-1])
            losses.append(relation_loss(mine, theirs, inputs["attention_mask"], heads))
        return losses[0] + losses[1] + losses[2]


def relation_heads(student: int, teacher: int) -> int:
    """Return the largest number of relation heads, up to 48, that divides both widths."""
    return max(
        heads
        for heads in range(1, _MOST_RELATION_HEADS + 1)
        if student % heads == 0 and teacher % heads == 0
    )
