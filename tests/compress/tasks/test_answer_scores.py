"""SQuAD's scores, by hand-checked examples and properties."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from compress.tasks.answer_scores import exact_match, normalized, token_f1

DENVER = ("Denver Broncos", "Denver Broncos", "The Denver Broncos!")
answer = st.text(alphabet="aANTHEthe bx.,'-é", max_size=20)


@pytest.mark.parametrize(
    ("said", "plain"),
    [
        ("The Denver Broncos!", "denver broncos"),
        (
            "Levi's Stadium in the  San Francisco Bay Area",
            "levis stadium in san francisco bay area",
        ),
        ("an apple, a pear", "apple pear"),
        ("theatre", "theatre"),
        ("“gold”", "“gold”"),  # SQuAD strips the punctuation of ASCII alone
        ("1990–1995", "1990–1995"),
        ("the", ""),
    ],
)
def test_answers_are_compared_as_squad_does(said: str, plain: str) -> None:
    assert normalized(said) == plain


@pytest.mark.parametrize(
    ("said", "right", "exact", "f1"),
    [
        ("the Denver Broncos", DENVER, 1, 1),
        ("Broncos", DENVER, 0, 2 / 3),
        ("Carolina Panthers", DENVER, 0, 0),
        ("Denver Denver Broncos", DENVER, 0, 4 / 5),
        ("Santa Clara, California", ("Santa Clara", "Levi's Stadium"), 0, 4 / 5),
        ("Levi's", ("Santa Clara", "Levi's Stadium"), 0, 2 / 3),
        ("the", ("a",), 1, 1),  # both are nothing after normalisation
        ("the", ("gold",), 0, 0),
        ("gold", (), 0, 0),
    ],
)
def test_hand_checked_scores(said: str, right: tuple[str, ...], exact: float, f1: float) -> None:
    assert exact_match(said, right) == exact
    assert token_f1(said, right) == pytest.approx(f1)


@given(answer, st.lists(answer, min_size=1, max_size=4))
def test_scores_are_bounded_and_a_further_right_answer_never_lowers_them(
    said: str, right: list[str]
) -> None:
    assert 0 <= exact_match(said, right) <= token_f1(said, right) <= 1
    assert token_f1(said, right) >= token_f1(said, right[1:])
    assert exact_match(said, [*right, said]) == token_f1(said, [*right, said]) == 1
    assert token_f1(said, right[:1]) == token_f1(right[0], [said])
