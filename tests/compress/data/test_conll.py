"""CoNLL files: sentences of words and tags."""

from __future__ import annotations

from pathlib import Path

import pytest

from compress.data.dataset import DataSettings, load_dataset
from compress.data.reading import read_records
from compress.tasks.token_classification import TokenClassification
from runtimes.errors import DataError

FILE = """-DOCSTART- -X- O O

# a comment
Ann NNP B-who
paid VBD O
# NN O

\t
U.S.\tB-where
dollars\tO
"""


def test_sentences_are_rows_of_the_first_and_the_last_column(tmp_path: Path) -> None:
    (tmp_path / "a.conll").write_text(FILE, encoding="utf-8")
    rows = list(read_records("a.conll", tmp_path))
    assert rows == [
        (4, {"tokens": ["Ann", "paid", "#"], "tags": ["B-who", "O", "O"]}),
        (9, {"tokens": ["U.S.", "dollars"], "tags": ["B-where", "O"]}),
    ]


def test_a_data_set_is_read_of_it(tmp_path: Path) -> None:
    sentences = "".join(f"Ann B-who\npaid O\nfor O\nx{n} B-what\n\n" for n in range(40))
    (tmp_path / "a.bio").write_text(sentences, encoding="utf-8")
    settings = DataSettings(train=("a.bio",), text="tokens", label="tags")
    data = load_dataset(settings, tmp_path, 7, TokenClassification())
    assert data.labels == ("O", "B-what", "I-what", "B-who", "I-who")
    assert len(data.train) + len(data.validation) + len(data.test) == 40


def test_a_word_without_a_tag_is_named_by_its_line(tmp_path: Path) -> None:
    (tmp_path / "a.conll").write_text("Ann B-who\npaid\n", encoding="utf-8")
    with pytest.raises(DataError, match="line 2: 'paid' has no tag"):
        list(read_records("a.conll", tmp_path))
