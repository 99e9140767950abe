"""Training on the used embeddings equals training on all of them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from compress.progress import Silence
from compress.training.batches import Encoded
from compress.training.compact import compact_vocabulary
from compress.training.loop import TrainPlan, fit
from runtimes.artifact import Artifact
from runtimes.tokenizing import load_tokenizer
from tests.compress.text_models import TASK, encode, load_model, logits_of
from tests.compress.tiny_models import MODEL_TYPES, make_data, make_model

DATA = make_data()
TEXTS = DATA.train.inputs[:8]


@pytest.fixture(scope="module")
def sources(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Artifact]:
    folder = tmp_path_factory.mktemp("models")
    return {name: make_model(folder / name, name, layers=1) for name in MODEL_TYPES}


def opened(source: Artifact) -> tuple[Any, Encoded]:
    model = load_model(source.path)
    tokenizer = load_tokenizer(source.path, source.max_length)
    return model, encode(tokenizer, TEXTS, model.config)


@pytest.mark.parametrize("model_type", MODEL_TYPES)
def test_the_same_answers_from_fewer_rows(sources: dict[str, Artifact], model_type: str) -> None:
    model, rows = opened(sources[model_type])
    whole = model.get_input_embeddings()
    before = whole.weight.detach().clone()
    expected = logits_of(model, rows)
    with compact_vocabulary(model, rows) as (small,):
        assert model.get_input_embeddings().num_embeddings < whole.num_embeddings
        np.testing.assert_array_equal(logits_of(model, small), expected)
    assert model.get_input_embeddings() is whole
    assert torch.equal(whole.weight, before)
    np.testing.assert_array_equal(logits_of(model, rows), expected)


@pytest.mark.parametrize("model_type", ["bert", "roberta", "modernbert"])
def test_training_gives_the_weights_that_the_whole_vocabulary_gives(
    sources: dict[str, Artifact], model_type: str, tmp_path: Path
) -> None:
    labels = torch.tensor(DATA.train.targets[: len(TEXTS)])
    plan = TrainPlan(epochs=2, learning_rate=1e-3, batch_size=4, weight_decay=0.0)

    def train(model: torch.nn.Module, rows: Encoded, name: str) -> None:
        fit(
            model,
            rows,
            (rows, labels.tolist()),
            lambda output, batch: F.cross_entropy(output.logits, labels[batch.rows]),
            plan,
            task=TASK,
            labels=DATA.labels,
            scratch=tmp_path / name,
            progress=Silence(),
            name=name,
        )

    whole, rows = opened(sources[model_type])
    start = {name: value.clone() for name, value in whole.state_dict().items()}
    train(whole, rows, "whole")
    compact, _ = opened(sources[model_type])
    with compact_vocabulary(compact, rows) as (small,):
        train(compact, small, "compact")
    for name, value in compact.state_dict().items():
        torch.testing.assert_close(value, whole.state_dict()[name], rtol=1e-4, atol=1e-6)
    assert any(not torch.equal(value, start[name]) for name, value in whole.state_dict().items())


def test_rows_that_no_text_uses_keep_every_bit_and_the_others_learn(
    sources: dict[str, Artifact], tmp_path: Path
) -> None:
    model, rows = opened(sources["bert"])
    whole = model.get_input_embeddings()
    before = whole.weight.detach().clone()
    used = np.unique(np.concatenate(rows.ids))
    labels = torch.tensor(DATA.train.targets[: len(TEXTS)])
    with compact_vocabulary(model, rows) as (small,):
        fit(
            model,
            small,
            (small, labels.tolist()),
            lambda output, batch: F.cross_entropy(output.logits, labels[batch.rows]),
            TrainPlan(epochs=1, learning_rate=1e-3, weight_decay=0.5),
            task=TASK,
            labels=DATA.labels,
            scratch=tmp_path,
            progress=Silence(),
            name="x",
        )
    unused = np.setdiff1d(np.arange(len(before)), used)
    assert torch.equal(whole.weight[unused], before[unused])
    assert (whole.weight[used] != before[used]).any(dim=1).all()


def test_a_failed_training_leaves_the_model_whole(sources: dict[str, Artifact]) -> None:
    model, rows = opened(sources["bert"])
    whole = model.get_input_embeddings()

    def fail() -> None:
        with compact_vocabulary(model, rows):
            raise RuntimeError("stop")

    with pytest.raises(RuntimeError, match="stop"):
        fail()
    assert model.get_input_embeddings() is whole
