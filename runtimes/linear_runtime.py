"""Run linear models over hashed n-grams of a text, with the standard library alone.

A row of weights becomes one integer with 32 bits for each class, so that adding two integers adds
the weights of all classes, exactly; a text's sum is taken apart once, at its end. The sum of a
word's n-grams is kept: most words of a text were in an earlier one.
"""

from __future__ import annotations

import struct
import sys
from itertools import chain

from runtimes.errors import AnswerError, InputError
from runtimes.lean_typing import TYPE_CHECKING
from runtimes.linear_file import ZERO, LinearModel, open_linear
from runtimes.ngrams import character_hashes, pair_hash, word_hash, words_of
from runtimes.runtime import Availability, Opened, TensorSpec, unfit

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from typing import Any, ClassVar

    from _typeshed import StrPath

    from runtimes.runtime import Feeds, Outputs

INPUTS = (TensorSpec("text", "uint8", ("batch", "bytes")),)
_VERSION = ".".join(map(str, sys.version_info[:3]))  # `platform` is slow to import
_LANE = 4
"""Bytes of a class's sum: the longest text that is read cannot fill them."""
_MOST_WORDS = 2**13
_MOST_PAIRS = 2**15
"""How many sums are kept; they take some megabytes at most."""
_LONGEST_KEPT = 64
"""Longer words are not kept: they hardly come again."""


class Linear:
    """Open models of the stage `linear`: UTF-8 bytes of texts in, logits out."""

    name: ClassVar[str] = "linear"
    formats: ClassVar[Mapping[str, tuple[str, ...]]] = {"linear": ("model.linear",)}
    precisions: ClassVar[tuple[str, ...]] = ("int8",)
    packages: ClassVar[tuple[str, ...]] = ()
    deployed: ClassVar[bool] = True

    def availability(self) -> Availability:
        """Tell that it can be used: it needs Python alone."""
        return Availability(True, "Python's standard library is enough", _VERSION)

    def open(self, model: StrPath, threads: int) -> Opened:
        """Map a model's file; one thread runs it, whatever `threads` says.

        Raises ArtifactError on a damaged file.
        """
        scorer = _Scorer(open_linear(model))
        outputs = (TensorSpec("logits", "float32", ("batch", scorer.classes)),)

        def run(feeds: Feeds) -> Outputs:
            texts = _texts(feeds)
            logits = [logit for text in texts for logit in scorer.logits(text)]
            try:
                content = struct.pack(f"{len(logits)}f", *logits)
            except OverflowError:
                raise AnswerError(
                    f"the model's answer has numbers beyond float32: {max(logits, key=abs):.4g}",
                    expected="finite numbers",
                    action="make or copy the artifact again: its file was changed",
                ) from None
            return {"logits": memoryview(content).cast("f", (len(texts), scorer.classes))}

        return Opened(self.name, _VERSION, INPUTS, outputs, run)


def _texts(feeds: Feeds) -> list[str]:
    """Return the texts of a batch; raise InputError for feeds that are none."""
    tensor = feeds.get("text")
    if tensor is None or len(feeds) > 1 or len(tensor.shape) != 2:
        raise unfit(INPUTS, feeds)
    view = memoryview(tensor)
    if view.format != "B":
        raise unfit(INPUTS, feeds)
    content, (rows, length) = view.tobytes(), tensor.shape
    try:
        return [content[row * length : (row + 1) * length].decode() for row in range(rows)]
    except UnicodeDecodeError as error:
        raise InputError(
            f"a text that is not UTF-8 ({error})",
            expected="a text",
            action="convert it again from its source, or leave it out",
        ) from error


class _Scorer:
    """Return the logits of texts."""

    def __init__(self, model: LinearModel) -> None:
        self.classes = model.header.classes
        self._unit = model.header.unit
        self._signs = int.from_bytes(b"\0\0\0\x80" * self.classes, "little")
        self._biases = model.biases
        sums = _Sums(model)
        self._word = _Kept(sums.of_word, _MOST_WORDS).__getitem__
        self._pair = _Kept(sums.of_pair, _MOST_PAIRS).__getitem__

    def logits(self, text: str) -> list[float]:
        """Return one text's logits: sums of weights, over the root of its number of words."""
        words = words_of(text)
        total = sum(map(self._word, words)) + sum(map(self._pair, zip(words, words[1:])))
        # with 2^31 added no sum is negative and borrows; the exclusive or makes it an int32 again
        lanes = ((total + self._signs) ^ self._signs).to_bytes(_LANE * self.classes, "little")
        unit = self._unit / max(1, len(words)) ** 0.5
        weights = memoryview(lanes).cast("i")
        return [unit * weight + bias for weight, bias in zip(weights, self._biases)]


class _Kept(dict[object, int]):
    """Keep what a function returns for a key; all is dropped when `most` keys are held."""

    def __init__(self, computed: Callable[[Any], int], most: int) -> None:
        super().__init__()
        self._computed = computed
        self._most = most

    def __missing__(self, key: Any) -> int:
        value = self._computed(key)
        if len(self) >= self._most:
            self.clear()
        if sum(map(len, key)) <= _LONGEST_KEPT:
            self[key] = value
        return value


class _Sums:
    """Return a word's sum, stored or of the rows of its n-grams, or the row of two words."""

    def __init__(self, model: LinearModel) -> None:
        self._model = model
        self._zeros = self._all(0)
        self._word_zeros = self._all(1)

    def _all(self, place: int) -> int:
        """Return ZERO in one byte of each class's lane."""
        lanes = bytearray(_LANE * self._model.header.classes)
        lanes[place::_LANE] = bytes([ZERO]) * self._model.header.classes
        return int.from_bytes(lanes, "little")

    def of_word(self, word: str) -> int:
        own = word_hash(word)
        row = self._model.word(own)
        if row is not None:
            lanes = bytearray(2 * len(row))
            lanes[::_LANE], lanes[1::_LANE] = row[::2], row[1::2]
            return int.from_bytes(lanes, "little") - self._word_zeros
        header = self._model.header
        hashes = chain([own], character_hashes(word, header.shortest, header.longest))
        return sum(map(self._row, hashes))

    def of_pair(self, pair: tuple[str, str]) -> int:
        return self._row(pair_hash(*pair)) if self._model.header.word == 2 else 0

    def _row(self, value: int) -> int:
        """Return a hash's weights, 32 bits for each class; 0 where the file has none."""
        row = self._model.row(value)
        if row is None:
            return 0
        lanes = bytearray(_LANE * len(row))
        lanes[::_LANE] = row
        return int.from_bytes(lanes, "little") - self._zeros
