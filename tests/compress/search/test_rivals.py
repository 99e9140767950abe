"""The linear models that a search's answer is compared with."""

from __future__ import annotations

from pathlib import Path

import pytest

from compress.search.rivals import RIVALS, made_rivals
from tests.compress.search.test_search import asked
from tests.compress.searching import write_recipe


def test_rivals_learn_labels_alone_and_never_test_rows(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def asked_teacher(*_: object) -> None:
        raise AssertionError("a rival asked the teacher")

    monkeypatch.setattr("compress.distill.rows.teacher_answers", asked_teacher)
    shop = asked(write_recipe(tmp_path), tmp_path / "out").workshop()
    made = dict(made_rivals(shop))
    assert list(made) == list(RIVALS)
    for model in made.values():
        assert model.format == "linear"
        assert shop.scores(model).metric > 0.9  # rows that it has learned
        assert model.provenance["data"]["test"] == 0
    word, both = made.values()
    assert word.size_mb < both.size_mb
