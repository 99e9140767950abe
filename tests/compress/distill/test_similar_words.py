"""Similar words: the nearest rows of the embeddings, never a word itself, of every vocabulary."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from compress.distill.augment import augmented, words_of
from compress.distill.similar_words import similar_words
from runtimes.tokenizing import load_tokenizer
from tests.compress.text_models import load_model
from tests.compress.tiny_models import make_data, make_model

SIMILAR = {"card": ("ticket", "pass"), "lost": ("gone",)}
ROWS = st.lists(st.sampled_from(["card", "lost", "my", "(card)", "lost!", "a-card"]), min_size=1)


@pytest.mark.parametrize(
    ("model_type", "least"), [("bert", 21), ("roberta", 21), ("xlm-roberta", 1)]
)
def test_every_kind_of_vocabulary_has_words(model_type: str, least: int, tmp_path: Path) -> None:
    model = make_model(tmp_path, model_type)
    tokenizer = load_tokenizer(model.path, model.max_length)
    words = words_of(make_data().train.inputs)
    similar = similar_words(model, words)
    assert len(similar) >= least
    assert set(similar) <= words
    for word, others in similar.items():
        assert 0 < len(others) <= 13
        assert word not in others
        assert all(len(tokenizer.encode(f" {o}", add_special_tokens=False)) == 1 for o in others)


def test_the_nearest_comes_first(tmp_path: Path) -> None:
    model = make_model(tmp_path, "bert")
    tokenizer = load_tokenizer(model.path, model.max_length)
    refund, invoice = (tokenizer.token_to_id(word) for word in ("refund", "invoice"))
    torch_model = load_model(model.path)
    table = torch_model.get_input_embeddings().weight.detach()
    table[invoice] = table[refund] + 1e-4
    table[tokenizer.token_to_id("crash")] = 2 * table.mean(dim=0) - table[refund]
    torch_model.save_pretrained(model.path)
    others = similar_words(model, ["refund", "unheard", "2nd", "[MASK]"])
    assert others.keys() == {"refund"}
    assert others["refund"][0] == "invoice"
    assert "crash" not in others["refund"]


@given(rows=st.lists(ROWS.map(" ".join), min_size=1, max_size=20), seed=st.integers(0, 99))
def test_similar_words_keep_the_punctuation_around_them(rows: list[str], seed: int) -> None:
    copies = augmented(rows, seed, SIMILAR)
    assert copies == augmented(rows, seed, SIMILAR)
    known = {word for row in rows for word in row.split(" ")}
    known |= {"ticket", "pass", "gone", "(ticket)", "(pass)", "gone!"}
    assert {word for copy in copies for word in copy.split(" ")} <= known


def test_about_a_third_of_the_words_give_way() -> None:
    rows = [["card", "my", "card", "lost", "card", "card"]] * 400
    copies = augmented(rows, 3, SIMILAR)
    assert all(isinstance(copy, list) for copy in copies)
    words = [word for copy in copies for word in copy if word != "my"]
    assert 0.25 < sum(word in ("ticket", "pass", "gone") for word in words) / len(words) < 0.35


def test_words_of_objects_and_lists() -> None:
    rows = [{"text": "a lost card.", "text_pair": "(no)"}]
    assert words_of(rows) == {"a", "lost", "card", "no"}
    assert words_of([["a", "lost"], ["card"]]) == {"a", "lost", "card"}
