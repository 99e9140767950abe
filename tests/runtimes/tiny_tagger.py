"""A small real model that labels every token, made in a second."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from runtimes.artifact import Artifact, write_artifact
from runtimes.runtime import TensorSpec
from tests.runtimes.tiny import HIDDEN, tiny_tokenizer

LABELS = ("O", "B-thing", "I-thing", "B-who", "I-who")
_INPUTS = ("input_ids", "attention_mask")


def tiny_tagger(
    folder: Path, labels: Sequence[str] = LABELS, task: str = "token-classification"
) -> Artifact:
    """Make an ONNX artifact with the inputs of a BERT; a token's logits depend on it alone."""
    import onnx
    from onnx import TensorProto, checker, helper, numpy_helper

    random = np.random.default_rng(7)
    shapes = {"table": (80, HIDDEN), "head": (HIDDEN, len(labels))}
    weights = [
        numpy_helper.from_array(random.normal(0, 1, shape).astype(np.float32), name)
        for name, shape in shapes.items()
    ]
    weights.append(numpy_helper.from_array(np.array(-1), "last"))
    nodes = [
        helper.make_node("Gather", ["table", "input_ids"], ["embedded"]),
        helper.make_node("Cast", ["attention_mask"], ["mask"], to=TensorProto.FLOAT),
        helper.make_node("Unsqueeze", ["mask", "last"], ["mask3"]),
        helper.make_node("Mul", ["embedded", "mask3"], ["kept"]),
        helper.make_node("MatMul", ["kept", "head"], ["logits"]),
    ]
    size = ["batch", "sequence"]
    inputs = [helper.make_tensor_value_info(name, TensorProto.INT64, size) for name in _INPUTS]
    output = helper.make_tensor_value_info("logits", TensorProto.FLOAT, [*size, len(labels)])
    graph = helper.make_graph(nodes, "tagger", inputs, [output], weights)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    checker.check_model(model)
    folder.mkdir(parents=True, exist_ok=True)
    onnx.save(model, folder / "model.onnx")
    tiny_tokenizer(folder)
    return write_artifact(
        folder,
        format="onnx",
        precision="fp32",
        task=task,
        labels=tuple(labels),
        max_length=32,
        inputs=tuple(TensorSpec(name, "int64", ("batch", "sequence")) for name in _INPUTS),
        outputs=(TensorSpec("logits", "float32", ("batch", "sequence", len(labels))),),
        parameters=1,
        model_type="bert",
    )
