"""Removing a unit equals setting it to zero."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from compress.models.architectures import FULL, architecture, part
from compress.models.layers import evenly_spaced, keep_layers
from compress.prune.slicing import ffn_width, head_count, head_counts, prune_ffn, prune_heads
from runtimes.artifact import Artifact
from runtimes.errors import RecipeError
from tests.compress.text_models import load_model
from tests.compress.tiny_models import encode, make_data, make_model

TEXTS = list(make_data().test.inputs[:6])


@pytest.fixture(scope="module", params=list(FULL))
def artifact(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Artifact:
    return make_model(tmp_path_factory.mktemp("model"), request.param, layers=3)


def logits(model: Any, artifact: Artifact) -> Any:
    with torch.no_grad():
        return model(**encode(artifact, TEXTS)).logits


def multiply_by(mask: Any) -> Any:
    return lambda _, inputs: (inputs[0] * mask, *inputs[1:])


@contextmanager
def silenced(model: Any, path: str, kept: list[Any], width: int) -> Iterator[None]:
    """Zero all inputs of each layer's `path` but those of the kept units."""
    parts = architecture(model.config.model_type)
    hooks = []
    for layer, units in zip(part(model, parts.layers), kept, strict=True):
        linear = part(layer, path)
        mask = torch.zeros(linear.in_features // width, width)
        mask[torch.from_numpy(units)] = 1

        hooks.append(linear.register_forward_pre_hook(multiply_by(mask.flatten())))
    yield
    for hook in hooks:
        hook.remove()


def test_a_sliced_ffn_answers_as_the_masked_one(artifact: Artifact) -> None:
    model = load_model(artifact.path)
    kept = [np.sort(np.random.default_rng(n).permutation(128)[:40]) for n in range(3)]
    with silenced(model, architecture(artifact.model_type).ffn_out, kept, 1):
        expected = logits(model, artifact)
    whole = logits(model, artifact)
    prune_ffn(model, kept)
    torch.testing.assert_close(logits(model, artifact), expected, atol=1e-5, rtol=1e-4)
    assert not torch.allclose(whole, expected, atol=1e-4)
    assert getattr(model.config, architecture(artifact.model_type).config_ffn) == 40


def test_sliced_heads_answer_as_masked_ones(artifact: Artifact) -> None:
    model = load_model(artifact.path)
    kept = [np.array([0, 3])] * 3
    if artifact.model_type != "mpnet":
        kept = [np.array([0, 3]), np.array([1, 2]), np.array([2, 3])]
    with silenced(model, architecture(artifact.model_type).attention_output, kept, 16):
        expected = logits(model, artifact)
    whole = logits(model, artifact)
    prune_heads(model, kept)
    torch.testing.assert_close(logits(model, artifact), expected, atol=1e-5, rtol=1e-4)
    assert not torch.allclose(whole, expected, atol=1e-4)
    assert head_counts(model) == (2, 16)


def test_heads_can_be_pruned_again(artifact: Artifact) -> None:
    once, twice = load_model(artifact.path), load_model(artifact.path)
    prune_heads(once, [np.array([3])] * 3)
    prune_heads(twice, [np.array([1, 3])] * 3)
    prune_heads(twice, [np.array([1])] * 3)
    torch.testing.assert_close(logits(twice, artifact), logits(once, artifact))


def test_kept_layers_run_in_their_order(artifact: Artifact) -> None:
    model = load_model(artifact.path)
    parts = architecture(artifact.model_type)
    wanted = [part(model, parts.layers)[index] for index in (0, 2)]
    keep_layers(model, (0, 2))
    assert list(part(model, parts.layers)) == wanted
    assert model.config.num_hidden_layers == 2
    assert logits(model, artifact).shape == (6, 3)


@pytest.mark.parametrize(
    ("total", "keep", "expected"),
    [(6, 3, (1, 3, 5)), (6, 2, (2, 5)), (6, 1, (5,)), (12, 4, (2, 5, 8, 11)), (3, 3, (0, 1, 2))],
)
def test_layers_are_evenly_spaced(total: int, keep: int, expected: tuple[int, ...]) -> None:
    assert evenly_spaced(total, keep) == expected


@given(st.integers(1, 48).flatmap(lambda total: st.tuples(st.just(total), st.integers(1, total))))
def test_spaced_layers_rise_to_the_last(sizes: tuple[int, int]) -> None:
    total, keep = sizes
    layers = evenly_spaced(total, keep)
    assert len(layers) == keep
    assert layers[-1] == total - 1
    gaps = np.diff((-1, *layers))
    assert gaps.min() >= 1
    assert gaps.max() - gaps.min() <= 1


@pytest.mark.parametrize("keep", [0, 7])
def test_more_layers_than_there_are_is_an_error(keep: int) -> None:
    with pytest.raises(RecipeError, match="the model has 6 layers"):
        evenly_spaced(6, keep)


@given(st.integers(1, 8192), st.floats(0, 0.95))
def test_ffn_widths_are_whole_multiples_where_wide_enough(width: int, share: float) -> None:
    kept = ffn_width(width, share)
    assert 1 <= kept <= width
    if width >= 256:
        assert kept % 32 == 0 or kept == width
        assert abs(kept - width * (1 - share)) <= 32


@given(st.integers(1, 32), st.floats(0, 0.95))
def test_at_least_one_head_stays(heads: int, share: float) -> None:
    assert 1 <= head_count(heads, share) <= heads
