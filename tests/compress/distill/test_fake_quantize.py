"""Fake quantization computes the same as the real one, with gradients and the same names."""

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

from compress.distill.fake_quantize import (
    one_token_layers,
    quantization_aware,
    round_blocks,
)
from compress.export.stage import Export
from compress.graph.onnx_graph import load_onnx
from compress.models.architectures import FULL
from compress.models.feeds import ExampleFeeds
from compress.progress import Silence
from compress.quantize.embeddings import BLOCK, pack_rows
from compress.quantize.one_token import one_token_products
from compress.quantize.stage import Quantize
from compress.stage import execute
from compress.training import batches
from compress.training.compact import compact_vocabulary
from compress.training.loop import TrainPlan, fit
from runtimes.predict import open_predictor
from runtimes.tokenizing import load_tokenizer
from tests.compress.exported import context as make_context
from tests.compress.exported import data, trained
from tests.compress.text_models import TASK, load_model, logits_of
from tests.compress.tiny_models import encode, make_model

BLOCKS = {"embedding_block": BLOCK[4], "weight_block": 32}


def _distance(left: NDArray[Any], right: NDArray[Any]) -> float:
    return float(np.sqrt(np.square(left - right).mean()))


def _examples(model: Any, texts: tuple[str, ...]) -> Any:
    artifact = trained()
    tokenizer = load_tokenizer(artifact.path, artifact.max_length)
    return batches.encode(tokenizer, texts, model.config, TASK)


@given(st.integers(1, 4), st.sampled_from([16, 40, 64]), st.integers(0, 99))
def test_rows_are_rounded_as_they_are_packed(rows: int, width: int, seed: int) -> None:
    table = np.random.default_rng(seed).normal(size=(rows, width)).astype(np.float32)
    packed, scales = pack_rows(table, 4, BLOCK[4])
    values = np.stack([packed & 15, packed >> 4], axis=-1).reshape(rows, width).astype(np.float32)
    steps = np.repeat(scales.astype(np.float32), BLOCK[4], axis=1)[:, :width]
    rounded = round_blocks(torch.from_numpy(table), BLOCK[4], fp16_scales=True).numpy()
    assert np.allclose(rounded, (values - 8) * steps, atol=1e-6)


def test_zeros_stay_zeros() -> None:
    assert torch.equal(round_blocks(torch.zeros(2, 40), 32), torch.zeros(2, 40))


def test_logits_come_closer_to_those_of_the_quantized_file(tmp_path: Path) -> None:
    """Uses a random model: in a trained one, rounding the activations has a larger effect."""
    artifact = make_model(tmp_path / "model")
    context = make_context(int8_dot=True)
    onnx = execute(Export(), artifact, context, tmp_path / "onnx")
    stage = Quantize(embeddings="int4", weights="int4", block_size=32)
    made = execute(stage, onnx, context, tmp_path / "result")
    bundle, model = open_predictor(made.path), load_model(artifact.path)
    texts = data().test.inputs[:60]
    real = np.stack([bundle.answer(text) for text in texts])
    rows = _examples(model, texts)
    distances = {}
    for name, blocks in {
        "plain": {},
        "embeddings": {"embedding_block": BLOCK[4]},
        "both": BLOCKS,
    }.items():
        with quantization_aware(model, **blocks):
            distances[name] = _distance(logits_of(model, rows, batch_size=1), real)
    assert distances["both"] < 0.8 * min(distances["plain"], distances["embeddings"]), distances


@pytest.mark.parametrize(
    "model_type",
    ["bert", *(pytest.param(name, marks=pytest.mark.slow) for name in FULL if name != "bert")],
)
def test_the_layers_that_see_one_token_are_those_that_the_file_narrows(
    tmp_path: Path, model_type: str
) -> None:
    artifact = make_model(tmp_path / "model", model_type)
    onnx = execute(Export(), artifact, make_context(), tmp_path / "onnx")
    narrow = one_token_products(load_onnx(onnx.model_file), ExampleFeeds.of(onnx).draw(1, 8))
    assert len(one_token_layers(load_model(artifact.path))) == len(narrow.inner)


@pytest.mark.parametrize("model_type", ["bert", "distilbert", "deberta-v2"])
def test_gradients_flow_and_nothing_is_left_behind(tmp_path: Path, model_type: str) -> None:
    artifact = make_model(tmp_path, model_type)
    model: Any = load_model(artifact.path)
    inputs = encode(artifact, list(data().train.inputs[:4]))
    names, before = list(model.state_dict()), model(**inputs).logits
    with quantization_aware(model, **BLOCKS):
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
    train, validation = (_examples(model, part.inputs) for part in (rows.train, rows.validation))
    labels, targets = (np.array(part.targets) for part in (rows.train, rows.validation))

    def loss(output: Any, batch: Any) -> Any:
        return torch.nn.functional.cross_entropy(
            output.logits, torch.from_numpy(labels[batch.rows])
        )

    plan = TrainPlan(epochs=2, learning_rate=1e-3)
    with compact_vocabulary(model, train, validation) as (small, held_out):
        with quantization_aware(model, **BLOCKS) if aware else nullcontext():
            fit(
                model,
                small,
                (held_out, targets.tolist()),
                loss,
                plan,
                task=TASK,
                labels=rows.labels,
                scratch=folder,
                progress=Silence(),
                name="train",
            )
        with quantization_aware(model, **BLOCKS):
            logits = logits_of(model, held_out)
    return float(
        torch.nn.functional.cross_entropy(torch.from_numpy(logits), torch.from_numpy(targets))
    )


def test_training_with_it_recovers_what_four_bits_cost(tmp_path: Path) -> None:
    aware = _trained_on(_with_outliers(), tmp_path / "aware", aware=True)
    plain = _trained_on(_with_outliers(), tmp_path / "plain", aware=False)
    assert aware < 0.5 * plain
