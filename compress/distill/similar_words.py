"""Words that a model reads alike: those whose vectors lie nearest."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

from runtimes.artifact import Artifact

if TYPE_CHECKING:
    from tokenizers import Tokenizer
    from torch import Tensor

SimilarWords = Mapping[str, tuple[str, ...]]
"""Each word's most similar ones, the nearest first."""

_MOST = 12
_MARKERS = "Ġ▁"
"""What byte-level and Unigram vocabularies write before a piece that begins a word."""


def similar_words(model: Artifact, words: Iterable[str]) -> SimilarWords:
    """Return the words of a model's vocabulary most similar to each of `words` that is in it.

    A word counts if it is one piece, of letters alone. Similar are those whose rows of the input
    embeddings, less their mean, have the highest cosine; a word is not among its own.
    """
    import torch

    from compress.models.torch_model import load_model
    from runtimes.tokenizing import load_tokenizer

    tokenizer = load_tokenizer(model.path, model.max_length)
    table = load_model(model.path, model.task).get_input_embeddings().weight.detach()
    known = _whole(tokenizer, {piece.lstrip(_MARKERS) for piece in tokenizer.get_vocab()})
    pieces = frozenset(known.values())  # an unknown word is one piece too, that of no word
    asked = {word: piece for word, piece in _whole(tokenizer, words).items() if piece in pieces}
    if not known or not asked:
        return {}
    vectors = torch.nn.functional.normalize(table - table.mean(dim=0), dim=1)
    candidates = list(known)
    nearest = _nearest(vectors[list(asked.values())], vectors[list(known.values())])
    return {
        word: tuple(candidates[place] for place in places if known[candidates[place]] != piece)
        for (word, piece), places in zip(asked.items(), nearest, strict=True)
    }


def _whole(tokenizer: Tokenizer, words: Iterable[str]) -> dict[str, int]:
    """Return the piece of each word of letters that is one piece, in alphabetical order."""
    written = sorted({word for word in words if word.isalpha() and len(word) > 1})
    # Within a text a word stands after a space, which some vocabularies make a part of its piece.
    encoded = tokenizer.encode_batch([f" {word}" for word in written], add_special_tokens=False)
    return {word: one.ids[0] for word, one in zip(written, encoded, strict=True) if len(one) == 1}


def _nearest(asked: Tensor, known: Tensor) -> list[list[int]]:
    """Return the places of the rows of `known` nearest to each row of `asked`."""
    import torch

    count = min(_MOST + 1, len(known))  # one of them may be the row itself
    return [
        row
        for part in torch.split(asked, 1024)
        for row in (part @ known.T).topk(count, dim=1).indices.tolist()
    ]
