"""model2vec: the teacher's tokens as static vectors, and a logistic head on their mean.

`distill` asks the teacher about each token alone (github.com/MinishLab/model2vec). Width and
regularization are those of the best accuracy on validation rows; the head then learns all rows. The
model is written as an ONNX graph of a lookup, a mean and the head, and with 8-bit vectors.
"""

from __future__ import annotations

import itertools
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmarks.peers.job import LabeledText, Script, validation_apart

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

_WIDTHS = (256, 128)
_STRENGTHS = (10.0, 100.0, 1000.0)
"""Inverse strengths of regularization, for vectors of length 1."""
_OPSET = 17
_IR_VERSION = 10
_LEAST_NORM = 1e-12


@dataclass(frozen=True)
class Head:
    """Hold a linear head on the first `width` components: weights (width, classes), biases."""

    width: int
    weights: NDArray[np.float32]
    biases: NDArray[np.float32]


def main() -> None:
    """Make the fp32 model and the one with 8-bit vectors."""
    script = Script("model2vec")
    made: dict[str, Any] = {}

    def plain(file: Path) -> None:
        made["model"], made["head"] = _trained(script)
        _write(made["model"], made["head"], file, int8=False)

    script.make("model2vec", plain, precision="fp32")
    script.make(
        "model2vec 8-bit vectors",
        lambda file: _write(made["model"], made["head"], file, int8=True),
        precision="int8",
        after="model2vec",
    )


def _trained(script: Script) -> tuple[Any, Head]:
    from model2vec.distill import distill

    model = distill(str(script.teacher), pca_dims=max(_WIDTHS), device="cpu")
    train, held = validation_apart(script.rows)
    right, width, strength = max(
        (_right(model, _head(model, train, width, strength), held), width, strength)
        for width, strength in itertools.product(_WIDTHS, _STRENGTHS)
    )
    print(f"width {width}, strength {strength}: {right} of {len(held)}", flush=True)
    return model, _head(model, script.rows, width, strength)


def _head(model: Any, rows: Sequence[LabeledText], width: int, strength: float) -> Head:
    import numpy as np
    from sklearn.linear_model import LogisticRegression

    classes = 1 + max(number for _, number in rows)
    fitted = LogisticRegression(C=strength, max_iter=300)
    fitted.fit(_means(model, [text for text, _ in rows], width), [number for _, number in rows])
    weights, biases = np.zeros((width, classes)), np.full(classes, -1e4)
    coefficients, intercepts = fitted.coef_.T, fitted.intercept_
    if len(fitted.classes_) == 2:  # scikit-learn keeps the second class of two alone
        coefficients = np.hstack([0 * coefficients, coefficients])
        intercepts = np.append(0, intercepts)
    weights[:, fitted.classes_], biases[fitted.classes_] = coefficients, intercepts
    return Head(width, weights.astype(np.float32), biases.astype(np.float32))


def _means(model: Any, texts: Sequence[str], width: int) -> Any:
    """Return the means of the texts' vectors, of length 1; a text of unknown tokens has zeros."""
    import numpy as np

    means = model.encode(list(texts), max_length=None)[:, :width]
    return means / np.maximum(np.linalg.norm(means, axis=1, keepdims=True), _LEAST_NORM)


def _right(model: Any, head: Head, rows: Sequence[LabeledText]) -> int:
    answers = _means(model, [text for text, _ in rows], head.width) @ head.weights + head.biases
    return int((answers.argmax(axis=1) == [number for _, number in rows]).sum())


def _write(model: Any, head: Head, file: Path, *, int8: bool) -> None:
    """Write the graph, and the tokenizer as model2vec uses it: without special tokens."""
    import numpy as np
    import onnx
    from onnx import TensorProto, helper, numpy_helper

    vectors = np.asarray(model.embedding, dtype=np.float32)[:, : head.width]
    counts = np.ones(len(vectors), dtype=np.float32)
    if (unknown := _unknown(model)) is not None:
        counts[unknown] = 0
    stored: dict[str, Any] = {"vectors": vectors, "counts": counts}
    if int8:
        units = np.maximum(np.abs(vectors).max(axis=1), _LEAST_NORM) / 127
        stored["vectors"] = np.rint(vectors / units[:, None]).astype(np.int8)
        stored["counts"] = (counts * units).astype(np.float32)
    stored |= {"weights": head.weights, "biases": head.biases}
    stored |= {"least": np.float32(_LEAST_NORM), "one": np.array([1], dtype=np.int64)}
    nodes = [
        helper.make_node("Gather", ["vectors", "input_ids"], ["rows"]),
        helper.make_node("Cast", ["rows"], ["floats"], to=TensorProto.FLOAT),
        helper.make_node("Gather", ["counts", "input_ids"], ["known"]),
        helper.make_node("Cast", ["attention_mask"], ["mask"], to=TensorProto.FLOAT),
        helper.make_node("Mul", ["known", "mask"], ["taken"]),
        helper.make_node("Unsqueeze", ["taken", "one"], ["shares"]),
        helper.make_node("MatMul", ["shares", "floats"], ["sums"]),
        helper.make_node("Squeeze", ["sums", "one"], ["sum"]),
        helper.make_node("ReduceL2", ["sum"], ["length"], axes=[1], keepdims=1),
        helper.make_node("Max", ["length", "least"], ["norm"]),
        helper.make_node("Div", ["sum", "norm"], ["mean"]),
        helper.make_node("Gemm", ["mean", "weights", "biases"], ["logits"]),
    ]
    names = ("input_ids", "attention_mask")
    inputs = [
        helper.make_tensor_value_info(name, TensorProto.INT64, ["batch", "sequence"])
        for name in names
    ]
    output = helper.make_tensor_value_info(
        "logits", TensorProto.FLOAT, ["batch", head.weights.shape[1]]
    )
    tensors = [numpy_helper.from_array(np.asarray(array), name) for name, array in stored.items()]
    graph = helper.make_graph(nodes, "model2vec", inputs, [output], tensors)
    opsets = [helper.make_opsetid("", _OPSET)]
    onnx.save(helper.make_model(graph, opset_imports=opsets, ir_version=_IR_VERSION), str(file))
    content = json.loads(model.tokenizer.to_str())
    content |= {"post_processor": None, "truncation": None, "padding": None}
    (file.parent / "tokenizer.json").write_text(json.dumps(content), encoding="utf-8")


def _unknown(model: Any) -> int | None:
    """Return the token that model2vec leaves out of a mean."""
    token = getattr(model, "unk_token_id", None)
    return None if token is None else int(token)


if __name__ == "__main__":
    main()
