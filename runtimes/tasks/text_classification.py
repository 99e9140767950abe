"""Classify a text: token ids in, the logits of its classes out.

Every text is its own batch at its own length, without padding. The activation scales of a
dynamically quantized model depend on the whole batch, so in a larger batch a row's result would
depend on the other rows.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from runtimes.errors import AnswerError, UnsupportedError
from runtimes.printing import one_line
from runtimes.tokenizing import TOKENIZER, encode, load_tokenizer

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from runtimes.manifest import Manifest
    from runtimes.runtime import Feeds, Outputs

_COLUMNS = {"input_ids": "ids", "attention_mask": "attention_mask", "token_type_ids": "type_ids"}
"""A model's inputs, and the tokenizer's names for them."""


class TextClassification:
    """Encode texts with a folder's tokenizer.json and read logits of shape (labels,)."""

    name: ClassVar[str] = "text-classification"
    packages: ClassVar[tuple[str, ...]] = ("tokenizers",)
    files: ClassVar[tuple[str, ...]] = (TOKENIZER,)

    def __init__(self, folder: Path, manifest: Manifest, inputs: Sequence[str]) -> None:
        if unknown := sorted(set(inputs) - set(_COLUMNS)):
            raise UnsupportedError(
                f"{folder}: the model has the input {unknown[0]!r}, which no tokenizer makes",
                expected=" and ".join(_COLUMNS),
                action="export the model again without that input",
            )
        self._labels = manifest.labels
        self._columns = {name: _COLUMNS[name] for name in inputs}
        self._tokenizer = load_tokenizer(folder, manifest.max_length)

    def feeds(self, row: Any) -> Feeds:
        """Return the model's inputs for one text: int64 arrays of shape (1, tokens)."""
        encoding = encode(self._tokenizer, row)
        return {
            name: np.array([getattr(encoding, column)], dtype=np.int64)
            for name, column in self._columns.items()
        }

    def batch(self, rows: Sequence[Feeds]) -> Feeds:
        """Stack encoded texts as int64 arrays of shape (rows, longest), with the padding masked."""
        longest = max(array.shape[1] for row in rows for array in row.values())
        padding = {"input_ids": _padding_id(self._tokenizer)}

        def padded(name: str, array: NDArray[Any]) -> NDArray[Any]:
            missing = longest - array.shape[1]
            return np.pad(array, ((0, 0), (0, missing)), constant_values=padding.get(name, 0))

        return {name: np.vstack([padded(name, row[name]) for row in rows]) for name in rows[0]}

    def answer(self, outputs: Outputs) -> NDArray[np.float32]:
        """Return one text's logits, float32 of shape (labels,)."""
        logits = outputs["logits"] if "logits" in outputs else next(iter(outputs.values()))
        if logits.shape != (1, len(self._labels)):
            raise AnswerError(
                f"the model returned shape {logits.shape}",
                expected=f"(1, {len(self._labels)}), for the labels of artifact.json",
                action="make the artifact again, from the model that these labels belong to",
            )
        answer: NDArray[np.float32] = logits[0].astype(np.float32)
        return answer

    def shown(self, answer: NDArray[np.float32], row: Any, top: int) -> dict[str, Any]:
        """Return the most probable label, its probability, the text and the best `top`."""
        ranked = self._ranked(answer, top) if top else [self._best(answer)]
        return {**ranked[0], "text": row, **({"top": ranked} if top else {})}

    def _best(self, answer: NDArray[np.float32]) -> dict[str, Any]:
        """Return the first of `_ranked`; sorting would take as long as a small model."""
        best = int(answer.argmax())
        score = 1.0 / float(np.exp(answer - answer[best], dtype=np.float64).sum())
        return {"label": self._labels[best], "score": round(score, 6)}

    def _ranked(self, answer: NDArray[np.float32], top: int) -> list[dict[str, Any]]:
        scores = softmax(answer)
        order = (-scores).argsort(kind="stable")[:top]
        return [{"label": self._labels[i], "score": round(float(scores[i]), 6)} for i in order]

    def line(self, shown: dict[str, Any]) -> str:
        """Return label and score."""
        return f"{one_line(shown['label'])}\t{shown['score']:.4f}"


def softmax(logits: NDArray[np.float32]) -> NDArray[np.float64]:
    """Return the probabilities, float64 that sum to 1, of one row of logits."""
    weights = np.exp(logits.astype(np.float64) - logits.max())
    shares: NDArray[np.float64] = weights / weights.sum()
    return shares


def _padding_id(tokenizer: Any) -> int:
    """Return the token that pads; 0 for a tokenizer without one."""
    known = [tokenizer.token_to_id(name) for name in ("[PAD]", "<pad>")]
    return next((number for number in known if number is not None), 0)
