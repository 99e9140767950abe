"""Importance is a gradient: compared with finite differences, and with its purpose."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from compress.models.architectures import FULL, architecture, part
from compress.prune.importance import (
    Importance,
    _masks,
    fisher_importance,
    retained_share,
    strongest,
)
from compress.prune.slicing import prune_ffn
from compress.training.batches import Encoded
from runtimes.artifact import Artifact
from runtimes.tokenizing import load_tokenizer
from tests.compress.text_models import TASK, encode, load_model, logits_of
from tests.compress.tiny_models import make_data, make_model, make_trained_model

DATA = make_data()


def rows_of(artifact: Artifact, model: Any, count: int) -> Encoded:
    tokenizer = load_tokenizer(artifact.path, artifact.max_length)
    return encode(tokenizer, DATA.train.inputs[:count], model.config)


def importance_of(model: Any, rows: Encoded, seed: int = 0) -> Importance:
    return fisher_importance(model, rows, TASK, seed, lambda units, note: None)


@pytest.mark.parametrize("model_type", FULL)
def test_importance_has_a_figure_for_every_unit(tmp_path: Path, model_type: str) -> None:
    artifact = make_model(tmp_path / "model", model_type, layers=3)
    model = load_model(artifact.path)
    before = {name: weight.clone() for name, weight in model.state_dict().items()}
    rows = rows_of(artifact, model, 40)
    importance, again = importance_of(model, rows), importance_of(model, rows)
    assert importance.heads.shape == (3, 4)
    assert importance.ffn.shape == (3, 128)
    assert importance.stream.shape == importance.head.shape == (64,)
    assert (importance.stream > 0).all()
    assert (importance.heads > 0).all()
    np.testing.assert_array_equal(importance.ffn, again.ffn)
    np.testing.assert_array_equal(importance.heads, again.heads)
    assert all(torch.equal(weight, before[name]) for name, weight in model.state_dict().items())
    assert all(weight.requires_grad and weight.grad is None for weight in model.parameters())
    assert not any(module._forward_pre_hooks for module in model.modules())


def test_a_unit_that_says_nothing_has_no_importance(tmp_path: Path) -> None:
    artifact = make_model(tmp_path / "model")
    model = load_model(artifact.path)
    parts = architecture("bert")
    with torch.no_grad():
        part(model, f"{parts.layers}.1.{parts.ffn_out}").weight[:, 5] = 0
        part(model, f"{parts.layers}.0.{parts.attention_output}").weight[:, 16:32] = 0
        part(model, parts.head_out).weight[:, 7] = 0
    importance = importance_of(model, rows_of(artifact, model, 20))
    assert importance.ffn[1, 5] == 0
    assert importance.head[7] == 0
    assert importance.heads[0, 1] == 0
    assert (importance.ffn[0] > 0).all()


def test_masks_carry_each_rows_own_gradient(tmp_path: Path) -> None:
    artifact = make_model(tmp_path / "model")
    model = load_model(artifact.path).double()
    batch = rows_of(artifact, model, 3).collate(np.arange(3))
    step = 2.0**-10  # exact in the masks' fp32

    def value(row: int, shift: float) -> Any:
        with _masks(model, 3, 4) as fresh:
            fresh[2].data[row, 1] += shift
            return model(**batch.inputs).logits.sum(dim=1)

    with _masks(model, 3, 4) as fresh:
        gradient = torch.autograd.grad(model(**batch.inputs).logits.sum(), fresh[2])[0]
    for row in range(3):
        numeric = (value(row, step) - value(row, -step)) / (2 * step)
        assert numeric[row].item() == pytest.approx(gradient[row, 1].item(), rel=1e-3, abs=1e-6)
        others = [other for other in range(3) if other != row]
        assert numeric[others].abs().max().item() == pytest.approx(0, abs=1e-7)


@pytest.mark.parametrize("model_type", ["bert", "electra"])
def test_the_streams_mask_is_wherever_it_is_normalized(tmp_path: Path, model_type: str) -> None:
    artifact = make_model(tmp_path / "model", model_type, layers=1)
    model = load_model(artifact.path)
    inputs = rows_of(artifact, model, 3).collate(np.arange(3)).inputs
    with _masks(model, 3, 4) as masks, torch.no_grad():
        masks[0][1] = 0
        states = model(**inputs, output_hidden_states=True).hidden_states
    assert [state.shape[-1] for state in states] == [64, 64]
    assert all((state[1] == 0).all() and (state[0] != 0).any() for state in states)


def test_strong_units_hold_the_accuracy_that_weak_ones_lose(tmp_path: Path) -> None:
    artifact = make_trained_model(tmp_path / "model", data=DATA)
    model = load_model(artifact.path)
    importance = importance_of(model, rows_of(artifact, model, 200)).ffn
    agreement = []
    for ranks in (importance, -importance):
        pruned = load_model(artifact.path)
        prune_ffn(pruned, strongest(ranks, 16))
        test = encode(
            load_tokenizer(artifact.path, artifact.max_length), DATA.test.inputs, model.config
        )
        drift = np.abs(logits_of(pruned, test) - logits_of(model, test)).mean()
        agreement.append(float(drift))
    assert agreement[0] < 0.5 * agreement[1]


def test_the_strongest_are_in_ascending_order_and_ties_go_low() -> None:
    importance = np.array([[1.0, 5.0, 3.0, 3.0], [0.0, 0.0, 9.0, 0.0]])
    assert [units.tolist() for units in strongest(importance, 2)] == [[1, 2], [0, 2]]
    same = strongest(importance, 2, same=True)
    assert [units.tolist() for units in same] == [[1, 2], [1, 2]]


def test_retained_share_is_of_the_whole() -> None:
    importance = np.array([[1.0, 3.0], [2.0, 2.0]])
    assert retained_share(importance, [np.array([1]), np.array([0])]) == pytest.approx(5 / 8)
    assert retained_share(np.zeros((1, 2)), [np.array([0])]) == 1.0
