"""Token classification on the host, and its own rules."""

from __future__ import annotations

import json
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from seqeval.metrics import f1_score, precision_score, recall_score
from seqeval.metrics.sequence_labeling import get_entities

from compress.data.dataset import DataSettings, load_dataset
from compress.data.rows import Record
from compress.models.torch_model import load_model
from compress.tasks import Answer
from compress.tasks.entity_scores import Found
from compress.tasks.tags import Numbers, tagged
from compress.tasks.token_classification import TokenClassification
from compress.training.batches import encode
from compress.training.loop import answers_of
from runtimes.errors import DataError
from runtimes.tokenizing import load_tokenizer
from runtimes.words import words_of
from tests.compress.tasks.contract_task import TaskContract
from tests.compress.tiny_models import make_model

TASK = TokenClassification()
SAID = (
    (["refund", "my", "old", "card", "now"], ["O", "O", "B-thing", "I-thing", "O"]),
    (["the", "screen", "of", "Ann", "is", "broken"], ["O", "B-thing", "O", "B-who", "O", "O"]),
    (["thanks", "for", "the", "help"], ["O", "O", "O", "O"]),
    (["Bo", "paid", "twice"], ["B-who", "O", "B-times"]),
)
LABELS = ("O", "B-thing", "I-thing", "B-times", "I-times", "B-who", "I-who")


class TestTokenClassification(TaskContract):
    """Hold token classification to the contract."""

    name: ClassVar[str] = "token-classification"
    settings: ClassVar[dict[str, Any]] = {"text": "tokens", "label": "tags"}
    records: ClassVar[Sequence[dict[str, Any]]] = [
        {"tokens": [*SAID[n % 4][0], f"x{n}"], "tags": [*SAID[n % 4][1], "O"]} for n in range(60)
    ]
    refused: ClassVar[Sequence[Sequence[dict[str, Any]]]] = [
        [{"tokens": ["a", "b"], "tags": ["O", "O"]} for n in range(20)],
        [{"tokens": ["a", "b"], "tags": ["B-x"]} for n in range(20)],
        [{"tokens": ["a", "b"], "tags": ["1", "0"]} for n in range(20)],
        [{"tokens": ["a", " "], "tags": ["B-x", "O"]} for n in range(20)],
        [{"tokens": [], "tags": []} for n in range(20)],
        [{"tokens": "a b", "tags": [{"start": 1, "end": 2, "label": "x"}]} for n in range(20)],
        [{"tokens": "a b", "tags": [{"start": 0, "label": "x"}]} for n in range(20)],
    ]

    def perfect(self, targets: Sequence[Any], labels: tuple[str, ...]) -> list[Answer]:
        """Return logits that favor the right label of each word strongly."""
        return [10 * np.eye(len(labels), dtype=np.float32)[target] for target in targets]

    def random(self, targets: Sequence[Any], labels: tuple[str, ...], seed: int) -> list[Answer]:
        """Return logits drawn at random."""
        rng = np.random.default_rng(seed)
        return [
            rng.normal(size=(len(target), len(labels))).astype(np.float32) for target in targets
        ]


def _said(tags: Sequence[str], labels: Sequence[str] = LABELS) -> Answer:
    return np.eye(len(labels), dtype=np.float32)[[labels.index(tag) for tag in tags]]


tag_rows = st.lists(
    st.lists(st.sampled_from(LABELS), min_size=1, max_size=7), min_size=1, max_size=8
)


@given(st.data())
def test_scores_are_seqeval_s(data: st.DataObject) -> None:
    """F1, precision and recall of tags that follow no scheme, with seqeval as the oracle."""
    truth = data.draw(tag_rows)
    said = [[data.draw(st.sampled_from(LABELS)) for _ in row] for row in truth]
    targets = [[LABELS.index(tag) for tag in row] for row in truth]
    found = Found.of([_said(row) for row in said], targets, LABELS)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # nothing true, or nothing said
        assert found.f1.metric == pytest.approx(f1_score(truth, said, zero_division=0))
        assert found.precision.metric == pytest.approx(
            precision_score(truth, said, zero_division=0)
        )
        assert found.recall.metric == pytest.approx(recall_score(truth, said, zero_division=0))


@given(st.lists(st.sampled_from([f"{p}-{t}" for p in "BIES" for t in "ab"] + ["O"]), min_size=1))
def test_bioes_entities_are_seqeval_s_and_survive_any_scheme(tags: list[str]) -> None:
    found = tagged(Record(["w"] * len(tags), tags))
    assert [tuple(one) for one in found.entities] == get_entities(tags)
    for labels in (
        ("O", "B-a", "I-a", "B-b", "I-b"),
        ("B-b", "I-b", "O", "I-a", "B-a"),
        ("O", *(f"{p}-{t}" for t in "ba" for p in "SEIB")),
    ):
        numbers = Numbers(labels)
        assert numbers.entities(numbers.of(found)) == list(found.entities)


def test_tags_that_do_not_fit_together_are_mended_and_counted() -> None:
    rows = [
        Record(["Ann", "Lee", "paid"], ["I-who", "I-who", "O"]),  # IOB1
        Record(["Ann", "Lee", "paid"], ["B-who", "I-thing", "O"]),
        Record(["Ann", "Lee", "paid"], ["who", "who", "O"]),  # plain types
        Record(["Ann", "Lee", "paid"], ["B-who", "I-who", "O"]),
        Record(["Ann", "Lee", "paid"], ["B-who", "E-who", "S-thing"]),
    ]
    assert [tagged(row).mended for row in rows] == [True, True, True, False, False]
    said = TASK.weaknesses(rows, rows[3:], rows[4:])
    assert any("train: rows with tags" in line and ": 3;" in line for line in said)
    targets = TASK.rows("train", rows, LABELS).targets
    assert targets[0] == targets[2] == targets[3] == [5, 6, 0]
    assert targets[1] == [5, 1, 0]


def test_spans_of_characters_become_whole_words() -> None:
    text = "Pay Ann-Marie O'Neil (Bonn)."
    spans = [[4, 20, "who"], [22, 26, "thing"]]
    found = tagged(Record(text, spans))
    assert not found.mended
    assert [text[a:b] for a, b in words_of(text)[1]] == [
        *("Pay", "Ann-Marie", "O'Neil", "(", "Bonn", ")", ".")
    ]
    assert TASK.rows("x", [Record(text, spans)], LABELS).targets == ([0, 5, 6, 0, 1, 0, 0],)
    assert tagged(Record(text, [[4, 7, "who"]])).mended  # half of a word
    assert tagged(Record("a b", [])).entities == ()


def test_rows_of_text_with_tags_are_parted_by_spaces() -> None:
    row = Record("Ann paid U.S. dollars .", "B-who O O O O")
    rows = TASK.rows("x", [row], LABELS)
    assert rows.inputs == (["Ann", "paid", "U.S.", "dollars", "."],)
    assert rows.targets == ([5, 0, 0, 0, 0],)


def test_a_head_with_other_labels_gets_the_data_s_entities(tmp_path: Path) -> None:
    lines = "".join(json.dumps(row) + "\n" for row in TestTokenClassification.records)
    (tmp_path / "rows.jsonl").write_text(lines, encoding="utf-8")
    settings = DataSettings(train=("rows.jsonl",), text="tokens", label="tags")
    data = load_dataset(settings, tmp_path, 7, TASK)
    head = ("I-who", "B-who", "E-who", "S-who", "O", "S-times", "S-thing", "B-thing", "E-thing")
    moved = TASK.aligned(data, head)
    before, after = Numbers(data.labels), Numbers(head)
    for was, now in zip(data.train.targets, moved.train.targets, strict=True):
        assert before.entities(was) == after.entities(now)
    with pytest.raises(DataError, match="'thing'"):
        TASK.aligned(data, ("O", "B-who", "I-who", "B-times"))
    with pytest.raises(DataError, match="none of the model's labels is O"):
        TASK.aligned(data, ("B-who", "I-who"))


def test_retention_and_the_worst_type_are_those_of_entities() -> None:
    rng = np.random.default_rng(0)
    truth = [[1, 0, 5, 0][: 2 + n % 3] for n in range(400)]
    teacher = [_said([LABELS[place] for place in row]) for row in truth]
    lossy = [
        _said(["O" if LABELS[p] == "B-who" and rng.random() < 0.3 else LABELS[p] for p in row])
        for row in truth
    ]
    figures = TASK.figures(lossy, truth, LABELS, teacher).all(0.95)
    names = {"f1", "precision", "recall", "f1_retention", "worst_type_recall_retention"}
    assert set(figures) == names
    mine, theirs = (TASK.score(one, truth, LABELS).metric for one in (lossy, teacher))
    assert figures["f1"].value == pytest.approx(mine)
    assert figures["f1_retention"].value == pytest.approx(mine / theirs)
    costs = TASK.class_costs(lossy, teacher, truth, LABELS)
    assert [cost.label for cost in costs] == ["who", "thing"]
    kept = costs[0].counts
    assert kept.rows == sum(5 in row for row in truth)
    assert figures["worst_type_recall_retention"].value == pytest.approx(kept.right / kept.rows)
    assert costs[0].taken_for == {"O": kept.lost}
    with pytest.raises(DataError, match="no entity right"):
        TASK.figures(lossy, truth, LABELS, [_said(["O"] * len(row)) for row in truth])


def test_long_rows_are_read_in_windows_and_lose_no_word(tmp_path: Path) -> None:
    """In overlapping windows, every word is read at its first token, far from the ends."""
    model = make_model(tmp_path / "model", layers=1).path
    words = [f"word{n}" for n in range(60)]
    tokenizer = load_tokenizer(model, 24)
    (row,) = TASK.encode(tokenizer, [words])
    assert row.places is not None
    assert len(row.windows) > 3
    assert len(row.places) == len(words)
    assert all(len(window) <= 24 for window in row.windows)
    whole = load_tokenizer(model, 10_000)
    for word, (window, position) in zip(words, row.places.tolist(), strict=True):
        (first, *_) = whole.encode(word, add_special_tokens=False).ids
        assert row.windows[window][position] == first
    distinct = {tuple(place) for place in row.places.tolist()}
    assert len(distinct) == len(words)


def test_windows_are_batched_with_short_rows(tmp_path: Path) -> None:
    model = make_model(tmp_path / "model", layers=1).path
    network = load_model(model, "token-classification", labels=LABELS)
    rows = [["my", "card"], [f"word{n}" for n in range(40)], ["refund"], ["old"] * 30]
    encoded = encode(load_tokenizer(model, 16), rows, network.config, TASK)
    together = answers_of(network, encoded, TASK, batch_size=4)
    assert [len(answer) for answer in together] == [2, 40, 1, 30]
    for place, answer in enumerate(together):
        (alone,) = answers_of(
            network,
            encode(load_tokenizer(model, 16), rows[place : place + 1], network.config, TASK),
            TASK,
        )
        np.testing.assert_allclose(alone, answer, atol=1e-4)
