"""Classify a text: token ids in, the logits of its classes out.

Every text is its own batch at its own length, without padding. The activation scales of a
dynamically quantized model depend on the whole batch, so in a larger batch a row's result would
depend on the other rows.
"""

from __future__ import annotations

import struct
from math import exp

from runtimes.errors import AnswerError, UnsupportedError
from runtimes.lean_typing import TYPE_CHECKING
from runtimes.piece_pairs import PAIRS
from runtimes.texts import TEXT, text_batch, text_feeds
from runtimes.token_table import TABLE
from runtimes.tokenizing import TOKENIZER

if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any, ClassVar, Literal

    from _typeshed import StrPath

    from runtimes.manifest import Manifest
    from runtimes.runtime import Feeds, Outputs
    from runtimes.tasks import Answer

INT64: Literal["l", "q"] = "l" if struct.calcsize("l") == 8 else "q"
"""The code of 64 bits that numpy too names int64; "l" has 32 on Windows."""

_LARGE = 600.0
"""Neither the sum nor the largest of exp(logit) leaves float64's range below it."""

_INPUTS = ("input_ids", "attention_mask", "token_type_ids")
"""The inputs of a model that a tokenizer makes."""


class TextClassification:
    """Encode texts with a folder's tokenizer.json and read logits of shape (labels,).

    A model that reads the text itself is given it, and needs no tokenizer.
    """

    name: ClassVar[str] = "text-classification"
    packages: ClassVar[tuple[str, ...]] = ("tokenizers",)
    files: ClassVar[tuple[str, ...]] = (TOKENIZER,)
    optional_files: ClassVar[tuple[str, ...]] = (TABLE, PAIRS)
    keys: ClassVar[tuple[str, ...]] = (TEXT,)

    def __init__(self, folder: StrPath, manifest: Manifest, inputs: Sequence[str]) -> None:
        self._labels = manifest.labels
        self._reads_text = tuple(inputs) == (TEXT,)
        if self._reads_text:
            return
        if unknown := sorted(set(inputs) - set(_INPUTS)):
            raise UnsupportedError(
                f"{folder}: the model has the input {unknown[0]!r}, which no tokenizer makes",
                expected=" and ".join(_INPUTS),
                action="export the model again without that input",
            )
        from runtimes.encoder import Encoder  # imported here: a model that reads text needs none

        self._inputs = tuple(inputs)
        self._encoder = Encoder(folder, manifest.max_length, manifest.files)

    def feeds(self, row: Any) -> Feeds:
        """Return the model's inputs for one text: int64 of shape (1, tokens)."""
        if self._reads_text:
            return text_feeds(row)
        encoded = self._encoder.encode(row)
        columns = {
            "input_ids": encoded.ids,
            "attention_mask": [1] * len(encoded.ids),
            "token_type_ids": encoded.type_ids,
        }
        return {name: _row(columns[name]) for name in self._inputs}

    def batch(self, rows: Sequence[Feeds]) -> Feeds:
        """Stack encoded texts as int64 arrays of shape (rows, longest), with the padding masked."""
        if self._reads_text:
            return text_batch(rows)
        import numpy as np

        longest = max(tensor.shape[1] for row in rows for tensor in row.values())
        padding = {"input_ids": self._encoder.padding_id}

        def padded(name: str, tensor: Any) -> Any:
            missing = longest - tensor.shape[1]
            return np.pad(tensor, ((0, 0), (0, missing)), constant_values=padding.get(name, 0))

        return {name: np.vstack([padded(name, row[name]) for row in rows]) for name in rows[0]}

    def answer(self, outputs: Outputs, feeds: Feeds) -> Answer:
        """Return one text's logits, a number a label."""
        logits = outputs["logits"] if "logits" in outputs else next(iter(outputs.values()))
        if logits.shape != (1, len(self._labels)):
            raise AnswerError(
                f"the model returned shape {logits.shape}",
                expected=f"(1, {len(self._labels)}), for the labels of artifact.json",
                action="make the artifact again, from the model that these labels belong to",
            )
        answer: list[float] = logits.tolist()[0]
        return answer

    def shown(self, answer: Answer, row: Any, top: int) -> dict[str, Any]:
        """Return the most probable label, its probability, the text and the best `top`."""
        ranked = self._ranked(answer, top) if top else [self._best(answer)]
        return {**ranked[0], "text": row, **({"top": ranked} if top else {})}

    def _best(self, answer: Answer) -> dict[str, Any]:
        """Return the first of `_ranked`; sorting would take as long as a small model."""
        most = max(answer)
        fits = -_LARGE < most < _LARGE
        score = exp(most) / sum(map(exp, answer)) if fits else max(softmax(answer))
        return {"label": self._labels[answer.index(most)], "score": round(score, 6)}

    def _ranked(self, answer: Answer, top: int) -> list[dict[str, Any]]:
        scores = softmax(answer)
        order = sorted(range(len(answer)), key=lambda place: -answer[place])[:top]
        return [{"label": self._labels[i], "score": round(scores[i], 6)} for i in order]

    def line(self, shown: dict[str, Any]) -> str:
        """Return label and score."""
        from runtimes.printing import one_line

        return f"{one_line(shown['label'])}\t{shown['score']:.4f}"


def softmax(logits: Sequence[float]) -> list[float]:
    """Return the probabilities, which sum to 1, of one row of logits."""
    most = max(logits)
    weights = [exp(logit - most) for logit in logits]
    total = sum(weights)
    return [weight / total for weight in weights]


def _row(numbers: Sequence[int]) -> memoryview[int]:
    """Return numbers as int64 of shape (1, count); `array` would import collections, 2 ms."""
    flat = struct.pack(f"{len(numbers)}{INT64}", *numbers)
    return memoryview(flat).cast(INT64, (1, len(numbers)))
