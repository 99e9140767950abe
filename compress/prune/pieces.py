"""Choose the word pieces that a task needs: those in its text, and those that spell other text."""

from __future__ import annotations

import re
import string
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from compress.prune.tokenizer_json import Tree, merge_pairs, pieces_of

Alphabet = Literal["all", "seen"]

_ASCII = frozenset(string.ascii_letters + string.digits + string.punctuation)
_RESERVED = re.compile(r"[\[<]unused_?\d+[\]>]")
_BYTE = re.compile(r"<0x[0-9A-F]{2}>")


@dataclass(frozen=True, slots=True)
class PieceChoice:
    """Hold the settings for choosing pieces.

    At least `floor` pieces stay. `alphabet` "all" keeps every character of the tokenizer, "seen"
    those of ASCII and of the counted text: other characters become the unknown piece. Pieces that
    occur less than `least_count` times are dropped, and smaller pieces spell their words.
    `most_unknown` is the share (0..1) of unknown pieces that "seen" may add to validation text.
    """

    floor: int = 0
    alphabet: Alphabet = "all"
    least_count: int = 1
    most_unknown: float = 0.005


def choose_pieces(
    tree: Tree, counts: NDArray[np.int64], choice: PieceChoice, config: Any
) -> NDArray[np.int64]:
    """Return the ids to keep, in ascending order.

    They are: frequent pieces, added tokens, the pieces that this kind of tokenizer needs to spell
    any word of the chosen alphabet, and then the lowest other ids of that alphabet up to the floor.
    A tokenizer's ids are ranked by frequency in general text, so these are the likeliest in unseen
    text. Byte-level BPE spells with bytes, and all of them stay.
    """
    pieces = pieces_of(tree)
    keep = np.zeros(len(pieces), dtype=bool)
    keep[np.flatnonzero(counts >= choice.least_count)] = True
    keep[sorted(_fixed_ids(tree, config, len(pieces)))] = True
    spelled = _in_alphabet(tree, counts, choice)
    keep[_SPELLING[tree["model"]["type"]](tree["model"], spelled)] = True
    usable = np.array([bool(p) and not _RESERVED.fullmatch(p) for p in spelled])
    spare = np.flatnonzero(usable & ~keep)
    keep[spare[: max(0, choice.floor - int(keep.sum()))]] = True
    if tree["model"]["type"] == "BPE":
        _close_over_merges(tree["model"], keep)
    return np.flatnonzero(keep)


def _in_alphabet(tree: Tree, counts: NDArray[np.int64], choice: PieceChoice) -> list[str]:
    """Return all pieces by id; those outside the chosen alphabet are empty.

    The characters of the counted pieces are those of the normalized text.
    """
    pieces = pieces_of(tree)
    if choice.alphabet == "all" or tree["model"]["type"] == "BPE":
        return pieces
    letters = _ASCII.union(*(pieces[index] for index in np.flatnonzero(counts)))
    return [piece if letters.issuperset(piece) else "" for piece in pieces]


def unknown_id(tree: Tree) -> int | None:
    """Return the id of the unknown piece, if there is one."""
    model = tree["model"]
    if model["type"] == "Unigram":
        return None if model.get("unk_id") is None else int(model["unk_id"])
    piece = model.get("unk_token")
    return model["vocab"].get(piece) if piece is not None else None


def _fixed_ids(tree: Tree, config: Any, size: int) -> set[int]:
    """Return added tokens, the unknown piece, the config's tokens and all up to padding's.

    Padding must keep its id: RoBERTa and MPNet number positions from it.
    """
    fixed = {token["id"] for token in tree["added_tokens"]}
    fixed |= {index for index in (unknown_id(tree),) if index is not None}
    fixed |= {index for index in token_ids(config).values() if 0 <= index < size}
    return fixed | set(range((config.pad_token_id or 0) + 1))


def token_ids(config: Any) -> dict[str, int]:
    """Return the configuration's special tokens by their keys."""
    return {
        name: value
        for name, value in config.to_dict().items()
        if name.endswith("_token_id") and isinstance(value, int)
    }


def _wordpiece_spelling(model: Tree, pieces: Sequence[str]) -> NDArray[np.int64]:
    """Return every single character, alone and as a continuation.

    Pieces with a character that lacks such a form stay too.
    """
    prefix = model.get("continuing_subword_prefix") or ""
    vocabulary = model["vocab"]

    def letters(piece: str) -> list[str]:
        if prefix and piece.startswith(prefix) and len(piece) > len(prefix):
            return [prefix + letter for letter in piece[len(prefix) :]]
        return [piece[:1], *(prefix + letter for letter in piece[1:])]

    return _needed(pieces, letters, vocabulary)


def _unigram_spelling(model: Tree, pieces: Sequence[str]) -> NDArray[np.int64]:
    """Return single characters, byte pieces, and pieces with a character that lacks one."""
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
        and (len(spelled := letters(piece)) == 1 or any(one not in vocabulary for one in spelled))
    ]
    return np.array(indices, dtype=np.int64)


def _bpe_spelling(model: Tree, pieces: Sequence[str]) -> NDArray[np.int64]:
    """Return every piece that no merge makes: the alphabet, which spells every word."""
    made = {_merged(model, pair) for pair in merge_pairs(model)}
    indices = [index for index, piece in enumerate(pieces) if piece and piece not in made]
    return np.array(indices, dtype=np.int64)


_SPELLING: dict[str, Callable[[Tree, Sequence[str]], NDArray[np.int64]]] = {
    "WordPiece": _wordpiece_spelling,
    "Unigram": _unigram_spelling,
    "BPE": _bpe_spelling,
}


def _close_over_merges(model: Tree, keep: NDArray[np.bool_]) -> None:
    """Keep both parts of each kept piece, and their parts, so that its merges still work.

    All merges that make a piece count, because the word around it decides which one runs. Then a
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
