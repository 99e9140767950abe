"""Distil more than logits: hidden states and attention relations of both models."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from runtimes.errors import RecipeError

from compress.architectures import architecture, part
from compress.batches import Batch, Encoded
from compress.distill.losses import hidden_state_loss, relation_loss

if TYPE_CHECKING:
    from torch import Tensor, nn


class Internals:
    """Compare a student's inner states with the teacher's, on the teacher's forward pass.

    `texts` are the training rows in the teacher's own vocabulary; student and teacher must
    split text alike, since states are compared token by token. `layers[i]` is the teacher's
    layer that student layer `i` stands for.
    """

    def __init__(
        self,
        student: nn.Module,
        teacher: nn.Module,
        texts: Encoded,
        layers: Sequence[int],
        *,
        hidden: float,
        relations: float,
    ) -> None:
        from torch import nn

        self._teacher = teacher.eval()
        self._texts = texts
        self._layers = tuple(layers)
        self._hidden = hidden
        self._relations = relations
        narrow, wide = student.config.hidden_size, teacher.config.hidden_size
        self.projections = nn.ModuleList(
            [nn.Identity() if narrow == wide else nn.Linear(narrow, wide) for _ in layers]
            if hidden > 0
            else []
        )
        self._heads = relation_heads(narrow, wide)
        self._seen: dict[str, Tensor] = {}

    @contextmanager
    def watching(self, student: nn.Module) -> Iterator[None]:
        """Record queries, keys and values of both models' last matched layers."""
        handles = []
        if self._relations > 0:
            for role, model, layer in (
                ("student", student, len(self._layers) - 1),
                ("teacher", self._teacher, self._layers[-1]),
            ):
                handles += self._watch(role, model, layer)
        try:
            yield
        finally:
            for handle in handles:
                handle.remove()

    def _watch(self, role: str, model: Any, layer: int) -> list[Any]:
        names = architecture(model.config.model_type)
        block = part(model, f"{names.layers}.{layer}")
        handles = []
        for kind in ("query", "key", "value"):

            def keep(_: Any, __: Any, output: Tensor, name: str = f"{role}.{kind}") -> None:
                self._seen[name] = output

            handles.append(part(block, getattr(names, kind)).register_forward_hook(keep))
        return handles

    def loss(self, output: Any, batch: Batch) -> Tensor:
        """Return the weighted sum of the inner losses for a batch of the student's output."""
        import torch

        device = output.logits.device
        inputs = {
            key: value.to(device) for key, value in self._texts.collate(batch.rows).inputs.items()
        }
        mask = inputs["attention_mask"]
        with torch.no_grad():
            wanted = self._teacher.to(device)(**inputs, output_hidden_states=self._hidden > 0)
        total = torch.zeros((), device=device)
        if self._hidden > 0:
            for index, layer in enumerate(self._layers):
                projected = self.projections[index](output.hidden_states[index + 1])
                target = wanted.hidden_states[layer + 1]
                total = total + self._hidden * hidden_state_loss(projected, target, mask)
        if self._relations > 0:
            for kind in ("query", "key", "value"):
                found, target = self._seen[f"student.{kind}"], self._seen[f"teacher.{kind}"]
                total = total + self._relations * relation_loss(found, target, mask, self._heads)
        return total


def relation_heads(student: int, teacher: int) -> int:
    """Return how many relation heads divide both widths; MiniLMv2 uses more than attention's."""
    for heads in (48, 24, 12, 8, 4, 2, 1):
        if student % heads == 0 and teacher % heads == 0:
            return heads
    raise RecipeError(f"widths {student} and {teacher} share no relation heads")
