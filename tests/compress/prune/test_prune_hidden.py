"""A narrower residual stream, and a shorter table of positions."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from compress.models.architectures import FULL, architecture, part
from compress.prune.hidden import hidden_width, prune_hidden
from compress.prune.slicing import cut_positions, head_counts, prune_heads
from runtimes.artifact import Artifact
from runtimes.errors import RecipeError
from tests.compress.text_models import load_model
from tests.compress.tiny_models import MAX_LENGTH, encode, make_data, make_model

TEXTS = list(make_data().test.inputs[:6])


@pytest.fixture(scope="module", params=list(FULL))
def artifact(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Artifact:
    return make_model(tmp_path_factory.mktemp("model"), request.param, layers=2)


def logits(model: Any, artifact: Artifact, texts: list[str] = TEXTS) -> Any:
    with torch.no_grad():
        return model(**encode(artifact, texts)).logits


def test_the_order_of_the_dimensions_says_nothing(artifact: Artifact) -> None:
    model = load_model(artifact.path)
    expected = logits(model, artifact)
    generator = np.random.default_rng(0)
    prune_hidden(model, generator.permutation(64), generator.permutation(64))
    torch.testing.assert_close(logits(model, artifact), expected, atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize("model_type", [name for name in FULL if name != "electra"])
def test_dimensions_that_repeat_others_can_go(tmp_path: Path, model_type: str) -> None:
    """Then mean and variance, which the norms divide by, stay as they were."""
    artifact = make_model(tmp_path / "model", model_type)
    model = load_model(artifact.path)
    parts = architecture(model_type)
    prune_hidden(model, np.tile(np.arange(32), 2), np.arange(64))
    with torch.no_grad():
        part(model, parts.head_out).weight[:, 32:] = 0
        expected = logits(model, artifact)
        for weight in readers(model):
            weight[:, :32] *= 2
    prune_hidden(model, np.arange(32), np.arange(32))
    torch.testing.assert_close(logits(model, artifact), expected, atol=1e-4, rtol=1e-3)


def readers(model: Any) -> list[Any]:
    """Return the weights that read the stream."""
    parts = architecture(model.config.model_type)
    inner = (parts.query, parts.key, parts.value, parts.ffn_in)
    layers = [part(layer, path) for layer in part(model, parts.layers) for path in inner]
    assert parts.head_in is not None
    return [linear.weight for linear in (part(model, parts.head_in), *layers)]


def test_heads_that_fill_the_new_width_make_a_plain_model(artifact: Artifact) -> None:
    model = load_model(artifact.path)
    prune_heads(model, [np.arange(3)] * 2)
    assert (model.config.edgepress_heads, head_counts(model)) == (3, (3, 16))
    prune_hidden(model, np.arange(48), np.arange(48))
    assert not hasattr(model.config, "edgepress_heads")
    assert not hasattr(model.config, "auto_map")
    assert head_counts(model) == (3, 16)
    assert logits(model, artifact).shape == (6, 3)


def test_heads_may_stay_as_they_are(artifact: Artifact) -> None:
    model = load_model(artifact.path)
    prune_hidden(model, np.arange(48), np.arange(48))
    assert model.config.edgepress_heads == 4
    assert head_counts(model) == (4, 16)
    assert logits(model, artifact).shape == (6, 3)


def test_a_width_is_whole_heads(artifact: Artifact) -> None:
    model = load_model(artifact.path)
    assert hidden_width(model, None) == (64, 4)
    assert hidden_width(model, 48) == (48, 3)
    for asked, near in ((50, 48), (128, 64), (8, 16)):
        with pytest.raises(RecipeError, match="head's width") as caught:
            hidden_width(model, asked)
        assert f"hidden = {near}" in str(caught.value.action)


def test_electra_keeps_its_projection(tmp_path: Path) -> None:
    model = load_model(make_model(tmp_path / "electra", "electra").path)
    with pytest.raises(RecipeError, match="embedding_size"):
        prune_hidden(model, np.arange(32), np.arange(32))


def test_unused_positions_go_and_no_text_is_answered_otherwise(artifact: Artifact) -> None:
    model = load_model(artifact.path)
    short = dataclasses.replace(artifact, max_length=9)
    texts = [" ".join(TEXTS)]
    expected = logits(model, short, texts)
    cut_positions(model, 9)
    rows = model.config.max_position_embeddings
    assert rows in (9, 11)  # RoBERTa and MPNet start at 2
    assert encode(short, texts)["input_ids"].shape == (1, 9)
    torch.testing.assert_close(logits(model, short, texts), expected)
    cut_positions(model, MAX_LENGTH)
    assert model.config.max_position_embeddings == rows
