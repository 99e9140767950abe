"""The tokenizer's library: its exceptions and its panics become errors of the file or the text."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from runtimes.errors import ArtifactError, DataError
from runtimes.tokenizing import encode, encode_all, load_tokenizer
from tests.runtimes.panics import ON_READING, ON_TEXTS, harm_tokenizer
from tests.runtimes.tiny import tiny_onnx


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tiny_onnx(tmp_path / "model").path


@pytest.mark.parametrize("parts", ON_READING.values(), ids=ON_READING)
def test_a_file_that_makes_the_library_panic_is_refused(
    folder: Path, parts: dict[str, Any]
) -> None:
    harm_tokenizer(folder, parts)
    with pytest.raises(ArtifactError, match=r"tokenizer\.json: cannot be read"):
        load_tokenizer(folder, 32)


@pytest.mark.parametrize("parts", ON_TEXTS.values(), ids=ON_TEXTS)
def test_a_file_that_panics_on_a_text_is_refused_then(folder: Path, parts: dict[str, Any]) -> None:
    harm_tokenizer(folder, parts)
    tokenizer = load_tokenizer(folder, 32)
    with pytest.raises(DataError, match="the tokenizer fails on a text"):
        encode(tokenizer, "my card")
    with pytest.raises(DataError, match="the tokenizer fails on a text"):
        encode_all(tokenizer, ["my card"])


@pytest.mark.parametrize(("row", "said"), [("a\ud800", "lone surrogate"), (5, "is a int")])
def test_what_is_no_text_is_named(folder: Path, row: Any, said: str) -> None:
    tokenizer = load_tokenizer(folder, 32)
    with pytest.raises(DataError, match=f"text 1 .*{said}"):
        encode(tokenizer, row)
    with pytest.raises(DataError, match=f"text 2 .*{said}"):
        encode_all(tokenizer, ["my card", row])


@pytest.mark.parametrize("length", [-1, 2**70])
def test_a_length_that_is_none_is_refused(folder: Path, length: int) -> None:
    with pytest.raises(ArtifactError, match="cannot be read"):
        load_tokenizer(folder, length)


@pytest.mark.parametrize("stop", [KeyboardInterrupt, SystemExit])
def test_a_signal_stays_one(stop: type[BaseException]) -> None:
    class Stopped:
        def encode(self, row: str) -> None:
            raise stop

    with pytest.raises(stop):
        encode(Stopped(), "my card")  # type: ignore[arg-type]
