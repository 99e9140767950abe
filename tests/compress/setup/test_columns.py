"""Which column is the text and which its class: by the teacher, by name, by what it holds."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from compress.setup.columns import choose_label, choose_text, read_columns
from runtimes.errors import DataError

TEXTS = ["where is my card", "refund me please", "the app crashes now", "where is it", "thanks"]
TEXT = [f"{text} {number}" for number, text in enumerate(TEXTS * 4)]
CLASSES = ["a", "b", "a", "b", "c"] * 4
IDS = [str(number) for number in range(20)]


def test_the_teacher_s_classes_say_which_column_is_the_label() -> None:
    columns = {"label": ["x", "y"] * 10, "text": TEXT, "kind": CLASSES}
    assert choose_label(columns, None, None, ("a", "b", "c", "d")).column == "kind"
    assert choose_label(columns, None, None, ()).column == "label"


def test_a_column_is_found_by_what_it_holds() -> None:
    columns = {"id": IDS, "said": TEXT, "kind": CLASSES}
    label = choose_label(columns, None, None, ())
    assert (label.column, label.why) == ("kind", "the only column with a few repeated values")
    assert choose_text(columns, None, "kind").column == "said"


def test_a_name_tells_more_than_what_is_in_it() -> None:
    columns = {"Notes": [f"{text} and some more words" for text in TEXT], "Text": TEXT}
    assert choose_text(columns, None, "kind").column == "Text"


def test_what_is_asked_for_is_taken() -> None:
    columns = {"text": TEXT, "label": CLASSES, "other": CLASSES, "title": TEXT}
    assert choose_label(columns, "other", None, ("a", "b", "c")).column == "other"
    assert choose_text(columns, "title", "other").column == "title"


def test_a_column_that_is_not_there_is_said_with_the_nearest() -> None:
    with pytest.raises(DataError, match=r"--label labl: no such column[\s\S]*did you mean 'label'"):
        choose_label({"text": TEXT, "label": CLASSES}, "labl", None, ())


@pytest.mark.parametrize(
    ("columns", "said"),
    [
        (
            {"x": TEXT, "one": CLASSES, "two": CLASSES},
            "several columns may hold the classes: one, two",
        ),
        ({"x": TEXT, "id": IDS}, "no column seems to hold the classes"),
    ],
)
def test_a_label_that_is_not_clear_is_asked_for(columns: dict[str, list[str]], said: str) -> None:
    with pytest.raises(DataError, match=said) as caught:
        choose_label(columns, None, None, ())
    assert "--label COLUMN" in str(caught.value)


def test_a_file_without_any_text_is_said() -> None:
    with pytest.raises(DataError, match="no column seems to hold the text"):
        choose_text({"id": IDS, "label": CLASSES}, None, "label")


def test_rows_may_lack_columns_and_hold_lists(tmp_path: Path) -> None:
    rows = [{"text": "one two", "tags": [1, 2]}, {"text": None, "label": "a"}]
    file = tmp_path / "rows.jsonl"
    file.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    assert read_columns(file) == {"text": ["one two", ""], "tags": ["", ""], "label": ["", "a"]}
