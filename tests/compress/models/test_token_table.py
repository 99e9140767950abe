"""The device's own encoder gives the library's ids, or leaves a text to the library."""

from __future__ import annotations

import threading
from collections.abc import Callable
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from compress.models import token_table
from compress.models.token_kinds import Description, described
from compress.models.token_proof import proof_texts
from compress.models.token_table import write_table
from compress.progress import Silence
from runtimes.contents import list_files
from runtimes.encoder import Encoder
from runtimes.fast_encoder import FastEncoder
from runtimes.files import file_sha256
from runtimes.token_table import TABLE, read_table
from runtimes.tokenizing import TOKENIZER, load_tokenizer
from tests.compress.small_tokenizers import SERVED, UNSERVED, write_tokenizer

LENGTH = 12


@cache
def opened(name: str, max_length: int = LENGTH) -> tuple[FastEncoder, Any]:
    """Return the device's encoder of a tokenizer, and the library's."""
    with TemporaryDirectory() as place:
        folder = write_tokenizer(Path(place), SERVED[name])
        progress = Silence()
        assert write_table(folder, max_length, progress), progress.warnings
        table = read_table(folder, file_sha256(folder / TOKENIZER))
        assert table is not None
        return FastEncoder(table, max_length), load_tokenizer(folder, max_length)


def equal(fast: FastEncoder, library: Any, text: str) -> bool:
    """Tell whether a text was served; fail where its tokens differ."""
    made = fast.encode(text)
    wanted = library.encode(text)
    assert made is None or made == (wanted.ids, wanted.type_ids), text
    return made is not None


_TEXTS = st.one_of(
    st.text(max_size=60),
    st.text(st.characters(max_codepoint=0x7F), max_size=60),
    st.lists(st.sampled_from(["card", "Don't", "[SEP]", "<s>", "wallet", "1,5", "é", "  "])).map(
        " ".join
    ),
    st.text("[]SEPMASK<>/smk_ '", max_size=30),
)


@pytest.mark.parametrize("name", SERVED)
@settings(max_examples=25, deadline=None)
@given(text=_TEXTS)
def test_any_text_has_the_ids_of_the_library(name: str, text: str) -> None:
    equal(*opened(name), text)


@pytest.mark.parametrize("name", SERVED)
@pytest.mark.parametrize("max_length", [5, 300])
def test_plain_texts_are_served(name: str, max_length: int) -> None:
    fast, library = opened(name, max_length)
    for text in ("please transfer my money", "Why? It's 1,000.50 - PINs!", "", "a " * 50 + "b"):
        text = text.strip().replace("PIN", "pin")
        assert equal(fast, library, text), text


@pytest.mark.parametrize("name", SERVED)
def test_each_ascii_character_and_pair_has_the_ids_of_the_library(name: str) -> None:
    fast, library = opened(name)
    letters = list(map(chr, range(0x80)))
    for letter in letters:
        for text in (letter, f"a{letter}b", f"{letter} a", f"a {letter}", letter * 3):
            equal(fast, library, text)
    for left in letters[::5]:
        for right in letters[::3]:
            equal(fast, library, f"x{left}{right}y")


@pytest.mark.parametrize("name", ["wordpiece, uncased", "bpe", "unigram"])
def test_a_text_with_an_added_token_is_left_to_the_library(name: str) -> None:
    fast, library = opened(name)
    for token in library.get_added_tokens_decoder().values():
        assert not equal(fast, library, f"my {token.content} card")
    assert equal(fast, library, "a < b, [x]")


@pytest.mark.parametrize("name", UNSERVED)
def test_no_table_is_written_where_the_rules_are_not_known(name: str, tmp_path: Path) -> None:
    folder = write_tokenizer(tmp_path, UNSERVED[name])
    assert not write_table(folder, LENGTH, Silence())
    assert not (folder / TABLE).exists()


def test_a_difference_leaves_no_table_and_is_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = write_tokenizer(tmp_path, SERVED["wordpiece, uncased"])

    def wrong(tree: Any, tokenizer: Any) -> Description:
        made = described(tree, tokenizer)
        return Description({**made.header, "lower": 0}, made.entries)

    monkeypatch.setattr(token_table, "described", wrong)
    progress = Silence()
    assert not write_table(folder, LENGTH, progress)
    assert not (folder / TABLE).exists()
    assert "are not those of tokenizers" in progress.warnings[0]


def test_the_same_tokenizer_has_the_same_table(tmp_path: Path) -> None:
    one = write_tokenizer(tmp_path / "one", SERVED["bpe"])
    other = tmp_path / "other"
    other.mkdir()
    (other / TOKENIZER).write_bytes((one / TOKENIZER).read_bytes())
    for folder in (one, other):
        assert write_table(folder, LENGTH, Silence())
    assert (one / TABLE).read_bytes() == (other / TABLE).read_bytes()


def test_the_proof_has_texts_of_every_sort() -> None:
    _, library = opened("wordpiece, uncased")
    texts = list(proof_texts(library))
    assert texts == list(proof_texts(library))
    assert len(texts) > 2000
    for holds in (str.isupper, str.isspace, lambda one: not one.isascii(), lambda one: not one):
        assert any(map(holds, texts))
    assert any("[SEP]" in text for text in texts)
    assert any(not text.isprintable() for text in texts)


def test_threads_encode_at_once(tmp_path: Path) -> None:
    folder = write_tokenizer(tmp_path, SERVED["wordpiece, uncased"])
    assert write_table(folder, LENGTH, Silence())
    encoder = Encoder(folder, LENGTH, list_files(folder))
    library = load_tokenizer(folder, LENGTH)
    texts = [*proof_texts(library)][-1500:]
    wanted = [encoding.ids for encoding in library.encode_batch(texts)]
    found: list[list[list[int]]] = []

    def work(order: Callable[[Any], Any]) -> None:
        made = {text: encoder.encode(text).ids for text in order(texts)}
        found.append([made[text] for text in texts])

    threads = [threading.Thread(target=work, args=(one,)) for one in (iter, reversed, iter)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == [wanted] * 3
