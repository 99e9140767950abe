"""Which columns hold words and their tags, or a text and its spans."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from compress.cli.main import run
from compress.setup.tagging import find_tagging
from runtimes.parsing import parse_toml
from tests.compress.tiny_models import make_model
from tests.compress.tiny_tags import tagged_rows, write_jsonl

SPANS = [{"said": "Ann paid", "who": [{"start": 0, "end": 3, "label": "who"}], "id": 1}]


@pytest.mark.parametrize(
    ("rows", "text", "label"),
    [
        (tagged_rows(9, 0), "tokens", "tags"),
        (
            [{"ner": row["tags"], "words": row["tokens"]} for row in tagged_rows(9, 0)],
            "words",
            "ner",
        ),
        (SPANS, "said", "who"),
        ([*SPANS, {"said": "no one", "who": [], "id": 2}], "said", "who"),
    ],
)
def test_columns_are_found_by_what_they_hold(
    rows: list[dict[str, Any]], text: str, label: str, tmp_path: Path
) -> None:
    file = write_jsonl(tmp_path / "rows.jsonl", rows)
    found = find_tagging(file, None, None)
    assert found is not None
    assert (found.text.column, found.label.column) == (text, label)
    assert find_tagging(file, text, label) is not None
    assert find_tagging(file, "other", None) is None


@pytest.mark.parametrize(
    "rows",
    [
        [{"text": "a b", "label": "x"}],
        [{"text": ["a", "b"], "label": ["x", "y"]}],
        [{"tokens": ["a", "b"], "tags": ["B-x"]}],
        [{"one": ["a", "b"], "two": ["c", "d"], "tags": ["B-x", "O"]}],
    ],
)
def test_what_is_unclear_is_not_guessed(rows: list[dict[str, Any]], tmp_path: Path) -> None:
    assert find_tagging(write_jsonl(tmp_path / "rows.jsonl", rows), None, None) is None


def test_init_says_what_it_guessed_and_writes_a_recipe_for_it(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    make_model(tmp_path / "model", "bert")
    (tmp_path / "model" / "artifact.json").unlink()
    file = write_jsonl(tmp_path / "train.jsonl", tagged_rows(120, 1))
    recipe = tmp_path / "recipe.toml"
    command = ["init", str(tmp_path / "model"), "--data", str(file), "--out", str(recipe)]
    assert run(command) == 0
    said = capsys.readouterr().out
    assert "task      token-classification" in said
    assert "text      column 'tokens': it holds lists of words" in said
    assert "label     column 'tags': it holds a tag for each word" in said
    written = parse_toml(recipe.read_text(encoding="utf-8"))
    assert written["teacher"]["task"] == "token-classification"
    assert (written["data"]["text"], written["data"]["label"]) == ("tokens", "tags")
    assert run(["run", str(recipe), "--out", str(tmp_path / "out"), "--dry-run", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)
