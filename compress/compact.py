"""Train with only the embedding rows that the texts use: the others would get no gradient."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import numpy as np

from compress.batches import Encoded

if TYPE_CHECKING:
    from transformers import PreTrainedModel


@contextmanager
def compact_vocabulary(
    model: PreTrainedModel, *texts: Encoded
) -> Iterator[tuple[Encoded, ...]]:
    """Swap the word embeddings for the rows in use, and put the trained rows back at the end.

    Yields the texts with their ids renumbered. A task's text uses a tenth of a pretrained
    vocabulary, and for a small student the optimizer's pass over the rest costs more than the
    encoder. Ids up to the padding id keep their number, because RoBERTa counts positions by it.
    """
    import torch
    from torch import nn

    whole = model.get_input_embeddings()
    assert isinstance(whole, nn.Embedding)
    pad = texts[0].pad_id
    used = np.unique(np.concatenate([np.arange(pad + 1), *(row for text in texts for row in text.ids)]))
    table = np.zeros(whole.num_embeddings, dtype=np.int64)
    table[used] = np.arange(len(used))
    rows = torch.from_numpy(used)
    small = nn.Embedding(len(used), whole.embedding_dim, padding_idx=whole.padding_idx)
    with torch.no_grad():
        small.weight.copy_(whole.weight[rows])
    small.weight.requires_grad_(whole.weight.requires_grad)
    model.set_input_embeddings(small)
    try:
        yield tuple(text.remapped(table) for text in texts)
    finally:
        with torch.no_grad():
            whole.weight[rows] = small.weight.to(whole.weight.device)
        model.set_input_embeddings(whole)
