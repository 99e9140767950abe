"""A smaller vocabulary splits the task's text as before, and still spells any other text."""

from __future__ import annotations

import dataclasses
import json
from functools import cache
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from transformers import BertConfig

from compress.data.dataset import Dataset
from compress.models.architectures import FULL
from compress.progress import Silence
from compress.prune.pieces import PieceChoice, choose_pieces, unknown_id
from compress.prune.tokenizer_json import (
    id_table,
    merge_pairs,
    pieces_of,
    rewrite_tokenizer,
    rewrite_tokenizer_config,
)
from compress.prune.vocabulary import count_pieces, prune_vocabulary, spelling
from compress.stage import RunContext
from runtimes.artifact import Artifact
from runtimes.errors import ArtifactError, UnsupportedError
from runtimes.tokenizing import load_tokenizer
from tests.compress.text_models import load_model
from tests.compress.tiny_models import encode, make_data, make_model

DATA = make_data()
FEW = dataclasses.replace(
    DATA,
    train=dataclasses.replace(
        DATA.train, inputs=DATA.train.inputs[:4], targets=DATA.train.targets[:4]
    ),
    unlabeled=DATA.unlabeled[:1],
)
"""So little text that most pieces are dropped."""

ALL = PieceChoice()

KINDS = ("bert", "roberta", "xlm-roberta")
"""One architecture of each tokenizer kind: WordPiece, byte-level BPE, Unigram."""


@dataclasses.dataclass(frozen=True)
class Cut:
    """Hold a model before and after its vocabulary was pruned."""

    source: Artifact
    folder: Path
    model: Any
    metrics: dict[str, float]
    warnings: list[str]

    @property
    def tree(self) -> dict[str, Any]:
        return read_tree(self.source.path)

    @property
    def new_tree(self) -> dict[str, Any]:
        return read_tree(self.folder)

    def table(self) -> np.ndarray[Any, Any]:
        new = {piece: index for index, piece in enumerate(pieces_of(self.new_tree))}
        return np.array([new.get(piece, -1) for piece in pieces_of(self.tree)])


def read_tree(folder: Path) -> dict[str, Any]:
    tree: dict[str, Any] = json.loads((folder / "tokenizer.json").read_text(encoding="utf-8"))
    return tree


class Cutter(Protocol):
    def __call__(self, model_type: str, data: Dataset = FEW, choice: PieceChoice = ...) -> Cut: ...


@pytest.fixture(scope="module")
def cut(tmp_path_factory: pytest.TempPathFactory) -> Cutter:
    @cache
    def make(model_type: str, data: Dataset = FEW, choice: PieceChoice = ALL) -> Cut:
        home = tmp_path_factory.mktemp(model_type)
        source = make_model(home / "source", model_type, vocab=600)
        model = load_model(source.path)
        folder = home / "pruned"
        folder.mkdir()
        told = RunContext(data, None, seed=7, scratch=home / "scratch", progress=Silence())
        metrics = prune_vocabulary(model, source, told, choice, folder)
        return Cut(source, folder, model, metrics, told.progress.warnings)

    return make


@pytest.mark.parametrize("model_type", FULL)
def test_counted_text_gets_the_same_logits_from_fewer_pieces(cut: Cutter, model_type: str) -> None:
    made = cut(model_type)
    texts = [*FEW.train.inputs, *FEW.unlabeled]
    smaller = dataclasses.replace(made.source, path=made.folder)
    before, after = encode(made.source, texts), encode(smaller, texts)
    assert made.metrics["pieces"] < made.metrics["pieces_before"]
    assert made.model.config.vocab_size == made.metrics["pieces"]
    assert made.model.get_input_embeddings().num_embeddings == made.metrics["pieces"]
    assert not torch.equal(before["input_ids"], after["input_ids"])
    whole = load_model(made.source.path)
    with torch.no_grad():
        torch.testing.assert_close(made.model(**after).logits, whole(**before).logits)


@pytest.mark.parametrize("model_type", FULL)
def test_kept_pieces_keep_their_order_and_special_roles(cut: Cutter, model_type: str) -> None:
    made = cut(model_type)
    table = made.table()
    kept = table[table >= 0]
    assert kept.tolist() == list(range(len(kept)))
    config, old = made.model.config, load_model(made.source.path).config
    assert config.pad_token_id == old.pad_token_id
    for name in ("bos_token_id", "eos_token_id", "sep_token_id", "cls_token_id"):
        before = getattr(old, name, None)
        assert getattr(config, name, None) == (None if before is None else table[before])
    pair = load_tokenizer(made.source.path, 64).encode("the card", "my card")
    again = load_tokenizer(made.folder, 64).encode("the card", "my card")
    special = [index for index, flag in enumerate(pair.special_tokens_mask) if flag]
    assert special
    assert [again.tokens[0], again.tokens[-1]] == [pair.tokens[0], pair.tokens[-1]]


@pytest.mark.parametrize("model_type", KINDS)
@settings(suppress_health_check=[HealthCheck.too_slow], deadline=None)
@given(text=st.text(st.sampled_from("abcdefghijklmnopqrstuvwxyz AEZ019.,!?'-éß中ñ🙂"), max_size=40))
def test_what_the_teacher_could_spell_can_still_be_spelled(
    cut: Cutter, model_type: str, text: str
) -> None:
    made = cut(model_type)
    unknown, new_unknown = unknown_id(made.tree), unknown_id(made.new_tree)
    before = load_tokenizer(made.source.path, 64).encode(text, add_special_tokens=False)
    after = load_tokenizer(made.folder, 64).encode(text, add_special_tokens=False)
    if unknown not in before.ids:
        assert new_unknown not in after.ids
    assert "".join(after.tokens).count("[UNK]") <= "".join(before.tokens).count("[UNK]")


@pytest.mark.parametrize("model_type", KINDS)
@settings(deadline=None)
@given(words=st.lists(st.sampled_from(" ".join(DATA.train.inputs).split()), max_size=8))
def test_text_whose_pieces_all_stay_is_split_as_before(
    cut: Cutter, model_type: str, words: list[str]
) -> None:
    made = cut(model_type)
    table = made.table()
    before = load_tokenizer(made.source.path, 64).encode(" ".join(words))
    after = load_tokenizer(made.folder, 64).encode(" ".join(words))
    if (table[before.ids] >= 0).all():
        assert after.tokens == before.tokens
        assert after.ids == table[before.ids].tolist()


def test_bpe_merges_stay_with_both_their_parts(cut: Cutter) -> None:
    made = cut("roberta")
    model = made.new_tree["model"]
    pairs = merge_pairs(model)
    assert pairs == [pair for pair in merge_pairs(made.tree["model"]) if pair in set(pairs)]
    for left, right in pairs:
        assert {left, right, left + right} <= model["vocab"].keys()
    made_by_merge = {left + right for left, right in pairs}
    long = {piece for piece in model["vocab"] if len(piece) > 1 and piece[0] != "<"}
    assert long <= made_by_merge


@pytest.mark.parametrize("model_type", KINDS)
def test_the_floor_adds_the_lowest_ids(cut: Cutter, model_type: str) -> None:
    least = cut(model_type).metrics["pieces"]
    total = cut(model_type).metrics["pieces_before"]
    floor = int(least + total) // 2
    made = cut(model_type, FEW, PieceChoice(floor))
    assert floor <= made.metrics["pieces"] <= total
    added = (made.table() >= 0) & (cut(model_type).table() < 0)
    left = np.flatnonzero(made.table() < 0)
    if model_type != "roberta":  # merges add the parts that a piece needs, whatever their ids
        assert np.flatnonzero(added).max() < left.min()
    assert (
        made.metrics["validation_token_growth"]
        <= cut(model_type).metrics["validation_token_growth"]
    )
    everything = cut(model_type, FEW, PieceChoice(100_000)).metrics
    assert everything["pieces"] == total
    assert everything["validation_token_growth"] == 1.0


def test_validation_and_test_rows_are_not_counted(cut: Cutter) -> None:
    secret = dataclasses.replace(FEW.validation, inputs=("zzzz qqqq",), targets=(0,))
    hidden = dataclasses.replace(FEW, validation=secret, test=secret)
    assert cut("bert", hidden).new_tree == cut("bert").new_tree


def wordpiece(*pieces: str) -> dict[str, Any]:
    vocabulary = {piece: index for index, piece in enumerate(pieces)}
    model = {"type": "WordPiece", "unk_token": "[UNK]", "continuing_subword_prefix": "##"}
    return {"model": model | {"vocab": vocabulary}, "added_tokens": []}


def chosen(tree: dict[str, Any], choice: PieceChoice, **counted: int) -> set[str]:
    pieces = pieces_of(tree)
    counts = np.array([counted.get(piece, 0) for piece in pieces], dtype=np.int64)
    config = BertConfig(pad_token_id=0)
    return {pieces[index] for index in choose_pieces(tree, counts, choice, config)}


def test_reserved_pieces_are_not_taken_to_reach_the_floor() -> None:
    letters = [form for letter in "[unsed0]" for form in (letter, f"##{letter}")]
    tree = wordpiece("[PAD]", "[unused0]", "[UNK]", "use", "need", *letters)
    assert chosen(tree, PieceChoice(0)) == {"[PAD]", "[UNK]", *letters}
    assert chosen(tree, PieceChoice(19)) == {"[PAD]", "[UNK]", "use", *letters}
    assert chosen(tree, PieceChoice(100)) == {"[PAD]", "[UNK]", "use", "need", *letters}


def test_a_piece_stays_when_one_of_its_letters_has_no_form_of_its_own() -> None:
    tree = wordpiece("[PAD]", "[UNK]", "a", "##a", "b", "ab", "aa", "##ba")
    assert chosen(tree, PieceChoice(0)) == {"[PAD]", "[UNK]", "a", "##a", "b", "ab", "##ba"}


def test_figures_are_of_the_validation_rows(cut: Cutter) -> None:
    made = cut("bert")
    tokenizer = load_tokenizer(made.folder, 64)
    old = load_tokenizer(made.source.path, 64)
    lengths = [
        np.mean(
            [len(one.encode(text, add_special_tokens=False)) for text in DATA.validation.inputs]
        )
        for one in (tokenizer, old)
    ]
    assert made.metrics["validation_token_growth"] == pytest.approx(
        lengths[0] / lengths[1], abs=1e-6
    )
    assert made.metrics["validation_token_growth"] > 1
    assert spelling(tokenizer, ["中"], unknown_id(made.new_tree)).unknown_share == 1.0


@pytest.mark.parametrize("processor", ["BertProcessing", "RobertaProcessing"])
def test_post_processors_and_padding_are_renumbered(cut: Cutter, processor: str) -> None:
    tree = cut("bert").tree | {
        "post_processor": {
            "type": "Sequence",
            "processors": [
                {"type": processor, "sep": ["[SEP]", 3], "cls": ["[CLS]", 2]},
                {"type": "ByteLevel"},
            ],
        },
        "padding": {"pad_id": 4, "pad_token": "[MASK]"},
    }
    table = id_table(np.array([0, 2, 3, 4]), len(pieces_of(tree)))
    tree["added_tokens"] = [token for token in tree["added_tokens"] if token["id"] != 1]
    new = rewrite_tokenizer(tree, table)
    inner = new["post_processor"]["processors"]
    assert inner[0]["sep"] == ["[SEP]", 2]
    assert inner[0]["cls"] == ["[CLS]", 1]
    assert inner[1] == {"type": "ByteLevel"}
    assert new["padding"]["pad_id"] == 3
    assert tree["padding"]["pad_id"] == 4


def test_the_added_tokens_of_the_tokenizers_settings_are_renumbered() -> None:
    table = id_table(np.array([0, 7]), 9)
    settings_ = {"model_max_length": 64, "added_tokens_decoder": {"7": {"content": "<mask>"}}}
    new = rewrite_tokenizer_config(settings_, table)
    assert new == {"model_max_length": 64, "added_tokens_decoder": {"1": {"content": "<mask>"}}}


def test_another_kind_of_tokenizer_is_refused() -> None:
    with pytest.raises(UnsupportedError, match="WordLevel"):
        pieces_of({"model": {"type": "WordLevel", "vocab": {}}, "added_tokens": []})


def test_a_tokenizer_that_does_not_fit_is_refused(tmp_path: Path) -> None:
    source = make_model(tmp_path / "bert", "bert")
    tree = read_tree(source.path)
    tree["model"]["vocab"]["refundxyz"] = len(tree["model"]["vocab"])
    (source.path / "tokenizer.json").write_text(json.dumps(tree))
    model = load_model(source.path)
    with pytest.raises(ArtifactError, match="the model has"):
        prune_vocabulary(
            model,
            source,
            RunContext(DATA, None, seed=7, scratch=tmp_path / "scratch"),
            PieceChoice(100_000),
            tmp_path,
        )


def test_pieces_are_counted_with_their_specials(cut: Cutter) -> None:
    made = cut("bert")
    tokenizer = load_tokenizer(made.source.path, 64)
    counts = count_pieces(tokenizer, ["card card", "card"])
    assert counts[tokenizer.token_to_id("card")] == 3
    assert counts[tokenizer.token_to_id("[CLS]")] == 2


SEEN = PieceChoice(alphabet="seen", most_unknown=1.0)
_ASCII_ROWS = tuple(text for text in DATA.train.inputs if text.isascii())[:20]
ASCII = dataclasses.replace(
    FEW, train=dataclasses.replace(FEW.train, inputs=_ASCII_ROWS, targets=(0,) * 20), unlabeled=()
)
"""Rows without a letter beyond ASCII."""


def test_the_seen_alphabet_is_ascii_and_what_the_counted_pieces_are_made_of() -> None:
    forms = [form for letter in "ab!éß中" for form in (letter, f"##{letter}")]
    tree = wordpiece("[PAD]", "[UNK]", *forms, "bß", "bé")
    everything = chosen(tree, PieceChoice())
    assert {"中", "##ß", "é"} <= everything
    seen = chosen(tree, SEEN, bé=2)
    assert seen == {"[PAD]", "[UNK]", "a", "##a", "b", "##b", "!", "##!", "é", "##é", "bé"}
    tree = wordpiece("[PAD]", "[UNK]", "中", *forms, "ba")
    assert {"ba"} == chosen(tree, dataclasses.replace(SEEN, floor=9)) - chosen(tree, SEEN)


def test_rare_pieces_go_and_smaller_ones_spell_their_words() -> None:
    letters = [form for letter in "ab" for form in (letter, f"##{letter}")]
    tree = wordpiece("[PAD]", "[UNK]", *letters, "ab", "ba")
    assert chosen(tree, PieceChoice(least_count=3), ab=2, ba=3) == {
        "[PAD]",
        "[UNK]",
        *letters,
        "ba",
    }


@pytest.mark.parametrize("model_type", KINDS)
def test_a_seen_alphabet_spells_counted_text_as_before(cut: Cutter, model_type: str) -> None:
    made = cut(model_type, ASCII, SEEN)
    table = made.table()
    old, new = (load_tokenizer(folder, 64) for folder in (made.source.path, made.folder))
    for text in ASCII.train.inputs:
        assert new.encode(text).ids == table[old.encode(text).ids].tolist()
    assert made.metrics["counted_token_growth"] == 1.0
    assert made.metrics["pieces"] <= cut(model_type, ASCII).metrics["pieces"]
    unknown = unknown_id(made.new_tree)
    strange = new.encode("ß", add_special_tokens=False).ids
    assert (unknown in strange) == (model_type != "roberta")  # bytes spell everything


@pytest.mark.parametrize("model_type", KINDS)
def test_a_least_count_lengthens_rows_and_makes_nothing_unknown(
    cut: Cutter, model_type: str
) -> None:
    usual = cut(model_type, DATA)
    made = cut(model_type, DATA, PieceChoice(least_count=80))
    assert made.metrics["pieces"] < usual.metrics["pieces"]
    assert made.metrics["counted_token_growth"] > usual.metrics["counted_token_growth"] == 1.0
    assert (
        made.metrics["validation_unknown_share"] <= made.metrics["validation_unknown_share_before"]
    )


def test_all_characters_stay_where_unseen_rows_need_them(cut: Cutter) -> None:
    foreign = dataclasses.replace(ASCII.validation, inputs=("Straße 2nd", "a card"), targets=(0, 0))
    data = dataclasses.replace(ASCII, validation=foreign)
    strict = dataclasses.replace(SEEN, most_unknown=0.005)
    made = cut("bert", data, strict)
    assert "all characters stay" in made.warnings[0]
    assert made.new_tree == cut("bert", data).new_tree
    loose = cut("bert", data, SEEN)
    assert loose.warnings == []
    assert loose.metrics["validation_unknown_share"] > 0.1
    assert loose.metrics["pieces"] < made.metrics["pieces"]
