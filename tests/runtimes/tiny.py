"""Small real models, made in a second, for tests of everything that loads one."""

from __future__ import annotations

import dataclasses
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from compress.export.ort_export import export_ort
from compress.graph.executorch_program import lower, trace
from compress.linear.features import Columns, NGrams
from compress.linear.file import write_linear
from runtimes.artifact import Artifact, write_artifact, write_like
from runtimes.linear_runtime import INPUTS
from runtimes.openvino_runtime import import_openvino
from runtimes.runtime import TensorSpec
from tests.absent import needs
from tests.runtimes.tiny_tflite import TFLITE, tiny_module

LABELS = ("billing", "technical", "feedback")
WORDS = ("my", "card", "is", "lost", "the", "app", "crashed", "thank", "you", "refund", "me", "now")
TEXTS = (
    "my card is lost",
    "the app crashed",
    "thank you",
    "refund me now",
    "the card crashed the app now",
    "is the refund lost",
)
HIDDEN = 32
_SPECIAL = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]")
_INPUTS = tuple(
    TensorSpec(name, "int64", ("batch", "sequence")) for name in ("input_ids", "attention_mask")
)


def feeds(batch: int, length: int, names: Sequence[str] | None = None) -> dict[str, Any]:
    """Return random token ids and a full mask of shape (batch, length)."""
    ids = np.random.default_rng(batch * 100 + length).integers(5, 17, (batch, length))
    every = {
        "input_ids": ids.astype(np.int64),
        "attention_mask": np.ones((batch, length), dtype=np.int64),
        "token_type_ids": np.zeros((batch, length), dtype=np.int64),
    }
    return {name: every[name] for name in names or [spec.name for spec in _INPUTS]}


def tiny_tokenizer(folder: Path) -> None:
    """Write a WordPiece tokenizer.json over the words and the letters."""
    from tokenizers import Tokenizer, normalizers, pre_tokenizers, processors
    from tokenizers.models import WordPiece

    letters = [chr(code) for code in range(ord("a"), ord("z") + 1)]
    pieces = [*_SPECIAL, *WORDS, *letters, *(f"##{letter}" for letter in letters)]
    vocabulary = {piece: index for index, piece in enumerate(pieces)}
    tokenizer = Tokenizer(WordPiece(vocabulary, unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.BertNormalizer(lowercase=True)
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]",
        pair="[CLS] $A [SEP] $B:1 [SEP]:1",
        special_tokens=[("[CLS]", 2), ("[SEP]", 3)],
    )
    tokenizer.enable_padding(length=64)  # as many checkpoints ship it; must be switched off
    tokenizer.save(str(folder / "tokenizer.json"))


def onnx_graph(layers: int = 1, hidden: int = HIDDEN) -> Any:
    """Return an ONNX ModelProto: embedding, `layers` of MatMul and Tanh, masked mean, classes."""
    from onnx import TensorProto, checker, helper

    random = np.random.default_rng(7)
    weights: list[Any] = []

    def weight(name: str, array: Any) -> str:
        from onnx import numpy_helper

        weights.append(numpy_helper.from_array(array, name))
        return name

    def dense(name: str, rows: int, columns: int) -> str:
        return weight(name, random.normal(0, rows**-0.5, (rows, columns)).astype(np.float32))

    nodes = [helper.make_node("Gather", [dense("table", 80, hidden), "input_ids"], ["h0"])]
    for layer in range(layers):
        middle = f"m{layer}"
        matrix = dense(f"w{layer}", hidden, hidden)
        nodes.append(helper.make_node("MatMul", [f"h{layer}", matrix], [middle]))
        nodes.append(helper.make_node("Tanh", [middle], [f"h{layer + 1}"]))
    axis, last = weight("axis", np.array([1])), weight("last", np.array([-1]))
    nodes += [
        helper.make_node("Cast", ["attention_mask"], ["mask"], to=TensorProto.FLOAT),
        helper.make_node("Unsqueeze", ["mask", last], ["mask3"]),
        helper.make_node("Mul", [f"h{layers}", "mask3"], ["kept"]),
        helper.make_node("ReduceSum", ["kept", axis], ["sum"], keepdims=0),
        helper.make_node("ReduceSum", ["mask3", axis], ["count"], keepdims=0),
        helper.make_node("Div", ["sum", "count"], ["mean"]),
        helper.make_node("MatMul", ["mean", dense("head", hidden, len(LABELS))], ["logits"]),
    ]
    inputs = [
        helper.make_tensor_value_info(spec.name, TensorProto.INT64, list(spec.shape))
        for spec in _INPUTS
    ]
    output = helper.make_tensor_value_info("logits", TensorProto.FLOAT, ["batch", len(LABELS)])
    graph = helper.make_graph(nodes, "tiny", inputs, [output], weights)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    checker.check_model(model)
    return model


def tiny_onnx(folder: Path, layers: int = 1, hidden: int = HIDDEN) -> Artifact:
    """Make an ONNX artifact; more layers take longer."""
    import onnx

    folder.mkdir(parents=True, exist_ok=True)
    onnx.save(onnx_graph(layers, hidden), folder / "model.onnx")
    return finish(folder, "onnx")


def tiny_ort(folder: Path) -> Artifact:
    """Make an ORT artifact of the same graph."""
    import onnx

    folder.mkdir(parents=True, exist_ok=True)
    source = folder / "source.onnx"
    onnx.save(onnx_graph(), source)
    export_ort(source, folder / "model.ort")
    source.unlink()
    return finish(folder, "ort")


def tiny_openvino(folder: Path) -> Artifact:
    """Make an OpenVINO IR artifact of the same graph."""
    import onnx

    needs("openvino")
    openvino = import_openvino()
    folder.mkdir(parents=True, exist_ok=True)
    source = folder / "source.onnx"
    onnx.save(onnx_graph(), source)
    model = openvino.Core().read_model(source)
    openvino.save_model(model, folder / "model.xml", compress_to_fp16=False)
    source.unlink()
    return finish(folder, "openvino")


def tiny_tflite(folder: Path) -> Artifact:
    """Make a TFLite artifact of the same graph, from the file that is kept for it."""
    needs("ai_edge_litert")
    folder.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(TFLITE, folder / "model.tflite")
    return finish(folder, "tflite")


def tiny_executorch(folder: Path) -> Artifact:
    """Make an ExecuTorch artifact of the same graph."""
    needs("executorch")
    folder.mkdir(parents=True, exist_ok=True)
    program = trace(tiny_module(), feeds(1, 8), max_length=32)
    lower(program, folder / "model.pte")
    return finish(folder, "executorch")


def tiny_vector(folder: Path) -> Artifact:
    """Make an ONNX model whose output is called embedding."""
    import onnx

    made = tiny_onnx(folder)
    model = onnx.load(made.path / "model.onnx")
    old, new = model.graph.output[0].name, "embedding"
    model.graph.output[0].name = new
    for node in model.graph.node:
        node.output[:] = [new if name == old else name for name in node.output]
    onnx.save(model, made.path / "model.onnx")
    width = len(made.labels)
    vector = dataclasses.replace(
        made,
        task="feature-extraction",
        labels=tuple(map(str, range(width))),
        outputs=(TensorSpec(new, "float32", ("batch", width)),),
    )
    return write_like(vector, folder)


def tiny_linear(folder: Path) -> Artifact:
    """Make a linear artifact over the n-grams of the texts, with weights drawn at random."""
    folder.mkdir(parents=True, exist_ok=True)
    columns = Columns.of(TEXTS, NGrams(2, 1, 4), least_count=1)
    random = np.random.default_rng(7)
    weights = random.normal(0, 1, (len(columns.hashes), len(LABELS)))
    biases = random.normal(0, 1, len(LABELS))
    write_linear(
        folder / "model.linear", columns.hashes, weights, biases, columns.ngrams, WORDS[:6]
    )
    return write_artifact(
        folder,
        format="linear",
        precision="int8",
        task="text-classification",
        labels=LABELS,
        max_length=32,
        inputs=INPUTS,
        outputs=(TensorSpec("logits", "float32", ("batch", len(LABELS))),),
        parameters=weights.size,
        model_type="linear",
    )


def tiny_torch(folder: Path) -> Artifact:
    """Make a transformers artifact: a random BERT of two layers."""
    import torch
    from transformers import BertConfig, BertForSequenceClassification

    torch.manual_seed(7)
    config = BertConfig(
        vocab_size=80,
        hidden_size=32,
        num_hidden_layers=2,
        num_attention_heads=4,
        intermediate_size=64,
        max_position_embeddings=64,
        type_vocab_size=1,
        id2label=dict(enumerate(LABELS)),
        label2id={name: index for index, name in enumerate(LABELS)},
    )
    model = BertForSequenceClassification(config)
    model.save_pretrained(folder)
    return finish(folder, "huggingface")


def finish(folder: Path, model_format: str) -> Artifact:
    """Write the tokenizer and the manifest of a model that lies in a folder."""
    tiny_tokenizer(folder)
    return write_artifact(
        folder,
        format=model_format,
        precision="fp32",
        task="text-classification",
        labels=LABELS,
        max_length=32,
        inputs=_INPUTS,
        outputs=(TensorSpec("logits", "float32", ("batch", len(LABELS))),),
        parameters=1,
        model_type="bert",
    )
