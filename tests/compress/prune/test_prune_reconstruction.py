"""The remaining weights of a pruned model compensate for the removed ones."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from compress.models.architectures import FULL, architecture, part
from compress.prune.reconstruction import _TOKENS, _first_tokens, reconstruct
from compress.prune.slicing import prune_ffn, prune_heads
from compress.training.batches import Encoded
from runtimes.artifact import Artifact
from runtimes.tokenizing import load_tokenizer
from tests.compress.text_models import encode, load_model, logits_of
from tests.compress.tiny_models import make_data, make_model

DATA = make_data()


@pytest.fixture(scope="module", params=list(FULL))
def artifact(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Artifact:
    return make_model(tmp_path_factory.mktemp("model"), request.param, layers=2)


def rows_of(artifact: Artifact, model: Any, texts: tuple[str, ...]) -> Encoded:
    return encode(load_tokenizer(artifact.path, artifact.max_length), texts, model.config)


def refit(cut: Any, whole: Any, rows: Encoded) -> None:
    reconstruct(cut, whole, rows, lambda units, note: None)


def test_a_refit_model_is_nearer_to_the_whole_one_on_other_rows(artifact: Artifact) -> None:
    whole = load_model(artifact.path)
    seen, unseen = (rows_of(artifact, whole, split.inputs) for split in (DATA.train, DATA.test))
    cut = copy.deepcopy(whole)
    prune_ffn(cut, [np.arange(64)] * 2)
    prune_heads(cut, [np.arange(3)] * 2)
    expected = logits_of(whole, unseen)
    before = np.square(logits_of(cut, unseen) - expected).mean()
    refit(cut, whole, seen)
    after = np.square(logits_of(cut, unseen) - expected).mean()
    assert after < 0.5 * before
    assert not any(m._forward_hooks or m._forward_pre_hooks for m in (*cut.modules(),))


def test_units_that_others_can_replace_are_made_up_for(tmp_path: Path) -> None:
    artifact = make_model(tmp_path / "model", ffn=64)
    whole = load_model(artifact.path)
    parts = architecture("bert")
    with torch.no_grad():
        for layer in part(whole, parts.layers):
            for name in ("weight", "bias"):
                units = getattr(part(layer, parts.ffn_in), name)
                units[32:] = units[:32]  # the same units twice, written differently
    rows = rows_of(artifact, whole, DATA.train.inputs)
    cut = copy.deepcopy(whole)
    prune_ffn(cut, [np.arange(32)] * 2)
    expected = logits_of(whole, rows)
    before = np.abs(logits_of(cut, rows) - expected).mean()
    refit(cut, whole, rows)
    assert np.abs(logits_of(cut, rows) - expected).mean() < 0.1 * before


def test_what_was_not_cut_stays(artifact: Artifact) -> None:
    whole = load_model(artifact.path)
    rows = rows_of(artifact, whole, DATA.train.inputs[:40])
    cut = copy.deepcopy(whole)
    prune_ffn(cut, [np.arange(64)] * 2)
    before = {name: weight.clone() for name, weight in cut.named_parameters()}
    refit(cut, whole, rows)
    parts = architecture(artifact.model_type)
    changed = {name for name, weight in cut.named_parameters() if (weight != before[name]).any()}
    assert changed == {
        f"{parts.layers}.{number}.{parts.ffn_out}.{kind}"
        for number in range(2)
        for kind in ("weight", "bias")
    }


def test_long_rows_are_fewer_rows() -> None:
    rows = Encoded((np.zeros(20_000, np.int64),) * 3, ("input_ids",), 0)
    assert _TOKENS // 20_000 == len(_first_tokens(rows)) == 1
    short = Encoded((np.zeros(10, np.int64),) * 3, ("input_ids",), 0)
    assert _first_tokens(short) == short
    assert len(_first_tokens(Encoded((np.zeros(50_000, np.int64),), ("input_ids",), 0))) == 1
