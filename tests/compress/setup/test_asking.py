"""Which columns hold questions, contexts and answers."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from compress.cli.main import run
from compress.setup.asking import find_questions
from runtimes.parsing import parse_toml
from tests.compress.tiny_models import make_model
from tests.compress.tiny_questions import question_rows
from tests.compress.tiny_tags import write_jsonl

PLAIN = [{"id": 1, "Query": "who?", "passage": "Ann paid", "answer": "Ann"}]


@pytest.mark.parametrize(
    ("rows", "columns"),
    [
        (question_rows(9, 0), ("question", "context", "answers")),
        (PLAIN, ("Query", "passage", "answer")),
        ([*PLAIN * 4, {**PLAIN[0], "answer": "Bo"}], ("Query", "passage", "answer")),
    ],
)
def test_columns_are_found_by_their_names_and_what_they_hold(
    rows: list[dict[str, Any]], columns: tuple[str, ...], tmp_path: Path
) -> None:
    file = write_jsonl(tmp_path / "rows.jsonl", rows)
    found = find_questions(file, None, None)
    assert found is not None
    assert found.text_pair is not None
    assert (found.text.column, found.text_pair.column, found.label.column) == columns
    assert find_questions(file, "other", None) is None


@pytest.mark.parametrize(
    "rows",
    [
        [{"question": "who?", "answer": "Ann"}],
        [{"question": "who?", "context": "Ann paid", "answer": "billing"}],
        [{"question": "who?", "context": "a", "passage": "Ann paid", "answer": "Ann"}],
        [{"question": "who?", "context": "Ann paid", "answers": [7]}],
    ],
)
def test_what_is_unclear_is_not_guessed(rows: list[dict[str, Any]], tmp_path: Path) -> None:
    assert find_questions(write_jsonl(tmp_path / "rows.jsonl", rows), None, None) is None


def test_init_says_what_it_guessed_and_writes_a_recipe_for_it(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    make_model(tmp_path / "model", "bert")
    (tmp_path / "model" / "artifact.json").unlink()
    file = write_jsonl(tmp_path / "train.jsonl", question_rows(120, 1))
    recipe = tmp_path / "recipe.toml"
    command = ["init", str(tmp_path / "model"), "--data", str(file), "--out", str(recipe)]
    assert run(command) == 0
    said = capsys.readouterr().out
    assert "task      question-answering" in said
    assert "text_pair column 'context': by its name" in said
    assert "label     column 'answers': 100% of them are in the context" in said
    written = parse_toml(recipe.read_text(encoding="utf-8"))
    assert written["teacher"]["task"] == "question-answering"
    assert written["data"]["text_pair"] == "context"
    assert run(["run", str(recipe), "--out", str(tmp_path / "out"), "--dry-run", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)
