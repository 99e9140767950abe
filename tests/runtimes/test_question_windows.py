"""The windows of a question and its context, for any texts and any length."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tokenizers import Tokenizer

from runtimes.question_windows import encoded_windows, pieces_of
from runtimes.tokenizing import load_tokenizer
from tests.runtimes.tiny import tiny_tokenizer

texts = st.text(alphabet="abz ,.'-É漢🙂\n\u0301", max_size=60)


@cache
def _tokenizer() -> Tokenizer:
    with TemporaryDirectory() as folder:
        tiny_tokenizer(Path(folder))
        tokenizer = load_tokenizer(folder, 64)
    tokenizer.no_truncation()
    return tokenizer


@given(texts, texts.filter(pieces_of), st.integers(8, 40))
def test_windows_hold_the_whole_context_and_every_piece_is_read_in_it(
    question: str, context: str, max_length: int
) -> None:
    row = {"question": question, "context": context}
    (made,) = encoded_windows(_tokenizer(), [row], max_length)
    whole = _tokenizer().encode(question, context)
    wanted = [
        (token, span)
        for token, span, side in zip(whole.ids, whole.offsets, whole.sequence_ids, strict=True)
        if side == 1
    ]
    assert all(len(window.ids) == len(window.types) <= max_length for window in made.windows)
    overlapped = [window.ids[window.types.index(1) : -1] for window in made.windows if wanted]
    assert {token for part in overlapped for token in part} == {token for token, _ in wanted}
    assert len(made.starts) == len(made.ends) == len(pieces_of(context))
    for (begin, end), first, last in zip(pieces_of(context), made.starts, made.ends, strict=True):
        inside = [token for token, span in wanted if span[0] < end and span[1] > begin]
        if inside:
            assert made.windows[first[0]].ids[first[1]] == inside[0]
            assert made.windows[last[0]].ids[last[1]] == inside[-1]
        else:
            assert first == last == (0, 0)


@pytest.mark.parametrize(
    ("context", "pieces"),
    [
        ("in 1990-1995, Ann’s", ["in", "1990", "-", "1995", ",", "Ann", "’", "s"]),
        ("漢字 $5.2", ["漢", "字", "$", "5", ".", "2"]),
        (" \n", []),
    ],
)
def test_pieces_are_finer_than_words(context: str, pieces: list[str]) -> None:
    assert [context[begin:end] for begin, end in pieces_of(context)] == pieces
