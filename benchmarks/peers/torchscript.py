"""Export a transformers classifier with PyTorch's TorchScript exporter."""

from __future__ import annotations

import inspect
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from benchmarks.peers.job import CalibrationText

OPSET = 17

_AUTO_CLASSES = {
    "text-classification": "AutoModelForSequenceClassification",
    "token-classification": "AutoModelForTokenClassification",
}


def load(folder: Path, task: str) -> tuple[Any, Any]:
    """Return the classifier in evaluation mode, and its tokenizer.

    Attention is the plain implementation, which ONNX Runtime's fusions recognize.
    """
    import transformers
    from transformers import AutoTokenizer

    auto_class = getattr(transformers, _AUTO_CLASSES[task])
    model = auto_class.from_pretrained(folder, attn_implementation="eager")
    return model.eval(), AutoTokenizer.from_pretrained(folder)


def tokenized(
    tokenizer: Any, texts: Sequence[CalibrationText], max_length: int, kind: str
) -> dict[str, Any]:
    """Return texts, or pairs of texts, as padded arrays (`kind` "np") or tensors ("pt")."""
    options = {"return_tensors": kind, "padding": True, "truncation": True}
    return dict(tokenizer(list(texts), **options, max_length=max_length))


def example_feeds(model: Any, tokenizer: Any, texts: Sequence[CalibrationText]) -> dict[str, Any]:
    """Tokenize texts, in the order in which the model's forward takes its arguments.

    A traced graph has its inputs in that order; in the tokenizer's order, names would be swapped.
    """
    feeds = tokenized(tokenizer, texts, 32, "pt")
    return {
        name: feeds[name] for name in inspect.signature(model.forward).parameters if name in feeds
    }


def export(model: Any, feeds: dict[str, Any], path: Path) -> None:
    """Write the classifier with dynamic batch and length; its output is `logits`.

    Logits of three dimensions have one row for each token.
    """
    import torch

    axes = {name: {0: "batch", 1: "sequence"} for name in feeds}
    with torch.inference_mode():
        every_token = model(**feeds).logits.ndim == 3
    logits = {0: "batch", 1: "sequence"} if every_token else {0: "batch"}
    torch.onnx.export(
        model,
        (),
        str(path),
        kwargs=feeds,
        input_names=list(feeds),
        output_names=["logits"],
        dynamic_axes={**axes, "logits": logits},
        opset_version=OPSET,
        dynamo=False,
    )
