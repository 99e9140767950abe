"""Which columns hold both texts of a pair, by their names, and what is then learned."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from compress.cli.main import run
from compress.setup.pairing import find_pairing
from runtimes.errors import DataError
from runtimes.parsing import parse_toml
from tests.compress.tiny_models import make_model
from tests.compress.tiny_pairs import pair_rows, ranking_rows
from tests.compress.tiny_tags import write_jsonl

CELLS = ["a b", "c d"]


@pytest.mark.parametrize(
    ("one", "other"),
    [
        *(("premise", "hypothesis"), ("sentence1", "sentence2"), ("Question1", "Question2")),
        *(("query", "passage"), ("text", "text_pair")),
    ],
)
def test_columns_are_found_by_their_names(one: str, other: str) -> None:
    columns = {one: CELLS, other: CELLS, "label": ["x", "y"]}
    found = find_pairing(columns, None, None, None)
    assert found is not None
    assert (found.text.column, found.text_pair.column) == (one, other)
    assert found.task == "text-pair-classification"


def test_rows_of_one_text_or_of_several_pairs_are_no_pair() -> None:
    assert find_pairing({"text": CELLS, "label": CELLS}, None, None, None) is None
    both = dict.fromkeys(("premise", "hypothesis", "sentence1", "sentence2"), CELLS)
    assert find_pairing(both, None, None, None) is None
    assert find_pairing(both, "premise", None, None) is None, "one text is named alone"
    named = find_pairing(both, "premise", "sentence2", None)
    assert named is not None
    assert (named.text.column, named.text_pair.why) == ("premise", "as given")
    with pytest.raises(DataError, match="--text-pair sentence3: no such column"):
        find_pairing(both, "premise", "sentence3", None)


def test_numbers_for_a_query_s_texts_are_ranked() -> None:
    columns = {"query": ["a", "a"], "document": CELLS, "label": ["1", "0"]}
    found = find_pairing(columns, None, None, None)
    assert found is not None
    assert found.task == "text-ranking"
    apart = find_pairing({**columns, "query": ["a", "b"]}, None, None, None)
    assert apart is not None
    assert apart.task == "text-pair-classification"


@pytest.mark.parametrize(
    ("rows", "task", "texts"),
    [
        (pair_rows(60, 1), "text-pair-classification", ("premise", "hypothesis")),
        (ranking_rows(20, 1), "text-ranking", ("query", "passage")),
    ],
)
def test_init_says_what_it_guessed(
    rows: list[dict[str, str]],
    task: str,
    texts: tuple[str, str],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    make_model(tmp_path / "model")
    (tmp_path / "model" / "artifact.json").unlink()
    data = write_jsonl(tmp_path / "rows.jsonl", rows)
    recipe = tmp_path / "recipe.toml"
    asked = ["init", str(tmp_path / "model"), "--data", str(data), "--out", str(recipe)]
    assert run([*asked, "--finetune"]) == 0
    said = capsys.readouterr().out
    assert task in said
    assert f"text_pair column {texts[1]!r}: by its name" in said
    made = parse_toml(recipe.read_text(encoding="utf-8"))
    assert made["teacher"]["task"] == task
    assert (made["data"]["text"], made["data"]["text_pair"]) == texts
    assert run([*asked, "--finetune", "--force", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["text_pair"]["column"] == texts[1]
