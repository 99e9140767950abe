"""The table of architectures agrees with the models that transformers builds."""

from __future__ import annotations

from pathlib import Path

import pytest

from compress.models.architectures import FULL, PARTIAL, architecture, part, require, supports
from runtimes.errors import UnsupportedError
from tests.absent import needs
from tests.compress.text_models import load_model
from tests.compress.tiny_models import MODEL_TYPES, make_model


@pytest.mark.parametrize("model_type", FULL)
def test_every_path_and_key_is_the_models_own(tmp_path: Path, model_type: str) -> None:
    artifact = make_model(tmp_path / model_type, model_type, layers=3, hidden=48, ffn=80)
    model = load_model(artifact.path)
    parts = architecture(model_type)
    assert parts.model_type == model_type
    assert getattr(model, parts.base) is model.base_model
    assert len(part(model, parts.layers)) == getattr(model.config, parts.config_layers) == 3
    assert getattr(model.config, parts.config_heads) == 4
    assert getattr(model.config, parts.config_ffn) == 80
    assert part(model, parts.word_embeddings).num_embeddings == model.config.vocab_size
    assert part(model, parts.embeddings).word_embeddings is part(model, parts.word_embeddings)
    assert parts.head_in is not None
    assert part(model, parts.head_in).weight.shape == (48, 48)
    assert part(model, parts.head_out).weight.shape == (model.config.num_labels, 48)
    for layer in part(model, parts.layers):
        for path in (parts.query, parts.key, parts.value, parts.attention_output):
            assert part(layer, path).weight.shape == (48, 48)
        assert part(layer, parts.ffn_in).weight.shape == (80, 48)
        assert part(layer, parts.ffn_out).weight.shape == (48, 80)


@pytest.mark.parametrize("model_type", FULL)
def test_a_shared_position_bias_is_known(tmp_path: Path, model_type: str) -> None:
    model = load_model(make_model(tmp_path / model_type, model_type).path)
    names = [name for name, _ in model.named_modules() if "relative_attention_bias" in name]
    expected = architecture(model_type).position_bias
    assert names == ([expected] if expected else [])


@pytest.mark.parametrize("model_type", FULL)
def test_the_shipped_modeling_file_resizes_the_same_parts(tmp_path: Path, model_type: str) -> None:
    model = load_model(make_model(tmp_path / model_type, model_type).path)
    from compress.models.modeling_edgepress import resize_heads

    before = {name: weight.shape for name, weight in model.named_parameters()}
    resize_heads(model, 2)
    changed = {name for name, weight in model.named_parameters() if weight.shape != before[name]}
    parts = architecture(model_type)
    expected = {
        f"{parts.layers}.{layer}.{name}"
        for layer in range(2)
        for name in (
            *(f"{path}.{kind}" for path in (parts.query, parts.key, parts.value)
              for kind in ("weight", "bias")),
            f"{parts.attention_output}.weight",
        )
    }  # fmt: skip
    expected |= {f"{parts.position_bias}.weight"} if parts.position_bias else set()
    assert changed == expected


def test_the_shipped_modeling_file_knows_every_full_architecture() -> None:
    needs("torch")
    from compress.models.modeling_edgepress import PRUNED

    for classes in PRUNED.values():
        assert classes.keys() == FULL.keys()


def test_the_table_is_what_the_tests_build() -> None:
    assert set(MODEL_TYPES) == {*FULL, *PARTIAL}
    assert not FULL.keys() & PARTIAL.keys()


def test_support_follows_the_table() -> None:
    assert supports("mpnet", "prune")
    assert supports("albert", "export")
    assert not supports("albert", "prune")
    assert not supports("t5", "export")
    require("bert", "distill")


def test_an_unknown_architecture_is_refused_with_those_that_would_do() -> None:
    with pytest.raises(UnsupportedError) as caught:
        require("albert", "prune")
    assert "'albert'" in caught.value.received
    assert "distilbert" in str(caught.value.available)
    with pytest.raises(UnsupportedError):
        architecture("t5")
