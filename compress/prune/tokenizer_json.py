"""Rewrite a fast tokenizer's files for a subset of its pieces, with dense ids in the old order."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from runtimes.errors import UnsupportedError

Tree = dict[str, Any]

KINDS = ("WordPiece", "BPE", "Unigram")
"""Tokenizer models whose vocabulary can be pruned."""


def pieces_of(tokenizer: Tree) -> list[str]:
    """Return all pieces by id: the model's own pieces, then the added ones.

    Raises UnsupportedError for a tokenizer model of another kind.
    """
    model = tokenizer["model"]
    if model["type"] not in KINDS:
        raise UnsupportedError(
            f"vocabulary pruning does not know the tokenizer model {model['type']!r}",
            available=", ".join(KINDS),
            action="set vocabulary = false",
        )
    vocabulary = model["vocab"]
    if model["type"] == "Unigram":
        by_id = {index: piece for index, (piece, _) in enumerate(vocabulary)}
    else:
        by_id = {index: piece for piece, index in vocabulary.items()}
    by_id |= {token["id"]: token["content"] for token in tokenizer["added_tokens"]}
    return [by_id.get(index, "") for index in range(max(by_id) + 1)]


def id_table(kept: NDArray[np.int64], size: int) -> NDArray[np.int64]:
    """Return the new id of each old one; -1 where the piece is dropped."""
    table = np.full(size, -1, dtype=np.int64)
    table[kept] = np.arange(len(kept))
    return table


def rewrite_tokenizer(tokenizer: Tree, table: NDArray[np.int64]) -> Tree:
    """Return tokenizer.json's content without the dropped pieces and with new ids."""
    new = copy.deepcopy(tokenizer)
    new["model"] |= _rewrite_model(new["model"], table)
    for token in new["added_tokens"]:
        token["id"] = int(table[token["id"]])
    _rewrite_processor(new.get("post_processor"), table)
    if new.get("padding"):
        new["padding"]["pad_id"] = int(table[new["padding"]["pad_id"]])
    return new


def rewrite_tokenizer_config(config: Tree, table: NDArray[np.int64]) -> Tree:
    """Return tokenizer_config.json's content with the new ids of its added tokens."""
    tokens: Mapping[str, Any] | None = config.get("added_tokens_decoder")
    if tokens is None:
        return config
    return config | {
        "added_tokens_decoder": {
            str(table[int(index)]): token
            for index, token in tokens.items()
            if int(index) < len(table) and table[int(index)] >= 0
        }
    }


def merge_pairs(model: Tree) -> list[tuple[str, str]]:
    """Return a BPE model's merges in order of rank, in either form of the file."""
    return [
        (pair[0], pair[1]) if isinstance(pair, list) else tuple(pair.split(" ", 1))
        for pair in model["merges"]
    ]


def _rewrite_model(model: Tree, table: NDArray[np.int64]) -> Tree:
    if model["type"] == "Unigram":
        kept = [row for index, row in enumerate(model["vocab"]) if table[index] >= 0]
        unknown = model.get("unk_id")
        return {"vocab": kept, "unk_id": None if unknown is None else int(table[unknown])}
    vocabulary = {
        piece: int(table[index]) for piece, index in model["vocab"].items() if table[index] >= 0
    }
    if model["type"] == "WordPiece":
        return {"vocab": vocabulary}
    prefix = model.get("continuing_subword_prefix") or ""
    pairs = (
        [left, right]
        for left, right in merge_pairs(model)
        if {left, right, left + right.removeprefix(prefix)} <= vocabulary.keys()
    )
    return {"vocab": vocabulary, "merges": list(pairs)}


def _rewrite_processor(processor: Tree | None, table: NDArray[np.int64]) -> None:
    if processor is None:
        return
    for inner in processor.get("processors", ()):
        _rewrite_processor(inner, table)
    if processor["type"] == "TemplateProcessing":
        for token in processor["special_tokens"].values():
            token["ids"] = [int(table[index]) for index in token["ids"]]
    if processor["type"] in ("BertProcessing", "RobertaProcessing"):
        for name in ("sep", "cls"):
            piece, index = processor[name]
            processor[name] = [piece, int(table[index])]
