"""More text of the same kind for a teacher to answer: rows cut, joined and changed at random."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np

from compress.distill.similar_words import SimilarWords

Words = list[str]
_Change = Callable[[Words, Sequence[Words], np.random.Generator], Words]

_SHARE = 0.15
"""The share of a row's words that are dropped or replaced: BERT's own share of masked words."""
_SIMILAR_SHARE = 0.3
"""The share of a copy's words that then give way to similar ones, where they have any."""
_FEW = 4
"""Rows with fewer words are joined with another row: they have too few words to change."""
_LONG_WORD = 24
"""Where words are longer on average, spaces do not separate words: text is cut by characters."""

_CORE = re.compile(r"(\W*)(\w+)(\W*)")
"""A word between its punctuation."""


def words_of(inputs: Sequence[Any]) -> frozenset[str]:
    """Return all words of rows as `augmented` takes them, without the punctuation around them."""
    texts = [text for one in inputs for text in (one.values() if isinstance(one, dict) else [one])]
    separator = _separator([text for text in texts if isinstance(text, str)])
    return frozenset(_cores(word for text in texts for word in _words(text, separator)))


def augmented(
    inputs: Sequence[Any], seed: int, similar: SimilarWords | None = None
) -> tuple[Any, ...]:
    """Return one augmented copy of each text, list of words or object of texts, by the seed.

    A list becomes a list: a model that answers each word answers the words of the copy. Of an
    object, one text is changed, or all: each with the other rows' texts of its key. In a copy,
    words are dropped or replaced by other rows' words, parts are swapped, or a part of another row
    is joined; then words give way to `similar` ones, so that a student meets words that no row has.
    This may change the label, so copies serve distillation only: the teacher answers the copy
    itself (as TinyBERT's augmented rows, Jiao et al. 2020, section 3.2, whose words' vectors are
    here the teacher's own; Wei & Zou 2019, "EDA", for the changes).
    """
    if inputs and isinstance(inputs[0], dict):
        return _objects(inputs, seed, similar)
    generator = np.random.default_rng(seed)
    separator = _separator([one for one in inputs if isinstance(one, str)])
    rows = [_words(one, separator) for one in inputs]
    return tuple(
        (separator or "").join(changed) if isinstance(one, str) else changed
        for one, changed in zip(
            inputs,
            (_resembling(_changed(row, rows, generator), similar, generator) for row in rows),
            strict=True,
        )
    )


def _objects(
    inputs: Sequence[dict[str, str]], seed: int, similar: SimilarWords | None
) -> tuple[dict[str, str], ...]:
    """Return a copy of each object in which one text is changed, or all."""
    keys = list(inputs[0])
    made = {key: augmented([one[key] for one in inputs], seed, similar) for key in keys}
    chosen = np.random.default_rng([seed, len(inputs)]).integers(len(keys) + 1, size=len(inputs))
    copies = []
    for row, choice in enumerate(chosen):
        changed = keys if choice == len(keys) else [keys[choice]]
        copies.append({**inputs[row], **{key: made[key][row] for key in changed}})
    return tuple(copies)


def _words(value: Any, separator: str | None) -> Words:
    if not isinstance(value, str):
        return list(value)
    return value.split(separator) if separator else list(value)


def _separator(texts: Sequence[str]) -> str | None:
    """Return the separator of words; None for scripts that write words without spaces."""
    spaces = sum(text.count(" ") for text in texts)
    letters = sum(map(len, texts))
    return " " if letters <= _LONG_WORD * (spaces + len(texts)) else None


def _changed(row: Words, rows: Sequence[Words], generator: np.random.Generator) -> Words:
    change = _joined if len(row) < _FEW else _CHANGES[int(generator.integers(len(_CHANGES)))]
    return change(row, rows, generator)


def _resembling(row: Words, similar: SimilarWords | None, generator: np.random.Generator) -> Words:
    """Put similar words in place of some, and leave the punctuation around them."""
    if not similar:
        return row
    changed = []
    for word in row:
        found = _CORE.fullmatch(word) if generator.random() < _SIMILAR_SHARE else None
        others = similar.get(found[2], ()) if found else ()
        if found and others:
            word = found[1] + others[int(generator.integers(len(others)))] + found[3]
        changed.append(word)
    return changed


def _cores(words: Iterable[str]) -> Iterable[str]:
    return (found[2] for word in words if (found := _CORE.fullmatch(word)))


def _dropped(row: Words, _: Sequence[Words], generator: np.random.Generator) -> Words:
    kept = [word for word in row if generator.random() >= _SHARE]
    return kept or row


def _swapped(row: Words, _: Sequence[Words], generator: np.random.Generator) -> Words:
    place = int(generator.integers(1, len(row)))
    return row[place:] + row[:place]


def _replaced(row: Words, rows: Sequence[Words], generator: np.random.Generator) -> Words:
    """Take words from rows drawn at random, so that frequent words are drawn often."""

    def other() -> str:
        words = rows[int(generator.integers(len(rows)))]
        return words[int(generator.integers(len(words)))]

    return [other() if generator.random() < _SHARE else word for word in row]


def _joined(row: Words, rows: Sequence[Words], generator: np.random.Generator) -> Words:
    """Put a part of another row before or after a part of this one."""
    other = rows[int(generator.integers(len(rows)))]
    mine = int(generator.integers(min(2, len(row)), len(row) + 1))
    theirs = int(generator.integers(1, len(other) + 1))
    if generator.random() < 0.5:
        return row[:mine] + other[-theirs:]
    return other[:theirs] + row[-mine:]


_CHANGES: tuple[_Change, ...] = (_dropped, _swapped, _replaced, _joined)
