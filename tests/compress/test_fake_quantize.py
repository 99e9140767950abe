"""Fake quantization: what the real one does, with gradients, under the same names."""

from __future__ import annotations

from contextlib import nullcontext
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from compress import batches
from compress.compact import compact_vocabulary
from compress.distill.fake_quantize import (
    fake_quantize_input,
    fake_quantize_rows,
    fake_quantize_weight,
    quantization_aware,
)
from compress.models import load_model, load_tokenizer
from compress.quantize.embeddings import BLOCK, pack_rows
from compress.quantize.stage import Quantize
from compress.stage import Silence, execute
from compress.training import TrainPlan, fit, logits_of
from runtimes import agent
from tests.compress.exported import context as make_context
from tests.compress.exported import data, exported, trained
from tests.compress.models import encode, make_model


def _distance(left: NDArray[Any], right: NDArray[Any]) -> float:
    return float(np.sqrt(np.square(left - right).mean()))


def _examples(model: Any, texts: tuple[str, ...]) -> Any:
    artifact = trained()
    return batches.encode(load_tokenizer(artifact.path, artifact.max_length), texts, model.config)


@given(
    st.integers(1, 4), st.sampled_from([16, 40, 64]), st.sampled_from([4, 8]), st.integers(0, 99)
)
def test_rows_are_rounded_as_they_are_packed(rows: int, width: int, bits: int, seed: int) -> None:
    table = np.random.default_rng(seed).normal(size=(rows, width)).astype(np.float32)
    packed, scales = pack_rows(table, bits, BLOCK[bits])
    values = packed.astype(np.float32)
    if bits == 4:
        values = (
            np.stack([packed & 15, packed >> 4], axis=-1).reshape(rows, width).astype(np.float32)
        )
    steps = np.repeat(scales.astype(np.float32), BLOCK[bits], axis=1)[:, :width]
    found = fake_quantize_rows(torch.from_numpy(table), bits).numpy()
    assert np.allclose(found, (values - (1 << (bits - 1))) * steps, atol=1e-6)


@given(st.sampled_from([64, 127]), st.integers(0, 99))
def test_a_weight_is_rounded_within_half_a_step(largest: int, seed: int) -> None:
    weight = torch.randn(5, 12, generator=torch.Generator().manual_seed(seed))
    steps = weight.abs().amax(dim=1, keepdim=True) / largest
    assert ((fake_quantize_weight(weight, largest) - weight).abs() <= 0.501 * steps).all()


def test_each_text_has_an_input_range_of_its_own() -> None:
    texts = torch.stack([torch.rand(3, 8), 100 * torch.rand(3, 8)])
    assert (fake_quantize_input(texts)[0] - texts[0]).abs().max() < 1 / 255
    assert torch.equal(fake_quantize_input(torch.zeros(2, 4)), torch.zeros(2, 4))


@pytest.mark.parametrize("int8_dot", [False, True])
def test_logits_come_closer_to_those_of_the_quantized_file(tmp_path: Path, int8_dot: bool) -> None:
    context = make_context(int8_dot=int8_dot)
    made = execute(Quantize(embeddings="int4"), exported("onnx"), context, tmp_path / "result")
    bundle, model = agent.load(made.path), load_model(trained().path)
    texts = data().test.texts[:60]
    real = np.stack([bundle.logits(text) for text in texts])
    rows = _examples(model, texts)
    plain = logits_of(model, rows, batch_size=1)
    with quantization_aware(model, weight_bits=8 if int8_dot else 7):
        fake = logits_of(model, rows, batch_size=1)
    assert _distance(fake, real) < 0.5 * _distance(plain, real)


@pytest.mark.parametrize("model_type", ["bert", "distilbert", "deberta-v2"])
def test_gradients_flow_and_nothing_is_left_behind(tmp_path: Path, model_type: str) -> None:
    artifact = make_model(tmp_path, model_type)
    model: Any = load_model(artifact.path)
    inputs = encode(artifact, list(data().train.texts[:4]))
    names, before = list(model.state_dict()), model(**inputs).logits
    with quantization_aware(model, weight_bits=7):
        inside = model(**inputs).logits
        inside.logsumexp(dim=1).sum().backward()
        assert list(model.state_dict()) == names
    grads = {name: weight.grad for name, weight in model.named_parameters()}
    assert not torch.equal(inside, before)
    assert all(grad is not None and grad.isfinite().all() for grad in grads.values())
    assert model.get_input_embeddings().weight.grad.abs().sum() > 0
    assert torch.equal(model(**inputs).logits, before)


def _with_outliers() -> Any:
    """Return the trained model, computing the same from word embeddings that are hard to round."""
    model: Any = load_model(trained().path)
    with torch.no_grad():
        model.bert.embeddings.word_embeddings.weight[:, ::32] += 4
        model.bert.embeddings.position_embeddings.weight[:, ::32] -= 4
    return model


def _trained_on(model: Any, folder: Path, aware: bool) -> float:
    """Train for a few epochs and return the rounded model's validation loss."""
    rows = data()
    train, validation = (_examples(model, part.texts) for part in (rows.train, rows.validation))
    labels, targets = (np.array(part.labels) for part in (rows.train, rows.validation))

    def loss(output: Any, batch: Any) -> Any:
        return torch.nn.functional.cross_entropy(
            output.logits, torch.from_numpy(labels[batch.rows])
        )

    plan = TrainPlan(epochs=2, learning_rate=1e-3)
    with compact_vocabulary(model, train, validation) as (small, held_out):
        with quantization_aware(model, weight_bits=7) if aware else nullcontext():
            fit(
                model,
                small,
                (held_out, targets),
                loss,
                plan,
                scratch=folder,
                progress=Silence(),
                name="train",
            )
        with quantization_aware(model, weight_bits=7):
            logits = logits_of(model, held_out)
    return float(
        torch.nn.functional.cross_entropy(torch.from_numpy(logits), torch.from_numpy(targets))
    )


def test_training_with_it_recovers_what_four_bits_cost(tmp_path: Path) -> None:
    aware = _trained_on(_with_outliers(), tmp_path / "aware", aware=True)
    plain = _trained_on(_with_outliers(), tmp_path / "plain", aware=False)
    assert aware < 0.5 * plain
