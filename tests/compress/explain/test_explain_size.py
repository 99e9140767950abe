"""A model's bytes: every tensor of every format, with its type."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pytest

from compress.explain.explain import explain
from compress.explain.question import Question
from compress.explain.tensors import Tensor, duplicates, tensors
from runtimes.artifact import Artifact
from runtimes.errors import ArtifactError
from tests.compress.explain.test_explain_operators import quantized, rewritten
from tests.runtimes import tiny

WIDTH = {"fp32": 4, "fp16": 2, "int8": 1, "uint8": 1, "int64": 8, "int32": 4, "bool": 1}


@pytest.fixture(params=["onnx", "openvino", "huggingface"])
def artifact(request: pytest.FixtureRequest, tmp_path: Path) -> Artifact:
    make = {
        "onnx": tiny.tiny_onnx,
        "openvino": tiny.tiny_openvino,
        "huggingface": tiny.tiny_torch,
    }[request.param]
    return make(tmp_path / "m")


def test_a_tensors_bytes_are_its_shape_times_its_type(artifact: Artifact) -> None:
    stored = tensors(artifact)
    assert stored
    assert all(tensor.size == math.prod(tensor.shape) * WIDTH[tensor.dtype] for tensor in stored)
    assert [tensor.size for tensor in stored] == sorted((t.size for t in stored), reverse=True)


def test_the_parts_add_up_to_the_whole(artifact: Artifact) -> None:
    explanation = explain(Question("artifact_mb", artifact, top=1000))
    figures = explanation.figures
    assert figures["artifact_mb"] == artifact.size_mb
    parts = figures["tensors_mb"] + figures["graph_mb"] + figures["beside_mb"]
    assert parts == pytest.approx(artifact.size_mb)
    shipped = ("tokenizer.json", "artifact.json")
    beside = sum((artifact.path / name).stat().st_size for name in shipped)
    assert figures["beside_mb"] == pytest.approx(beside / 1e6)
    assert 0 <= figures["graph_mb"] < artifact.size_mb
    tables = {table.key: table.to_json() for table in explanation.tables}
    assert sum(row["mb"] for row in tables["dtypes"]) == pytest.approx(artifact.size_mb)
    assert sum(row["mb"] for row in tables["tensors"]) == pytest.approx(figures["tensors_mb"])
    assert sum(row["share"] for row in tables["dtypes"]) == pytest.approx(1)
    assert {row["file"] for row in tables["files"]} == {p.name for p in artifact.path.iterdir()}


def test_the_word_embedding_is_found_by_its_name(tmp_path: Path) -> None:
    model = tiny.tiny_torch(tmp_path / "m")
    explanation = explain(Question("artifact_mb", model))
    assert explanation.figures["embedding_share"] == pytest.approx(80 * 32 * 4 / model.size_bytes())
    assert "the word embedding is 0.01 MB" in explanation.answer


def test_floats_left_in_an_integer_model_are_named(tmp_path: Path) -> None:
    model = quantized(tmp_path / "m", excluded=["layer.0"])
    explanation = explain(Question("artifact_mb", model))
    floats = next(table for table in explanation.tables if table.key == "floats").to_json()
    assert floats[0]["name"] == "w0"
    assert floats[0]["mb"] == 256 * 256 * 4 / 1e6
    assert "are still floating point" in explanation.answer


def test_a_tensor_that_is_stored_twice_is_named_once(tmp_path: Path) -> None:
    import onnx

    model = tiny.tiny_onnx(tmp_path / "m", layers=2, hidden=64)
    graph = onnx.load(model.model_file)
    values = {tensor.name: tensor for tensor in graph.graph.initializer}
    values["w1"].raw_data = values["w0"].raw_data
    onnx.save(graph, model.model_file)
    explanation = explain(Question("artifact_mb", model))
    rows = next(table for table in explanation.tables if table.key == "duplicates").to_json()
    assert rows == [{"names": "w0, w1", "copies": 2, "wasted_mb": 64 * 64 * 4 / 1e6}]
    assert "stored more than once" in explanation.answer


def test_weights_in_a_file_of_their_own_count(tmp_path: Path) -> None:
    import onnx

    model = tiny.tiny_onnx(tmp_path / "m", hidden=64)
    graph = onnx.load(model.model_file)
    onnx.save(graph, model.model_file, save_as_external_data=True, location="model.onnx.data")
    model = rewritten(model.path, "fp32")
    explanation = explain(Question("artifact_mb", model))
    assert explanation.figures["tensors_mb"] > 64 * 64 * 4 / 1e6
    assert {tensor.name for tensor in tensors(model)} >= {"table", "w0", "head"}


def test_a_reference_says_what_shrank(tmp_path: Path) -> None:
    model = quantized(tmp_path / "small" / "m", excluded=[])
    other = tiny.tiny_onnx(tmp_path / "large", layers=3, hidden=256)
    explanation = explain(Question("compression", model, reference=other))
    assert explanation.figures["compression"] == pytest.approx(other.size_mb / model.size_mb)
    assert "times smaller than the reference" in explanation.answer
    against = {row["dtype"]: row for row in explanation.tables[0].to_json()}
    assert against["int8"]["reference_mb"] == 0
    assert against["fp32"]["reference_mb"] > against["fp32"]["model_mb"]


def test_a_truncated_model_is_an_input_error(artifact: Artifact) -> None:
    content = artifact.model_file.read_bytes()
    artifact.model_file.write_bytes(content[: len(content) // 3])
    with pytest.raises(ArtifactError, match="cannot be read"):
        explain(Question("artifact_mb", artifact))


def test_copies_are_of_the_same_bytes_and_type() -> None:
    def tensor(name: str, dtype: str, content: str) -> Tensor:
        return Tensor(name, dtype, (8,), 8, content)

    rows: list[Any] = [
        ("a", "int8", "x"),
        ("b", "uint8", "x"),
        ("c", "int8", ""),
        ("d", "int8", ""),
    ]
    assert duplicates([tensor(*row) for row in rows]) == []
    groups = duplicates([tensor(*row) for row in [*rows, ("e", "int8", "x")]])
    assert [[copies.name for copies in group] for group in groups] == [["a", "e"]]
