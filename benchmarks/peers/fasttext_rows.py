"""fastText: a supervised classifier of the labeled rows, quantized by fastText itself.

Joulin et al. 2017, "Bag of Tricks for Efficient Text Classification". Its settings are those of the
best accuracy on validation rows; the model then learns all rows. It runs in its own code alone, so
`benchmarks.peers.fasttext_answers` answers and times it.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from benchmarks.peers.job import LabeledText, Script, validation_apart

_LABEL = "__label__"
_PUNCTUATION = re.compile(r"([^\w\s])")
_WORD_N_GRAMS = (1, 2)
_CHARACTERS = ((0, 0), (2, 5))
_EPOCHS = (50, 100)
_FIXED = {"dim": 50, "bucket": 50_000, "lr": 0.5, "loss": "softmax", "thread": 1, "verbose": 0}
"""The default of 2,000,000 buckets makes 400 MB of vectors, hardly one of which rows so few use."""


def main() -> None:
    """Make the fp32 model and the quantized one."""
    import fasttext

    script = Script("fasttext-wheel")

    def fit(file: Path) -> None:
        lines = script.folder / "lines.txt"
        settings = _best(*validation_apart(script.rows), lines)
        _fitted(script.rows, settings, lines).save_model(str(file))
        lines.unlink()

    def quantize(file: Path) -> None:
        model = fasttext.load_model(str(whole))
        model.quantize(qnorm=True)
        model.save_model(str(file))

    whole = script.make("fastText", fit, precision="fp32", format="fasttext")
    script.make(
        *("fastText quantized", quantize), precision="int8", format="fasttext", after="fastText"
    )


def line_of(text: str) -> str:
    """Return a text as fastText's own examples prepare it: lower case, punctuation apart."""
    return " ".join(_PUNCTUATION.sub(r" \1 ", text.lower()).split()) + "\n"


def class_of(predict: Callable[..., Any], text: str) -> int:
    """Return the class of a text, by the C++ function itself: `model.f.predict`.

    The Python class's own method makes arrays of the answer, in a way that numpy 2 refuses.
    """
    return int(predict(line_of(text), 1, 0.0, "strict")[0][1].removeprefix(_LABEL))


def _best(train: Sequence[LabeledText], held: Sequence[LabeledText], file: Path) -> dict[str, Any]:
    """Return the settings with the best accuracy on the held rows, of equal ones the first."""
    tried = []
    for words, (least, most), epochs in itertools.product(_WORD_N_GRAMS, _CHARACTERS, _EPOCHS):
        settings = {"wordNgrams": words, "minn": least, "maxn": most, "epoch": epochs}
        model = _fitted(train, settings, file)
        right = sum(class_of(model.f.predict, text) == number for text, number in held)
        print(settings, right / max(1, len(held)), flush=True)
        tried.append((right, settings))
    return max(tried, key=lambda one: one[0])[1]


def _fitted(rows: Sequence[LabeledText], settings: dict[str, Any], file: Path) -> Any:
    import fasttext

    file.write_text("".join(f"{_LABEL}{number} {line_of(text)}" for text, number in rows), "utf-8")
    return fasttext.train_supervised(str(file), **_FIXED, **settings)


if __name__ == "__main__":
    main()
