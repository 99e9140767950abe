"""What a plan and a card say of a model whose answers are vectors."""

from __future__ import annotations

from pathlib import Path

import pytest

from compress.judge.evidence import row_counts
from compress.recipe import parse_recipe
from compress.release.card import card
from compress.run.plan import Plan, make_plan
from compress.search.control import teacher_saw_validation
from runtimes.errors import UnsupportedError
from tests.compress.tiny_tags import write_jsonl
from tests.compress.tiny_vectors import make_encoder, opened, topic_rows


def _plan(folder: Path, *kinds: str) -> Plan:
    write_jsonl(folder / "train.jsonl", topic_rows(90, 1))
    settings = {"finetune": {}, "distill": {"layers": 1}}
    content = {
        "schema": 1,
        "name": "vectors",
        "teacher": {"path": "encoder", "task": "sentence-embeddings"},
        "data": {"train": "train.jsonl"},
        "stage": [{"kind": kind, **settings[kind]} for kind in kinds],
    }
    return make_plan(parse_recipe(content, folder, "vectors.toml"), folder / "out")


def test_a_plan_counts_dimensions_and_labels_and_says_what_it_assumes(tmp_path: Path) -> None:
    folder = make_encoder(tmp_path / "encoder")
    plan = _plan(tmp_path, "distill")
    assert "64 dimensions" in plan.lines()[1]
    assert row_counts(plan.data, plan.teacher.task).classes == 3
    assert not teacher_saw_validation(plan)[0]
    assert not any("mean of all tokens" in warning for warning in plan.warnings)
    (folder / "modules.json").unlink()
    assert any("mean of all tokens" in said for said in _plan(tmp_path, "distill").warnings)
    with pytest.raises(UnsupportedError, match="no contrastive loss") as caught:
        _plan(tmp_path, "finetune", "distill")
    assert "distill it" in str(caught.value.action)


def test_a_card_does_not_list_dimensions(tmp_path: Path) -> None:
    said = card(opened(make_encoder(tmp_path / "encoder", layers=1)))
    assert "A vector of 64 dimensions." in said
    assert "## Labels" not in said
