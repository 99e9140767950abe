"""Training on the first token alone computes the same as training on all tokens."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

from compress.distill.first_token import first_token_only
from compress.models.architectures import FULL
from runtimes.tokenizing import load_tokenizer
from tests.compress.text_models import encode, load_model
from tests.compress.tiny_models import make_data, make_model

TEXTS = make_data().train.inputs[:6]


def results(folder: Path, *, first: bool) -> tuple[torch.Tensor, dict[str, torch.Tensor], Any]:
    """Return the logits, every parameter's gradient and the last states of six texts."""
    model = load_model(folder).eval()
    texts = encode(load_tokenizer(folder, 64), TEXTS, model.config)
    inputs = texts.collate(torch.arange(len(TEXTS)).numpy()).inputs
    context = first_token_only(model) if first else torch.enable_grad()
    with context:
        output = model(**inputs, output_hidden_states=True)
        output.logits.square().sum().backward()
    gradients = {
        name: parameter.grad
        for name, parameter in model.named_parameters()
        if parameter.grad is not None
    }
    return output.logits.detach(), gradients, output.hidden_states[-1]


@pytest.mark.parametrize("model_type", sorted(FULL))
def test_logits_and_gradients_are_the_same(model_type: str, tmp_path: Path) -> None:
    folder = make_model(tmp_path / "model", model_type).path
    logits, gradients, states = results(folder, first=False)
    first_logits, shorter, state = results(folder, first=True)
    torch.testing.assert_close(first_logits, logits)
    assert shorter.keys() == gradients.keys()
    for name, gradient in gradients.items():
        torch.testing.assert_close(shorter[name], gradient, rtol=1e-3, atol=1e-5, msg=name)
    assert states.shape[1] > 1
    assert state.shape[1] == 1


def test_the_model_is_whole_again_afterwards(tmp_path: Path) -> None:
    model = load_model(make_model(tmp_path / "model", "bert").path).eval()
    ids = torch.tensor([[2, 5, 6, 3]])
    with first_token_only(model):
        pass
    assert model(input_ids=ids, output_hidden_states=True).hidden_states[-1].shape[1] == 4


def test_an_unknown_architecture_is_left_alone(tmp_path: Path) -> None:
    model = load_model(make_model(tmp_path / "model", "albert").path).eval()
    ids = torch.tensor([[2, 5, 6, 3]])
    with first_token_only(model):
        states = model(input_ids=ids, output_hidden_states=True).hidden_states[-1]
    assert states.shape[1] == 4
