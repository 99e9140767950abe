"""Nodes left in fp32: named, or found because their rounding changes answers."""

from __future__ import annotations

import dataclasses
import shutil
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest

from compress.export.stage import Export
from compress.graph.onnx_graph import load_onnx
from compress.quantize.exclusion import product_names
from compress.quantize.stage import Quantize
from compress.stage import execute
from runtimes.artifact import Artifact
from runtimes.errors import RecipeError
from tests.compress.exported import context, exported, trained
from tests.compress.outlines import outline
from tests.compress.text_models import load_model

_FOLDER = TemporaryDirectory(prefix="edgepress-tests-", ignore_cleanup_errors=True)


@cache
def _hard() -> Artifact:
    """Return a model that computes the same with inputs that are hard to round, one a layer.

    One feature of each attention's output is 3000 times as large, and its weights as much smaller.
    """
    folder = Path(_FOLDER.name) / "model"
    shutil.copytree(trained().path, folder)
    model: Any = load_model(folder)
    for layer in model.bert.encoder.layer:
        layer.attention.self.value.weight.data[5] *= 3000
        layer.attention.self.value.bias.data[5] *= 3000
        layer.attention.output.dense.weight.data[:, 5] /= 3000
    model.save_pretrained(folder)
    source = dataclasses.replace(trained(), path=folder)
    return execute(Export(), source, context(), Path(_FOLDER.name) / "onnx")


@pytest.mark.parametrize("scheme", ["int8-dynamic", "int8-static"])
def test_named_nodes_stay_as_they_are(tmp_path: Path, scheme: str) -> None:
    first, second, *_ = product_names(exported("onnx"))
    stage = Quantize(scheme=scheme, exclude=[first], calibration_rows=32)
    made = execute(stage, exported("onnx"), context(), tmp_path / "made")
    graph = load_onnx(made.model_file).graph
    fp32 = {tensor.name for tensor in graph.initializer if tensor.data_type == 1}
    read = {node.name: set(node.input) for node in graph.node}
    assert read[first] & fp32
    assert not read.get(second, set()) & fp32
    assert f"excluded {first}" in made.history[-1].metrics


@pytest.mark.parametrize("scheme", ["int8-dynamic", "int8-static"])
def test_the_nodes_that_change_answers_are_found(tmp_path: Path, scheme: str) -> None:
    stage = Quantize(
        scheme=scheme,
        exclude="auto",
        max_drop=0.02,
        calibration_rows=32,
    )
    made = execute(stage, _hard(), context(), tmp_path / "made")
    metrics = made.history[-1].metrics
    assert 1 <= sum(name.startswith("excluded ") for name in metrics) <= 2
    assert metrics["agreement"] >= 0.95


def test_nothing_is_excluded_where_no_answers_change(tmp_path: Path) -> None:
    made = execute(Quantize(exclude="auto"), exported("onnx"), context(), tmp_path / "made")
    assert not any(name.startswith("excluded") for name in made.history[-1].metrics)


def test_an_unknown_node_is_refused_with_those_that_there_are(tmp_path: Path) -> None:
    stage = Quantize(exclude=["node_of_nothing"])
    with pytest.raises(RecipeError, match="node_of_nothing") as caught:
        execute(stage, exported("onnx"), context(), tmp_path / "made")
    assert product_names(exported("onnx"))[0] in str(caught.value)


@pytest.mark.parametrize(
    ("scheme", "model_format"), [("fp16", "onnx"), ("int8-static", "openvino")]
)
def test_schemes_that_cannot_exclude_are_refused(scheme: str, model_format: str) -> None:
    with pytest.raises(RecipeError, match="exclude"):
        Quantize(scheme=scheme, exclude="auto").check(outline("bert", model_format))
