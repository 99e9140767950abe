"""Train with only the embedding rows that the texts use: the others would get no gradient."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from compress.training.batches import Encoded

if TYPE_CHECKING:
    from transformers import PreTrainedModel


@contextmanager
def compact_vocabulary(model: PreTrainedModel, *texts: Encoded) -> Iterator[tuple[Encoded, ...]]:
    """Replace the word embeddings by the rows in use, and put the trained rows back at the end.

    Yields the texts with their ids renumbered. A task's text uses a tenth of a pretrained
    vocabulary, and for a small student the optimizer's work on the rest costs more than the
    encoder. Rows that no text uses keep exactly their weights: weight decay does not change them
    either.
    """
    import torch
    from torch import nn

    whole = model.get_input_embeddings()
    assert isinstance(whole, nn.Embedding)
    used = _used(model, whole.padding_idx, texts)
    table = np.zeros(whole.num_embeddings, dtype=np.int64)
    table[used] = np.arange(len(used))
    rows = torch.from_numpy(used)
    small: nn.Embedding = nn.Embedding.from_pretrained(  # type: ignore[no-untyped-call]
        whole.weight.detach()[rows],
        freeze=not whole.weight.requires_grad,
        padding_idx=None if whole.padding_idx is None else int(table[whole.padding_idx]),
    )
    model.set_input_embeddings(small)
    try:
        yield tuple(text.remapped(table) for text in texts)
    finally:
        with torch.no_grad():
            whole.weight[rows] = small.weight.to(whole.weight.device)
        model.set_input_embeddings(whole)


def _used(
    model: PreTrainedModel, padding_idx: int | None, texts: tuple[Encoded, ...]
) -> NDArray[np.int64]:
    """Return the ids in use, ascending; the padding id is one of them."""
    pads = [text.pad_id for text in texts]
    pads += [] if padding_idx is None else [padding_idx]
    kept = np.arange(max(pads) + 1) if _counts_from_padding(model) else np.array(pads)
    return np.unique(np.concatenate([kept, *(row for text in texts for row in text.ids)]))


def _counts_from_padding(model: PreTrainedModel) -> bool:
    """Tell whether positions are counted from the padding id, which then must not change.

    RoBERTa and MPNet do; their embeddings module keeps this id.
    """
    from torch import nn

    return any(
        getattr(module, "padding_idx", None) is not None
        for module in model.modules()
        if not isinstance(module, nn.Embedding)
    )
