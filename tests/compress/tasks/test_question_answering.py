"""Question answering on the host, and its own rules."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest

from compress.data.dataset import DataSettings, load_dataset
from compress.models.torch_model import load_model
from compress.tasks import Answer, canonical_task
from compress.tasks.question_answering import QuestionAnswering
from compress.training.batches import encode
from compress.training.loop import answers_of
from runtimes.errors import DataError
from runtimes.question_windows import pieces_of
from runtimes.tokenizing import load_tokenizer
from tests.compress.tasks.contract_task import TaskContract
from tests.compress.tiny_models import MODEL_TYPES, make_model
from tests.compress.tiny_questions import question_rows

TASK = QuestionAnswering()
LABELS = ("start", "end")


def _row(question: str, context: str, answers: Any) -> dict[str, Any]:
    return {"question": question, "context": context, "answers": answers}


class TestQuestionAnswering(TaskContract):
    """Hold question answering to the contract."""

    name: ClassVar[str] = "question-answering"
    records: ClassVar[Sequence[dict[str, Any]]] = [
        {**row, "context": f"{row['context']} x{n}"} for n, row in enumerate(question_rows(60, 3))
    ]
    refused: ClassVar[Sequence[Sequence[dict[str, Any]]]] = [
        [_row("who?", f"Ann paid {n}", "Bo") for n in range(20)],
        [_row("who?", f"Ann paid {n}", {"text": [], "answer_start": []}) for n in range(20)],
        [_row("who?", f"Ann paid {n}", {"text": ["Ann"], "answer_start": []}) for n in range(20)],
        [_row("who?", f"Ann paid {n}", [7]) for n in range(20)],
        [_row("", f"Ann paid {n}", "Ann") for n in range(20)],
        [{"question": "who?", "context": "Ann paid"} for n in range(20)],
    ]

    def perfect(self, targets: Sequence[Any], labels: tuple[str, ...]) -> list[Answer]:
        """Return logits that favor the first and the last piece of each answer strongly."""
        answers = []
        for target in targets:
            answer = np.zeros((len(pieces_of(target["context"])), 2), dtype=np.float32)
            answer[target["first"], 0] = answer[target["last"], 1] = 20
            answers.append(answer)
        return answers

    def random(self, targets: Sequence[Any], labels: tuple[str, ...], seed: int) -> list[Answer]:
        """Return logits drawn at random."""
        rng = np.random.default_rng(seed)
        return [
            rng.normal(size=(len(pieces_of(target["context"])), 2)).astype(np.float32)
            for target in targets
        ]


def _loaded(folder: Path, rows: Sequence[dict[str, Any]], **settings: Any) -> Any:
    lines = "".join(json.dumps(row) + "\n" for row in rows)
    (folder / "rows.jsonl").write_text(lines, encoding="utf-8")
    return load_dataset(DataSettings(train=("rows.jsonl",), **settings), folder, 7, TASK)


@pytest.mark.parametrize("name", ["question-answering", "extractive-qa", "squad"])
def test_its_synonyms_are_known(name: str) -> None:
    assert canonical_task(name) == "question-answering"


def test_answers_without_a_place_are_found_and_counted(tmp_path: Path) -> None:
    rows = [
        *({"q": f"who {n}?", "c": f"Ann paid {n}", "a": "Ann"} for n in range(20)),
        *({"q": f"who {n}?", "c": f"Bo paid Bo {n}", "a": "Bo"} for n in range(3)),
        *({"q": f"who {n}?", "c": f"ann paid {n}", "a": "ANN"} for n in range(2)),
        {"q": "who?", "c": "somebody paid", "a": "Carl"},
    ]
    files = {"validation": ("rows.jsonl",), "test": ("rows.jsonl",)}
    data = _loaded(tmp_path, rows, text="q", text_pair="c", label="a", **files)
    said = "\n".join(data.warnings)
    assert "train: answers that are not in their context: 1;" in said
    assert "train: answers that are at several places" in said
    assert "stated: 3;" in said
    firsts = [target["first"] for target in data.train.targets]
    assert firsts == [0] * 25 + [None]


def test_a_stated_place_is_believed_where_the_text_stands_there(tmp_path: Path) -> None:
    context = "Bo paid Bo, not Zürich’s Ann-Marie 1990-1995"
    rows = [
        _row("who?", context, {"text": ["Bo", "not"], "answer_start": [8, 12]}),
        _row("who?", context, [{"text": "Bo", "answer_start": 9}]),  # a wrong place
        _row("when?", context, {"text": ["1990"], "answer_start": [context.index("1990")]}),
        _row("whose?", context, {"text": [" Zürich’s"], "answer_start": [context.index(" Z")]}),
    ]
    data = _loaded(tmp_path, rows, validation=("rows.jsonl",), test=("rows.jsonl",))
    pieces = pieces_of(context)
    said = [
        context[pieces[target["first"]][0] : pieces[target["last"]][1]]
        for target in data.train.targets
    ]
    assert said == ["Bo", "Bo", "1990", "Zürich’s"]
    assert [target["first"] for target in data.train.targets][:2] == [2, 0]
    assert data.train.targets[0]["answers"] == ["Bo", "not"]
    assert [target["kind"] for target in data.train.targets] == ["who", "who", "when", "who"]


def test_a_csv_holds_answers_as_json_or_as_text(tmp_path: Path) -> None:
    (tmp_path / "rows.csv").write_text(
        "question,context,answers\n"
        'who?,Bo and Ann,"{""text"": [""Ann""], ""answer_start"": [7]}"\n'
        "who?,Bo and Ann,Bo\n",
        encoding="utf-8",
    )
    files = ("rows.csv",)
    data = load_dataset(DataSettings(train=files, validation=files, test=files), tmp_path, 7, TASK)
    assert [target["first"] for target in data.train.targets] == [2, 0]


def test_squad_s_own_file_is_read(tmp_path: Path) -> None:
    asked = [
        {"id": "1", "question": "who?", "answers": [{"text": "Ann", "answer_start": 0}] * 3},
        {"id": "2", "question": "what?", "answers": [], "is_impossible": True},
    ]
    paragraphs = [{"context": f"Ann paid {n}", "qas": asked} for n in range(3)]
    content = {"version": "v2.0", "data": [{"title": "Pay", "paragraphs": paragraphs}]}
    (tmp_path / "train-v2.0.json").write_text(json.dumps(content), encoding="utf-8")
    files = dict.fromkeys(("train", "validation", "test"), ("train-v2.0.json",))
    with pytest.raises(DataError, match=r"rows without a value \(3\)"):
        load_dataset(DataSettings(**files), tmp_path, 7, TASK)
    data = load_dataset(DataSettings(**files, on_empty="drop", group="title"), tmp_path, 7, TASK)
    assert [target["answers"] for target in data.train.targets] == [["Ann"]] * 3


@pytest.mark.parametrize(
    ("content", "why"),
    [
        ('[{"question": "who?"}]', "a list where an object"),
        ('{"data": [{"paragraphs": [{"qas": []}, {"context": "a", "qas": [{}]}]}]}', "'question'"),
        ('{"rows": []}', "an object has no 'data'"),
        ('{"data": 7}', "a value where"),
        ('{"data": [', "no JSON"),
        ('{"data": []}', "no rows"),
    ],
)
def test_json_of_another_form_is_refused(content: str, why: str, tmp_path: Path) -> None:
    (tmp_path / "rows.json").write_text(content, encoding="utf-8")
    with pytest.raises(DataError, match=why):
        load_dataset(DataSettings(train=("rows.json",)), tmp_path, 7, TASK)


@pytest.mark.parametrize("model_type", MODEL_TYPES)
def test_every_piece_is_read_at_its_tokens_in_every_window(model_type: str, tmp_path: Path) -> None:
    """By the ids at its places, a piece begins and ends as the tokenizer cuts the whole context."""
    folder = make_model(tmp_path / "model", model_type, layers=1).path
    context = " ".join(f"the café {n} crashed in Zürich, again; 漢字" for n in range(9))
    row = {"question": "who is it about ?", "context": context}
    tokenizer = load_tokenizer(folder, 32)
    (made,) = TASK.encode(tokenizer, [row])
    assert tokenizer.truncation is not None
    assert tokenizer.truncation["max_length"] == 32
    assert len(made.windows) > 5
    assert all(len(window) <= 32 for window in made.windows)
    assert made.places is not None
    pieces = pieces_of(context)
    starts, ends = np.split(made.places, 2)
    whole = load_tokenizer(folder, 10_000).encode(row["question"], context)
    offsets = [
        (tuple(span), token)
        for span, token, side in zip(whole.offsets, whole.ids, whole.sequence_ids, strict=True)
        if side == 1 and span[0] < span[1]
    ]
    for (begin, end), first, last in zip(pieces, starts, ends, strict=True):
        inside = [token for span, token in offsets if span[0] < end and span[1] > begin]
        assert made.windows[first[0]][first[1]] == inside[0]
        assert made.windows[last[0]][last[1]] == inside[-1]


def test_a_long_question_leaves_half_of_a_window_to_the_context(tmp_path: Path) -> None:
    folder = make_model(tmp_path / "model", layers=1).path
    row = {"question": "who is it about " * 40, "context": "please refund Ann for the card " * 4}
    (made,) = TASK.encode(load_tokenizer(folder, 32), [row])
    assert all(len(window) <= 32 for window in made.windows)
    assert made.places is not None
    positions = {tuple(place) for place in made.places.tolist()}
    assert (0, 0) not in positions


def test_windows_are_batched_with_short_rows(tmp_path: Path) -> None:
    folder = make_model(tmp_path / "model", layers=1).path
    network = load_model(folder, "question-answering", labels=LABELS)
    rows = [
        {"question": "who ?", "context": context}
        for context in ("Ann paid", "the old card of Bo " * 9, "now")
    ]
    tokenizer = load_tokenizer(folder, 24)
    together = answers_of(network, encode(tokenizer, rows, network.config, TASK), TASK)
    assert [answer.shape for answer in together] == [(2, 2), (45, 2), (1, 2)]
    for row, answer in zip(rows, together, strict=True):
        encoded = encode(tokenizer, [row], network.config, TASK)
        (alone,) = answers_of(network, encoded, TASK)
        np.testing.assert_allclose(alone, answer, atol=1e-4)


def test_a_model_is_saved_as_transformers_own(tmp_path: Path) -> None:
    from transformers import AutoModelForQuestionAnswering

    folder = make_model(tmp_path / "model", layers=1).path
    network = load_model(folder, "question-answering", labels=LABELS)
    network.save_pretrained(tmp_path / "saved")
    config = json.loads((tmp_path / "saved" / "config.json").read_text(encoding="utf-8"))
    assert config["architectures"] == ["BertForQuestionAnswering"]
    assert TASK.head_labels(tmp_path / "saved", config, {"qa_outputs.weight": (2, 64)}) == LABELS
    plain = AutoModelForQuestionAnswering.from_pretrained(tmp_path / "saved").eval()
    inputs = {"input_ids": network.dummy_inputs["input_ids"]}
    logits = network(**inputs).logits
    np.testing.assert_allclose(
        logits[..., 0].detach(), plain(**inputs).start_logits.detach(), atol=1e-5
    )


def test_retention_and_the_worst_kind_of_questions() -> None:
    contract = TestQuestionAnswering()
    targets = [
        {"context": f"Ann paid Bo {n}", "answers": ["Bo"], "first": 2, "last": 2, "kind": kind}
        for n, kind in enumerate(["who"] * 40 + ["when"] * 40)
    ]
    teacher = contract.perfect(targets, LABELS)
    lossy = [
        answer[::-1].copy() if 40 <= place < 50 else answer for place, answer in enumerate(teacher)
    ]
    figures = TASK.figures(lossy, targets, LABELS, teacher).all(0.95)
    assert set(figures) == {"f1", "exact_match", "f1_retention", "worst_question_retention"}
    assert figures["exact_match"].value == pytest.approx(70 / 80)
    assert figures["worst_question_retention"].value == pytest.approx(30 / 40)
    costs = TASK.class_costs(lossy, teacher, targets, LABELS)
    assert [cost.label for cost in costs] == ["when", "who"]
    assert costs[0].taken_for == {"wrong": 10}
    with pytest.raises(DataError, match="answers no question"):
        TASK.figures(teacher, targets, LABELS, [answer[::-1].copy() for answer in teacher])
