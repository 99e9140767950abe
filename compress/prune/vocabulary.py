"""Keep the word pieces that a task's text uses, and those that spell everything else."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from compress.architectures import architecture, part
from compress.data import Dataset
from compress.models import load_tokenizer
from compress.prune.tokenizer_json import (
    Tree,
    id_table,
    merge_pairs,
    pieces_of,
    rewrite_tokenizer,
    rewrite_tokenizer_config,
)
from runtimes.artifact import Artifact
from runtimes.errors import ArtifactError, QualityError
from runtimes.files import write_json

if TYPE_CHECKING:
    from tokenizers import Tokenizer
    from torch import nn

_RESERVED = re.compile(r"[\[<]unused_?\d+[\]>]")
_BYTE = re.compile(r"<0x[0-9A-F]{2}>")


@dataclass(frozen=True, slots=True)
class Spelling:
    """Say how a tokenizer spells some rows, special tokens left out."""

    mean_tokens: float
    unknown_share: float


def prune_vocabulary(
    model: nn.Module, source: Artifact, data: Dataset, floor: int, folder: Path
) -> dict[str, float]:
    """Drop the pieces that the task does without: tokenizer files, embedding rows, config.

    The tokenizer files are written to `folder`; the model is changed in place. Pieces are
    counted over train and unlabelled text only. Returns figures on the validation rows.
    Raises ArtifactError when the tokenizer does not fit the model.
    """
    old = load_tokenizer(source.path, source.max_length)
    tree = json.loads((source.path / "tokenizer.json").read_text(encoding="utf-8"))
    texts = (*data.train.texts, *data.unlabeled)
    kept = choose_pieces(tree, count_pieces(old, texts), floor, model.config)
    table = id_table(kept, len(pieces_of(tree)))
    _slice_embeddings(model, kept)
    _renumber(model.config, table)
    _write_files(source.path, tree, table, folder)
    new = load_tokenizer(folder, source.max_length)
    _check_rows(old, new, table, texts)
    return _figures(old, new, tree, table, data.validation.texts)


def count_pieces(tokenizer: Tokenizer, texts: Sequence[str]) -> NDArray[np.int64]:
    """Return how often each id occurs in the texts."""
    counts = np.zeros(tokenizer.get_vocab_size(), dtype=np.int64)
    for row in tokenizer.encode_batch(list(texts)):
        np.add.at(counts, row.ids, 1)
    return counts


def choose_pieces(
    tree: Tree, counts: NDArray[np.int64], floor: int, config: Any
) -> NDArray[np.int64]:
    """Return the ids to keep, in ascending order.

    They are: those counted, added tokens, whatever the model kind needs to spell any word that
    it could spell, and then the lowest other ids up to `floor` pieces in all. Tokenizers are
    trained so that ids rank by frequency in general text, so these are the likeliest in text
    that was not seen.
    """
    pieces = pieces_of(tree)
    keep = np.zeros(len(pieces), dtype=bool)
    keep[np.flatnonzero(counts)] = True
    keep[sorted(_fixed_ids(tree, config, len(pieces)))] = True
    keep[_SPELLING[tree["model"]["type"]](tree["model"], pieces)] = True
    usable = np.array([bool(p) and not _RESERVED.fullmatch(p) for p in pieces])
    spare = np.flatnonzero(usable & ~keep)
    keep[spare[: max(0, floor - int(keep.sum()))]] = True
    if tree["model"]["type"] == "BPE":
        _close_over_merges(tree["model"], keep)
    return np.flatnonzero(keep)


def spelling(tokenizer: Tokenizer, texts: Sequence[str], unknown: int | None) -> Spelling:
    """Return the mean length and the share of unknown pieces over some texts."""
    rows = tokenizer.encode_batch(list(texts), add_special_tokens=False)
    tokens = sum(len(row.ids) for row in rows)
    unknowns = sum(int(index == unknown) for row in rows for index in row.ids)
    return Spelling(tokens / max(1, len(rows)), unknowns / max(1, tokens))


def unknown_id(tree: Tree) -> int | None:
    """Return the id of the piece that stands for what cannot be spelt, if there is one."""
    model = tree["model"]
    if model["type"] == "Unigram":
        return None if model.get("unk_id") is None else int(model["unk_id"])
    piece = model.get("unk_token")
    return model["vocab"].get(piece) if piece is not None else None


def _fixed_ids(tree: Tree, config: Any, size: int) -> set[int]:
    """Return added tokens, the unknown piece, the config's tokens and all up to padding's.

    Padding must keep its id: RoBERTa and MPNet number positions from it on.
    """
    fixed = {token["id"] for token in tree["added_tokens"]}
    fixed |= {index for index in (unknown_id(tree),) if index is not None}
    fixed |= {index for index in _token_ids(config).values() if 0 <= index < size}
    return fixed | set(range((config.pad_token_id or 0) + 1))


def _token_ids(config: Any) -> dict[str, int]:
    return {
        name: value
        for name, value in config.to_dict().items()
        if name.endswith("_token_id") and isinstance(value, int)
    }


def _wordpiece_spelling(model: Tree, pieces: Sequence[str]) -> NDArray[np.int64]:
    """Return every single character, alone and as a continuation.

    Pieces with a character that has no such form of its own stay too.
    """
    prefix = model.get("continuing_subword_prefix") or ""
    vocabulary = model["vocab"]

    def letters(piece: str) -> list[str]:
        if prefix and piece.startswith(prefix) and len(piece) > len(prefix):
            return [prefix + letter for letter in piece[len(prefix) :]]
        return [piece[:1], *(prefix + letter for letter in piece[1:])]

    return _needed(pieces, letters, vocabulary)


def _unigram_spelling(model: Tree, pieces: Sequence[str]) -> NDArray[np.int64]:
    """Return every single character, the byte pieces, and what has a character without one."""
    vocabulary = {piece for piece, _ in model["vocab"]}
    needed = _needed(pieces, list, vocabulary)
    bytes_ = [index for index, piece in enumerate(pieces) if _BYTE.fullmatch(piece)]
    return np.union1d(needed, np.array(bytes_, dtype=np.int64))


def _needed(
    pieces: Sequence[str], letters: Callable[[str], list[str]], vocabulary: Any
) -> NDArray[np.int64]:
    indices = [
        index
        for index, piece in enumerate(pieces)
        if piece
        and (len(spelt := letters(piece)) == 1 or any(one not in vocabulary for one in spelt))
    ]
    return np.array(indices, dtype=np.int64)


def _bpe_spelling(model: Tree, pieces: Sequence[str]) -> NDArray[np.int64]:
    """Return every piece that no merge makes: the alphabet, which spells all."""
    made = {_merged(model, pair) for pair in merge_pairs(model)}
    indices = [index for index, piece in enumerate(pieces) if piece and piece not in made]
    return np.array(indices, dtype=np.int64)


_SPELLING: dict[str, Callable[[Tree, Sequence[str]], NDArray[np.int64]]] = {
    "WordPiece": _wordpiece_spelling,
    "Unigram": _unigram_spelling,
    "BPE": _bpe_spelling,
}


def _close_over_merges(model: Tree, keep: NDArray[np.bool_]) -> None:
    """Keep both parts of each kept piece, and theirs, so that its merges still run.

    All merges that make a piece count: which one runs depends on the word around it. Then a
    word whose pieces all stay is split as before.
    """
    vocabulary = model["vocab"]
    parents: dict[int, set[int]] = {}
    for pair in merge_pairs(model):
        made = vocabulary[_merged(model, pair)]
        parents.setdefault(made, set()).update(vocabulary[side] for side in pair)
    waiting: list[int] = np.flatnonzero(keep).tolist()
    while waiting:
        for parent in parents.get(waiting.pop(), ()):
            if not keep[parent]:
                keep[parent] = True
                waiting.append(parent)


def _merged(model: Tree, pair: tuple[str, str]) -> str:
    return pair[0] + pair[1].removeprefix(model.get("continuing_subword_prefix") or "")


def _slice_embeddings(model: nn.Module, kept: NDArray[np.int64]) -> None:
    import torch
    from torch import nn

    config: Any = model.config
    path = architecture(config.model_type).word_embeddings
    old = part(model, path)
    if len(kept) and kept[-1] >= old.num_embeddings:
        raise ArtifactError(
            f"the tokenizer has piece {int(kept[-1])}, the model has {old.num_embeddings} rows",
            expected="a tokenizer.json that belongs to this model",
        )
    weight = old.weight.detach()[torch.from_numpy(kept)].clone()
    new = nn.Embedding(len(kept), weight.shape[1], old.padding_idx, _weight=weight)
    model.set_submodule(path, new)
    config.vocab_size = len(kept)


def _renumber(config: Any, table: NDArray[np.int64]) -> None:
    for name, index in _token_ids(config).items():
        setattr(config, name, int(table[index]) if 0 <= index < len(table) else None)


def _write_files(source: Path, tree: Tree, table: NDArray[np.int64], folder: Path) -> None:
    write_json(folder / "tokenizer.json", rewrite_tokenizer(tree, table))
    settings = source / "tokenizer_config.json"
    if settings.is_file():
        content = json.loads(settings.read_text(encoding="utf-8"))
        write_json(folder / settings.name, rewrite_tokenizer_config(content, table))


def _check_rows(
    old: Tokenizer, new: Tokenizer, table: NDArray[np.int64], texts: Sequence[str]
) -> None:
    """Raise QualityError unless every counted row is spelt by the same pieces as before."""
    before, after = old.encode_batch(list(texts)), new.encode_batch(list(texts))
    for text, was, now in zip(texts, before, after, strict=True):
        if table[was.ids].tolist() != now.ids:
            raise QualityError(
                f"the pruned tokenizer spells {text[:60]!r} otherwise than before",
                expected=" ".join(was.tokens[:20]),
                available=" ".join(now.tokens[:20]),
                action="set vocabulary = false for this tokenizer, and report it",
            )


def _figures(
    old: Tokenizer,
    new: Tokenizer,
    tree: Tree,
    table: NDArray[np.int64],
    texts: Sequence[str],
) -> dict[str, float]:
    unknown = unknown_id(tree)
    before = spelling(old, texts, unknown)
    after = spelling(new, texts, None if unknown is None else int(table[unknown]))
    return {
        "pieces_before": len(table),
        "pieces": int((table >= 0).sum()),
        "validation_unknown_share_before": round(before.unknown_share, 6),
        "validation_unknown_share": round(after.unknown_share, 6),
        "validation_token_growth": round(after.mean_tokens / max(before.mean_tokens, 1e-9), 6),
    }
