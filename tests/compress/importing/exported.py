"""Folders as optimum, Olive and optimum-intel write them, made without these packages.

Their listings were taken from optimum-onnx 0.1.0, olive-ai 0.13.0 and optimum-intel's names.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from runtimes.openvino_runtime import import_openvino
from tests.absent import needs
from tests.runtimes.tiny import LABELS, onnx_graph, tiny_tokenizer
from tests.runtimes.tiny_tagger import LABELS as TAGS
from tests.runtimes.tiny_tagger import tiny_tagger

CONFIG: Mapping[str, Any] = {
    "architectures": ["BertForSequenceClassification"],
    "id2label": {str(place): label for place, label in enumerate(LABELS)},
    "max_position_embeddings": 64,
    "model_type": "bert",
    "pad_token_id": 0,
    "vocab_size": 80,
}
TAGGER = "BertForTokenClassification"
ANSWERER = "BertForQuestionAnswering"
SPANS = ("start", "end")
UNLIMITED = 1000000000000000019884624838656
"""What transformers writes for a tokenizer without a limit."""


def optimum(folder: Path) -> Path:
    """Write what `optimum-cli export onnx` leaves."""
    _save(onnx_graph(layers=2), folder / "model.onnx")
    return _beside(folder)


def optimum_int8(folder: Path) -> Path:
    """Write what `optimum-cli onnxruntime quantize` leaves."""
    from onnxruntime.quantization import quantize_dynamic

    _save(onnx_graph(layers=2), folder / "model.onnx")
    quantize_dynamic(folder / "model.onnx", folder / "model_quantized.onnx", per_channel=True)
    (folder / "model.onnx").unlink()
    _json(folder / "ort_config.json", {"quantization": {"is_static": False}})
    return _beside(folder)


def optimum_tagger(folder: Path) -> Path:
    """Write what `optimum-cli export onnx` leaves of a model that labels every token."""
    tiny_tagger(folder)
    (folder / "artifact.json").unlink()
    labels = {str(place): label for place, label in enumerate(TAGS)}
    _json(folder / "config.json", {**CONFIG, "architectures": [TAGGER], "id2label": labels})
    return tokenizer(folder)


def optimum_spans(folder: Path, *, apart: bool) -> Path:
    """Write an ONNX model that answers questions: one output, or two as optimum leaves them."""
    import onnx
    from onnx import TensorProto, helper

    tiny_tagger(folder, SPANS, "question-answering")
    (folder / "artifact.json").unlink()
    if apart:
        model = onnx.load(folder / "model.onnx")
        names = [f"{name}_logits" for name in SPANS]
        model.graph.node.append(helper.make_node("Split", ["logits"], names, axis=2, num_outputs=2))
        del model.graph.output[:]
        shape: list[str | int | None] = ["batch", "sequence", 1]
        model.graph.output.extend(
            helper.make_tensor_value_info(name, TensorProto.FLOAT, shape) for name in names
        )
        model.opset_import[0].version = 18
        onnx.save(model, folder / "model.onnx")
    labels = {str(place): label for place, label in enumerate(SPANS)}
    _json(folder / "config.json", {**CONFIG, "architectures": [ANSWERER], "id2label": labels})
    return tokenizer(folder)


def olive(folder: Path, source: str = "models/teacher") -> Path:
    """Write what `olive run` leaves: no tokenizer, and the configuration in model_config.json."""
    _save(onnx_graph(layers=2), folder / "model.onnx", location="model.onnx.data")
    attributes = {**CONFIG, "_name_or_path": source, "hf_task": "text-classification"}
    content = {"model_path": str(folder / "model.onnx"), "model_attributes": attributes}
    _json(folder / "model_config.json", {"type": "ONNXModel", "config": content})
    _json(folder / "footprint.json", {"41a3d7bc": {"metrics": None}})
    (folder / "run_history.txt").write_text("+---+\n")
    return folder


def nested_olive(folder: Path) -> Path:
    """Write what older workflows leave: the model two folders below its description."""
    olive(folder / "output_model" / "model")
    for name in ("model_config.json", "footprint.json"):
        (folder / "output_model" / "model" / name).rename(folder / "output_model" / name)
    tokenizer(folder / "output_model")
    return folder


def openvino(folder: Path, fp16: bool = False) -> Path:
    """Write what `optimum-cli export openvino` leaves, its tokenizer as a graph too."""
    folder.mkdir(parents=True, exist_ok=True)
    return _beside(openvino_folder(onnx_graph(layers=2), folder, fp16))


def openvino_folder(model: Any, folder: Path, fp16: bool = False) -> Path:
    """Write an ONNX model as an IR, and what stands for its tokenizer's graphs."""
    needs("openvino")
    library = import_openvino()
    _save(model, folder / "source.onnx")
    network = library.Core().read_model(folder / "source.onnx")
    library.save_model(network, folder / "openvino_model.xml", compress_to_fp16=fp16)
    (folder / "source.onnx").unlink()
    for name in ("openvino_tokenizer", "openvino_detokenizer"):
        (folder / f"{name}.xml").write_text("<net/>")
        (folder / f"{name}.bin").write_bytes(b"\0")
    return folder


def plain(folder: Path) -> Path:
    """Write a model beside its tokenizer and a file of labels, and no more."""
    _save(onnx_graph(layers=2), folder / "classifier.onnx")
    tokenizer(folder)
    (folder / "labels.txt").write_text("\n".join(LABELS) + "\n")
    return folder


def tokenizer(folder: Path) -> Path:
    """Write a tokenizer's folder, as transformers saves it."""
    folder.mkdir(parents=True, exist_ok=True)
    tiny_tokenizer(folder)
    content = {"model_max_length": UNLIMITED, "tokenizer_class": "BertTokenizerFast"}
    _json(folder / "tokenizer_config.json", content)
    _json(folder / "special_tokens_map.json", {"pad_token": "[PAD]"})
    return folder


def _beside(folder: Path) -> Path:
    _json(folder / "config.json", CONFIG)
    (folder / "vocab.txt").write_text("[PAD]\n")
    return tokenizer(folder)


def _save(model: Any, file: Path, location: str | None = None) -> None:
    import onnx

    file.parent.mkdir(parents=True, exist_ok=True)
    onnx.save(
        model,
        file,
        save_as_external_data=location is not None,
        location=location,
        size_threshold=1024,
    )


def _json(file: Path, content: Any) -> None:
    file.write_text(json.dumps(content, indent=2))
