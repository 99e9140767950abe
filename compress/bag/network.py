"""The network of a bag student as it is trained.

It imports torch and transformers, so other modules import it in the functions that need it.
"""

# transformers is untyped here.
# mypy: disable-error-code="misc"

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from transformers.utils import ModelOutput

from compress.bag.pairs import Pair


@dataclass
class Logits(ModelOutput):
    """Hold the logits of a batch, shape (rows, classes)."""

    logits: Any = None


class Block(nn.Module):
    """Add an FFN's answer to what it is given, and normalize: a transformer layer's second half."""

    def __init__(self, width: int, inner: int) -> None:
        super().__init__()
        self.inner = nn.Linear(width, inner)
        self.outer = nn.Linear(inner, width)
        self.norm = nn.LayerNorm(width)

    def forward(self, rows: Tensor) -> Tensor:
        """Return rows (rows, width) of the same shape."""
        changed = self.outer(nn.functional.gelu(self.inner(rows)))
        normalized: Tensor = self.norm(rows + changed)
        return normalized


class Bag(nn.Module):
    """Sum the weighted vectors of pieces and pairs, normalize the sum, and classify it by FFNs.

    A deep averaging network (Iyyer et al. 2015, "Deep unordered composition rivals syntactic
    methods") over word pieces and, as in fastText (Joulin et al. 2017), their pairs, with residual
    blocks as those of transformers. `weights` are softmax scores while it is trained;
    `folded_vectors` holds what remains of them.
    """

    def __init__(
        self, vectors: Tensor, padding_id: int, inner: int, classes: int, blocks: int = 0
    ) -> None:
        """Begin with these vectors (ids, width), all of the same weight."""
        super().__init__()
        count, width = vectors.shape
        self.padding_id = padding_id
        self.vectors = nn.Embedding.from_pretrained(vectors, freeze=False)  # type: ignore[no-untyped-call]
        self.weights = nn.Embedding(count, 1)
        nn.init.zeros_(self.weights.weight)
        self.norm = nn.LayerNorm(width)
        self.blocks = nn.Sequential(*(Block(width, inner) for _ in range(blocks)))
        self.inner = nn.Linear(width, inner)
        self.outer = nn.Linear(inner, classes)

    def forward(self, input_ids: Tensor) -> Logits:
        """Return the logits of padded rows, shape (rows, longest)."""
        padding = (input_ids == self.padding_id).unsqueeze(-1)
        scores = self.weights(input_ids).masked_fill(padding, torch.finfo(torch.float32).min)
        summed = (scores.softmax(dim=1) * self.vectors(input_ids)).sum(dim=1)
        inner = nn.functional.gelu(self.inner(self.blocks(self.norm(summed))))
        return Logits(logits=self.outer(inner))

    def folded_vectors(self) -> Tensor:
        """Return vectors whose plain sum the norm makes the same of as of the weighted one.

        Softmax weights differ from exp(score) by one factor a text, which layer normalization
        takes out. The padding's vector is 0.
        """
        scores = self.weights.weight.detach()
        folded: Tensor = self.vectors.weight.detach() * (scores - scores.mean()).exp()
        folded[self.padding_id] = 0.0
        return folded


def first_vectors(table: Tensor, pairs: Sequence[Pair], width: int) -> Tensor:
    """Return vectors (pieces and pairs, width) to begin with, of a teacher's embeddings.

    A pair begins as the mean of its pieces. Rows are normalized as by a layer's norm; fewer columns
    than the teacher's are the principal components, scaled to a mean square of 1.
    """
    rows = nn.functional.layer_norm(table.detach().float(), table.shape[1:])
    if width < rows.shape[1]:
        centered = rows - rows.mean(dim=0)
        _, basis = torch.linalg.eigh(centered.T @ centered)
        rows = rows @ basis.flip(1)[:, :width]
        rows = rows / rows.square().mean().sqrt()
    places = torch.tensor(pairs, dtype=torch.int64).reshape(-1, 2)
    return torch.cat([rows, rows[places].mean(dim=1)])
