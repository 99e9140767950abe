"""A small model made at run time, to measure a machine's noise without a user's model."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import numpy as np

from runtimes.artifact import Artifact, write_artifact
from runtimes.runtime import TensorSpec

_LAYERS = 4
_HIDDEN = 256
_INNER = 1024
_WORDS = 1000
_LABELS = ("no", "yes")
_MOST_TOKENS = 64
_INPUT = TensorSpec("input_ids", "int64", ("batch", "sequence"))
_OUTPUT = TensorSpec("logits", "float32", ("batch", len(_LABELS)))


def noise_model(folder: Path) -> Artifact:
    """Write an ONNX classifier with random weights: the feed-forward half of an encoder.

    Its 9 MB are larger than a core's own caches, like a real model's weights, and one row takes one
    to a few milliseconds.
    """
    import onnx

    folder.mkdir(parents=True, exist_ok=True)
    onnx.save(_graph(), folder / "model.onnx")
    _write_tokenizer(folder)
    return write_artifact(
        folder,
        format="onnx",
        precision="fp32",
        task="text-classification",
        labels=_LABELS,
        max_length=_MOST_TOKENS,
        inputs=(_INPUT,),
        outputs=(_OUTPUT,),
        parameters=_LAYERS * 2 * _HIDDEN * _INNER + _HIDDEN * (_WORDS + len(_LABELS)),
    )


def noise_texts(seed: int, count: int = 64) -> list[str]:
    """Return texts of 8 to 40 words, like requests to a classifier."""
    generator = random.Random(seed)  # noqa: S311 - lengths, not a secret
    return [
        " ".join(f"w{generator.randrange(1, _WORDS)}" for _ in range(generator.randint(8, 40)))
        for _ in range(count)
    ]


def _graph() -> Any:
    """Return the ModelProto: embedding, layers of two products and a norm, mean, classes."""
    from onnx import checker, helper, numpy_helper

    generator = np.random.default_rng(7)
    shapes = {"table": (_WORDS, _HIDDEN), "head": (_HIDDEN, len(_LABELS))}
    for layer in range(_LAYERS):
        shapes |= {f"up{layer}": (_HIDDEN, _INNER), f"down{layer}": (_INNER, _HIDDEN)}
    weights = {name: _weight(generator, shape) for name, shape in shapes.items()}
    weights |= {"scale": np.ones(_HIDDEN, np.float32), "axis": np.array([1])}
    nodes = [helper.make_node("Gather", ["table", "input_ids"], ["h0"])]
    for layer in range(_LAYERS):
        nodes += _layer(layer)
    nodes += [
        helper.make_node("ReduceMean", [f"h{_LAYERS}", "axis"], ["mean"], keepdims=0),
        helper.make_node("MatMul", ["mean", "head"], ["logits"]),
    ]
    tensors = [numpy_helper.from_array(array, name) for name, array in weights.items()]
    graph = helper.make_graph(nodes, "noise", [_value(_INPUT)], [_value(_OUTPUT)], tensors)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=8)
    checker.check_model(model)
    return model


def _layer(layer: int) -> list[Any]:
    from onnx import helper

    inner, outer, added = f"inner{layer}", f"outer{layer}", f"added{layer}"
    return [
        helper.make_node("MatMul", [f"h{layer}", f"up{layer}"], [inner]),
        helper.make_node("Tanh", [inner], [f"bent{layer}"]),
        helper.make_node("MatMul", [f"bent{layer}", f"down{layer}"], [outer]),
        helper.make_node("Add", [f"h{layer}", outer], [added]),
        helper.make_node("LayerNormalization", [added, "scale"], [f"h{layer + 1}"]),
    ]


def _weight(generator: np.random.Generator, shape: tuple[int, int]) -> Any:
    return generator.normal(0, shape[0] ** -0.5, shape).astype(np.float32)


def _value(spec: TensorSpec) -> Any:
    from onnx import TensorProto, helper

    kind = TensorProto.INT64 if spec.dtype == "int64" else TensorProto.FLOAT
    return helper.make_tensor_value_info(spec.name, kind, list(spec.shape))


def _write_tokenizer(folder: Path) -> None:
    from tokenizers import Tokenizer, pre_tokenizers
    from tokenizers.models import WordLevel

    vocabulary = {"[UNK]": 0, **{f"w{number}": number for number in range(1, _WORDS)}}
    tokenizer = Tokenizer(WordLevel(vocabulary, unk_token="[UNK]"))  # noqa: S106
    tokenizer.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    tokenizer.save(str(folder / "tokenizer.json"))
