"""The comparison of ways from text to token ids, on a small tokenizer."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks.tokenizing import compare, table
from runtimes.errors import InputError
from tests.compress.small_tokenizers import SERVED, UNSERVED, write_tokenizer


@pytest.fixture
def texts(tmp_path: Path) -> str:
    path = tmp_path / "texts.csv"
    path.write_text("text\nplease transfer my money\nwhy?\n漢字 card\n", encoding="utf-8")
    return str(path)


def test_every_way_gives_the_same_ids(tmp_path: Path, texts: str) -> None:
    folder = write_tokenizer(tmp_path / "made", SERVED["wordpiece, uncased"])
    seen = compare(tokenizer=str(folder), texts=texts, text="text", rounds=2)
    assert (seen["texts"], seen["left_to_the_library"]) == (2, 1)
    for name in ("tokenizers", "edgepress"):
        one = seen["contestants"][name]
        assert one["differ"] == {"rows": 0, "proof": 0}
        assert one["faster"]["lower"] <= one["faster"]["value"] <= one["faster"]["upper"]
        assert all(one[key] > 0 for key in ("import_ms", "load_ms", "first_pass_us", "warm_us"))
        assert f"\n{name} " in table(seen)
    assert seen["contestants"]["tokenizers"]["faster"]["value"] == 1


def test_a_tokenizer_without_a_table_is_refused(tmp_path: Path, texts: str) -> None:
    folder = write_tokenizer(tmp_path / "made", UNSERVED["bpe, no split"])
    with pytest.raises(InputError, match="no table serves"):
        compare(tokenizer=str(folder), texts=texts, text="text", rounds=2)
