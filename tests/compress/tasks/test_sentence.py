"""Sentence-transformers folders: their modules are read, and their vectors are theirs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from compress.answers.folder import folder_answers
from compress.data.dataset import no_rows
from compress.export.stage import Export
from compress.models.teacher import import_model, open_model
from compress.models.torch_model import load_model
from compress.stage import RunContext, execute
from compress.tasks.sentence import assumed
from runtimes.errors import EdgepressError
from runtimes.tokenizing import load_tokenizer
from tests.compress.tiny_vectors import make_encoder, opened, write

TEXTS = ("hi", "where is my refund", "thanks " * 30, "the screen is broken " * 40)
DENSE = {"in_features": 64, "out_features": 24, "bias": True}


def _expected(folder: Path, text: str, pooling: str, normalize: bool, dense: Any) -> Any:
    """Return what transformers, a pooling and torch make of a text."""
    from safetensors.torch import load_file
    from transformers import AutoModel

    network = AutoModel.from_pretrained(folder, local_files_only=True).eval()
    row = load_tokenizer(folder, 48).encode(text)
    given = {"input_ids": row.ids, "attention_mask": row.attention_mask}
    with torch.inference_mode():
        states = network(**{k: torch.tensor([v]) for k, v in given.items()}).last_hidden_state[0]
        vector = {"mean": states.mean(0), "cls": states[0], "max": states.amax(0)}[pooling]
        if dense:
            weights = load_file(folder / "2_Dense" / "model.safetensors")
            vector = weights["linear.weight"] @ vector + weights.get("linear.bias", 0)
            vector = torch.tanh(vector) if dense["activation_function"].endswith("Tanh") else vector
        return (vector / vector.norm() if normalize else vector).numpy()


@pytest.mark.parametrize(
    ("pooling", "normalize", "activation"),
    [
        ("mean", True, None),
        ("cls", False, None),
        ("max", True, None),
        ("mean", True, "torch.nn.modules.linear.Identity"),
        ("cls", False, "torch.nn.modules.activation.Tanh"),
        ("max", True, "torch.nn.modules.linear.Identity"),
    ],
)
def test_the_exported_graph_returns_what_the_modules_say(
    pooling: str, normalize: bool, activation: str | None, tmp_path: Path
) -> None:
    dense = None if activation is None else {**DENSE, "activation_function": activation}
    if dense and pooling == "max":
        dense["bias"] = False
    folder = make_encoder(
        tmp_path / "model", pooling=pooling, normalize=normalize, dense=dense, layers=1
    )
    source = opened(folder)
    assert source.max_length == 48
    assert source.labels == tuple(map(str, range(24 if dense else 64)))
    imported = import_model(source, tmp_path / "imported")
    context = RunContext(no_rows(source.labels), None, 7, tmp_path / "work")
    made = execute(Export(format="onnx"), imported, context, tmp_path / "onnx")
    assert [(one.name, one.shape) for one in made.outputs] == [
        ("embedding", ("batch", len(source.labels)))
    ]
    for text, answer in zip(TEXTS, folder_answers(made, made.path, TEXTS), strict=True):
        expected = _expected(folder, text, pooling, normalize, dense)
        np.testing.assert_allclose(answer, expected, atol=1e-4)


@pytest.mark.parametrize(
    ("file", "content", "said"),
    [
        ("1_Pooling/config.json", {"pooling_mode_lasttoken": True}, "lasttoken"),
        (
            "1_Pooling/config.json",
            {"pooling_mode_cls_token": True, "pooling_mode_max_tokens": True},
            "cls and max",
        ),
        ("1_Pooling/config.json", {}, "no kind"),
        ("modules.json", [{"type": "x.Transformer", "path": "0"}], "modules"),
        ("modules.json", {"type": "x.Transformer"}, "no list"),
        ("sentence_bert_config.json", {"do_lower_case": True}, "do_lower_case"),
        ("config_sentence_transformers.json", {"default_prompt_name": "query"}, "prompt"),
    ],
)
def test_modules_that_edgepress_does_not_have_are_refused(
    file: str, content: Any, said: str, tmp_path: Path
) -> None:
    folder = make_encoder(tmp_path / "model", layers=1)
    write(folder / file, content)
    with pytest.raises(EdgepressError, match=said) as caught:
        opened(folder)
    assert caught.value.action


@pytest.mark.parametrize("content", ["[{", "{}", "[1]", '[{"type": "a.Pooling"}]'])
def test_a_damaged_list_of_modules_is_said_in_a_line(tmp_path: Path, content: str) -> None:
    make_encoder(tmp_path)
    (tmp_path / "modules.json").write_text(content, encoding="utf-8")
    with pytest.raises(EdgepressError, match="modules"):
        opened(tmp_path)


def test_a_plain_encoder_says_what_is_assumed(tmp_path: Path) -> None:
    folder = make_encoder(tmp_path / "model", layers=1)
    assert assumed(opened(folder)) == []
    (folder / "modules.json").unlink()
    (said,) = assumed(opened(folder))
    assert "mean of all tokens" in said
    assert assumed(open_model(str(folder), task="text-regression")) == []


def test_a_head_of_another_width_is_new_and_the_rest_is_kept(tmp_path: Path) -> None:
    folder = make_encoder(tmp_path / "model", pooling="cls", layers=1)
    model: Any = load_model(folder, "feature-extraction", labels=tuple("abc"))
    assert model.config.edgepress_embedding["pooling"] == "cls"
    assert model.dense.out_features == 3
    assert getattr(load_model(folder, "feature-extraction").dense, "weight", None) is None
