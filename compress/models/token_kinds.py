"""Describe a tokenizer for the device's own encoder, where its rules are known to be the same.

`described` reads the tree of tokenizer.json and refuses, saying why, every configuration whose ids
are not proven to be what `runtimes/piece_cutting.py` makes of printable ASCII.
"""

from __future__ import annotations

import string
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tokenizers import Tokenizer

Tree = dict[str, Any]
Entries = dict[str, str]

_PRINTABLE = "".join(map(chr, range(0x20, 0x7F)))
_BYTES = frozenset(_PRINTABLE[1:] + "ĠĉĊč")
_FORMS = {"NFC", "NFD", "NFKC", "NFKD", "Lowercase", "StripAccents"}
_SPACED = {*_FORMS, "BertNormalizer", "Nmt", "Strip"}
"""Normalizers that change nothing in ASCII but case and white space."""
_UNSPACED = {*_FORMS, "Precompiled", "Nmt", "Strip"}
_SINGLE_SPACES = {"type": "Replace", "pattern": {"Regex": " {2,}"}, "content": " "}


class UnprovenError(Exception):
    """Say what of a tokenizer is not served without the library."""


@dataclass(frozen=True, slots=True)
class Description:
    """Hold a table's header and its entries."""

    header: Mapping[str, Any]
    entries: Entries


def described(tree: Tree, tokenizer: Tokenizer) -> Description:
    """Return what a table holds of a tokenizer; raise UnprovenError for one that it cannot serve.

    `tree` is the library's own form of the file, in which scores are written exactly.
    """
    model = tree["model"]
    if model["type"] not in _KINDS:
        raise UnprovenError(f"the model is a {model['type']}")
    header, entries = _KINDS[model["type"]](tree, model)
    lower = _lower_cases(tokenizer)
    return Description(
        {
            "kind": model["type"],
            "lower": lower,
            **_template(tree["post_processor"]),
            **_added(tree, tokenizer, spaced=model["type"] == "WordPiece"),
            **header,
        },
        entries,
    )


def _word_piece(tree: Tree, model: Tree) -> tuple[Tree, Entries]:
    _check_normalizer(tree["normalizer"], _SPACED)
    _check((tree["pre_tokenizer"] or {}).get("type") == "BertPreTokenizer", "the pre-tokenizer")
    vocabulary = model["vocab"]
    _check(model["unk_token"] in vocabulary, "a vocabulary without the unknown piece")
    kept = _kept(vocabulary, frozenset(_PRINTABLE[1:]))
    header = {
        "unknown": vocabulary[model["unk_token"]],
        "prefix": model["continuing_subword_prefix"],
        "longest_word": model["max_input_chars_per_word"],
        "longest": _longest(kept),
    }
    return header, {piece: str(number) for piece, number in kept.items()}


def _byte_level(tree: Tree, model: Tree) -> tuple[Tree, Entries]:
    _check_normalizer(tree["normalizer"], _FORMS)
    before = tree["pre_tokenizer"] or {}
    _check(before.get("type") == "ByteLevel" and bool(before.get("use_regex")), "the pre-tokenizer")
    for option in ("dropout", "continuing_subword_prefix", "end_of_word_suffix", "byte_fallback"):
        _check(not model.get(option), f"the model's {option}")
    kept = _kept(model["vocab"], _BYTES)
    _check(kept.keys() >= _BYTES, "a vocabulary without every byte of ASCII")
    ranks = {tuple(pair): rank for rank, pair in enumerate(model["merges"])}
    merges = {
        f"{left} {right}": str(rank)
        for (left, right), rank in ranks.items()
        if left in kept and right in kept
    }
    header = {
        "prefix_space": int(before["add_prefix_space"]),
        "ignore_merges": int(model["ignore_merges"]),
    }
    return header, {**{piece: str(number) for piece, number in kept.items()}, **merges}


def _unigram(tree: Tree, model: Tree) -> tuple[Tree, Entries]:
    _check_normalizer(tree["normalizer"], _UNSPACED)
    for option in ("alpha", "nbest_size"):
        _check(not model.get(option), f"the model's {option}")
    mark = _metaspace(tree["pre_tokenizer"] or {})
    scores = dict(model["vocab"])
    kept = _kept(
        {piece: number for number, (piece, _) in enumerate(model["vocab"])},
        frozenset(_PRINTABLE[1:] + mark),
    )
    unknown = model["unk_id"]
    header = {
        "mark": mark,
        "longest": _longest(kept),
        "unknown": -1 if unknown is None else unknown,
    }
    return header, {piece: f"{number} {scores[piece]!r}" for piece, number in kept.items()}


_KINDS: dict[str, Callable[[Tree, Tree], tuple[Tree, Entries]]] = {
    "WordPiece": _word_piece,
    "BPE": _byte_level,
    "Unigram": _unigram,
}


def _metaspace(before: Tree) -> str:
    """Return the mark that stands before every word."""
    parts = before["pretokenizers"] if before.get("type") == "Sequence" else [before]
    schemes = {"always"} if len(parts) == 2 else {"always", "first"}
    *others, last = parts
    _check(
        last.get("type") == "Metaspace"
        and last["split"]
        and last["prepend_scheme"] in schemes
        and [one["type"] for one in others] in ([], ["WhitespaceSplit"]),
        "the pre-tokenizer",
    )
    mark: str = last["replacement"]
    _check(not mark.isascii(), "a mark that texts hold too")
    return mark


def _kept(vocabulary: Mapping[str, int], letters: frozenset[str]) -> dict[str, int]:
    """Return the pieces that ASCII texts can have."""
    _check(len(set(vocabulary.values())) == len(vocabulary), "two pieces of one id")
    return {one: number for one, number in vocabulary.items() if one and letters.issuperset(one)}


def _longest(pieces: Iterable[str]) -> int:
    return max(map(len, pieces), default=1)


def _check_normalizer(normalizer: Tree | None, known: set[str]) -> None:
    """Raise UnprovenError for a normalizer that may change more of ASCII than its case."""
    for one in _flat(normalizer):
        listed = one["type"] in known
        _check(listed or ("Precompiled" in known and one == _SINGLE_SPACES), "the normalizer")


def _flat(normalizer: Tree | None) -> list[Tree]:
    if normalizer is None:
        return []
    if normalizer["type"] != "Sequence":
        return [normalizer]
    return [inner for one in normalizer["normalizers"] for inner in _flat(one)]


def _lower_cases(tokenizer: Tokenizer) -> int:
    """Return 1 for a normalizer that lower-cases ASCII, 0 for one that leaves it."""
    if tokenizer.normalizer is None:
        return 0
    letters = [one for one in _PRINTABLE if one != " "]  # a space alone may be stripped
    made = [tokenizer.normalizer.normalize_str(one) for one in letters]
    _check(made in (letters, [one.lower() for one in letters]), "the normalizer")
    return int(made != letters)


def _template(processor: Tree | None) -> Tree:
    """Return the special tokens around a text, each with its type, and the text's own type."""
    plain = {"before": [], "after": [], "type_id": 0}
    kind = processor["type"] if processor else None
    if processor is None or kind == "ByteLevel":
        return plain
    if kind == "Sequence":
        made = [_template(one) for one in processor["processors"] if one["type"] != "ByteLevel"]
        _check(len(made) < 2, "several post-processors")
        return made[0] if made else plain
    if kind in ("BertProcessing", "RobertaProcessing"):
        return {**plain, "before": [[processor["cls"][1], 0]], "after": [[processor["sep"][1], 0]]}
    _check(kind == "TemplateProcessing", "the post-processor")
    return _around(processor)


def _around(processor: Tree) -> Tree:
    sides: list[list[list[int]]] = [[]]
    types = []
    for piece in processor["single"]:
        if "Sequence" in piece:
            types.append(piece["Sequence"]["type_id"])
            sides.append([])
        else:
            name, type_id = piece["SpecialToken"]["id"], piece["SpecialToken"]["type_id"]
            sides[-1] += [[one, type_id] for one in processor["special_tokens"][name]["ids"]]
    _check(len(types) == 1, "the post-processor")
    return {"before": sides[0], "after": sides[1], "type_id": types[0]}


def _added(tree: Tree, tokenizer: Tokenizer, *, spaced: bool) -> Tree:
    """Return the added tokens that ASCII texts can hold: as written, and as normalized.

    With `spaced` a token of several words is refused: white space around them may differ.
    """
    plain: set[str] = set()
    normalized: set[str] = set()
    for token in tree["added_tokens"]:
        content = token["content"]
        if token["normalized"] and tokenizer.normalizer is not None:
            content = tokenizer.normalizer.normalize_str(content)
        _check(bool(content), "an added token that is empty")
        spaces = any(one in string.whitespace for one in content)
        _check(not (spaced and token["normalized"] and spaces), "an added token of several words")
        (normalized if token["normalized"] else plain).add(content)
    return {
        "added": sorted(one for one in plain if one.isascii()),
        "added_normalized": sorted(one for one in normalized if one.isascii()),
    }


def _check(holds: bool, what: str) -> None:
    if not holds:
        raise UnprovenError(f"{what} is one whose rules are not known here")
