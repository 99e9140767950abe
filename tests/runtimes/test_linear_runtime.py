"""The runtime of linear models against the contract, and what is particular to it."""

from __future__ import annotations

import random
import struct
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from compress.linear.features import Columns, NGrams
from compress.linear.file import write_linear
from runtimes import linear_runtime
from runtimes.artifact import Artifact
from runtimes.errors import ArtifactError, DataError, EdgepressError, InputError
from runtimes.linear_file import HEADER
from runtimes.linear_runtime import Linear
from runtimes.ngrams import MOST_CHARACTERS, words_of
from runtimes.predict import Predictor, open_predictor
from runtimes.runtime import Opened
from runtimes.texts import text_batch, text_feeds
from tests.runtimes.contract_runtime import RuntimeContract
from tests.runtimes.tiny import LABELS, TEXTS, WORDS, tiny_linear

_FIELDS = ("classes", "rows", "bucket_bits", "words", "word_bits", "word", "shortest", "longest")
_PLACES = {name: 20 + 4 * place for place, name in enumerate(_FIELDS)}
"""The places of the header's whole numbers."""


def _words(batch: int, length: int) -> dict[str, Any]:
    source = random.Random(batch * 100 + length)
    texts = [" ".join(source.choices(WORDS, k=length)).encode() for _ in range(batch)]
    longest = max(map(len, texts))
    rows = [list(text.ljust(longest, b"\0")) for text in texts]
    return {"text": np.array(rows, dtype=np.uint8)}


class TestLinear(RuntimeContract):
    runtime = Linear()
    inputs: Mapping[str, str] = {"text": "uint8"}
    feeds = staticmethod(_words)

    @staticmethod
    def make(folder: Path) -> Artifact:
        return tiny_linear(folder)

    def test_refuses_bytes_that_are_no_text(self, opened: Opened) -> None:
        with pytest.raises(InputError, match="not UTF-8"):
            opened.run({"text": np.array([[0xC3, 0x28]], dtype=np.uint8)})

    @pytest.mark.parametrize("field", _PLACES)
    @pytest.mark.parametrize("value", [0, 2**31, 2**32 - 1])
    def test_refuses_a_header_that_does_not_fit(
        self, artifact: Artifact, tmp_path: Path, field: str, value: int
    ) -> None:
        if (field, value) == ("longest", 0):
            return  # a model without n-grams of characters
        content = bytearray(artifact.model_file.read_bytes())
        struct.pack_into("<I", content, _PLACES[field], value)
        (tmp_path / "model.linear").write_bytes(content)
        with pytest.raises(ArtifactError, match="no linear model"):
            self.runtime.open(tmp_path / "model.linear", 1)

    def test_survives_any_damage(self, artifact: Artifact, tmp_path: Path) -> None:
        source = random.Random(7)
        whole = artifact.model_file.read_bytes()
        edge = HEADER.size + 200  # where a change is most likely to be dangerous
        for number in range(400):
            content = bytearray(whole)
            for _ in range(source.choice((1, 4))):
                place = source.randrange(edge if number % 2 else len(content))
                content[place] = source.randrange(256)
            file = tmp_path / "model.linear"
            file.write_bytes(content)
            try:
                opened = self.runtime.open(file, 1)
                opened.run(text_feeds("my card is lost, the app crashed"))
            except EdgepressError:
                pass
            file.unlink()


@pytest.fixture(scope="module")
def predictor(tmp_path_factory: pytest.TempPathFactory) -> Predictor:
    folder = tmp_path_factory.mktemp("linear")
    tiny_linear(folder)
    return open_predictor(folder)


@settings(deadline=None)
@given(st.text(max_size=200))
def test_every_text_has_an_answer(predictor: Predictor, text: str) -> None:
    assert len(predictor.answer(text)) == len(LABELS)


def test_half_of_a_character_is_no_text(predictor: Predictor) -> None:
    with pytest.raises(DataError, match="lone surrogate"):
        predictor.answer("card \ud800")
    with pytest.raises(DataError, match="a row is a int"):
        predictor.answer(7)


def test_texts_in_a_batch_are_answered_as_alone(predictor: Predictor) -> None:
    feeds = [predictor.feeds(text) for text in (*TEXTS, "Straße", "")]
    together = predictor.infer(text_batch(feeds))["logits"].tolist()
    assert together == [predictor.infer(one)["logits"].tolist()[0] for one in feeds]


@settings(deadline=None, max_examples=30)
@given(st.lists(st.text("ab cé,", max_size=40), min_size=1), st.integers(1, 40), st.booleans())
def test_answers_are_the_sums_of_weights(
    tmp_path_factory: pytest.TempPathFactory, texts: list[str], classes: int, pairs: bool
) -> None:
    columns = Columns.of([*texts, "a"], NGrams(1 + pairs, 1, 3), least_count=1)
    weights = np.random.default_rng(classes).integers(-127, 128, (len(columns.hashes), classes))
    weights[0] = 127  # the largest magnitude, so that weights are stored as they are
    biases = np.arange(classes, dtype=np.float64)
    file = tmp_path_factory.mktemp("sums") / "model.linear"
    stored = [word for text in texts[::2] for word in words_of(text)]
    write_linear(file, columns.hashes, weights.astype(np.float64), biases, columns.ngrams, stored)
    run = Linear().open(file, 1).run
    expected = columns.matrix(texts) @ (weights / columns.weights[:, None]) + biases
    for text, row in zip(texts, expected, strict=True):
        logits = run(text_feeds(text))["logits"].tolist()[0]
        np.testing.assert_allclose(logits, row, rtol=1e-4, atol=1e-6)


def test_what_is_kept_of_texts_is_bounded(
    predictor: Predictor, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(linear_runtime, "_MOST_WORDS", 8)
    monkeypatch.setattr(linear_runtime, "_MOST_PAIRS", 8)
    tiny_linear(tmp_path)
    small = open_predictor(tmp_path)
    source = random.Random(7)
    for _ in range(50):
        text = " ".join(source.choices(WORDS, k=12))
        assert small.answer(text) == predictor.answer(text)


def test_the_longest_text_fits_the_sums(tmp_path: Path) -> None:
    columns = Columns.of(["a" * 9], NGrams(1, 1, 8), least_count=1)
    write_linear(
        tmp_path / "model.linear",
        columns.hashes,
        np.ones((len(columns.hashes), 2)) * [1, -1],
        np.zeros(2),
        columns.ngrams,
    )
    run = Linear().open(tmp_path / "model.linear", 1).run
    up, down = run(text_feeds("a" * (MOST_CHARACTERS + 9)))["logits"].tolist()[0]
    assert up == -down == pytest.approx(8 * MOST_CHARACTERS, rel=1e-3)


def test_it_runs_with_the_standard_library_alone(tmp_path: Path) -> None:
    tiny_linear(tmp_path)
    code = (
        f"import sys; sys.path.insert(0, {str(Path(linear_runtime.__file__).parents[1])!r})\n"
        "from pathlib import Path\n"
        "from runtimes.linear_runtime import Linear\n"
        "from runtimes.manifest import read_manifest\n"
        "from runtimes.predict import make_task\n"
        "from runtimes.tasks.text_classification import TextClassification\n"
        f"folder = Path({str(tmp_path)!r})\n"
        "opened = Linear().open(folder / 'model.linear', 1)\n"
        "task = make_task(TextClassification, folder, read_manifest(folder), opened)\n"
        "feeds = task.feeds('my card is lost')\n"
        "print(len(task.answer(opened.run(feeds), feeds)))\n"
        "print([name for name in sys.modules if name.startswith(('numpy', 'tokenizers'))])"
    )
    done = subprocess.run(
        [sys.executable, "-I", "-S", "-c", code], capture_output=True, text=True, check=False
    )
    assert (done.stderr, done.stdout) == ("", f"{len(LABELS)}\n[]\n")
