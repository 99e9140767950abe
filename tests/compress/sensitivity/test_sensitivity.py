"""Deliberate damage is found: a class, a quantized node, a layer."""

from __future__ import annotations

import csv
import json
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import numpy_helper

from compress.answers.effect import compared
from compress.cli.main import run
from compress.data.dataset import DataSettings
from compress.data.rows import Rows
from compress.explain.explanation import Explanation
from compress.graph.onnx_graph import load_onnx
from compress.judge.class_costs import class_rows
from compress.progress import Silence
from compress.quantize.stage import Quantize
from compress.sensitivity.nodes import node_costs
from compress.sensitivity.restore import QuantizedPair
from compress.sensitivity.sensitivity import SensitivityRequest, sensitivity
from compress.stage import execute
from compress.tasks.classes import class_costs
from runtimes.artifact import Artifact, write_like
from runtimes.listed import MANIFEST
from tests.compress.exported import context, data, exported, trained
from tests.compress.text_models import TASK
from tests.compress.tiny_models import LABELS

_FOLDER = TemporaryDirectory(prefix="edgepress-tests-", ignore_cleanup_errors=True)

SCHEMES = ("int8-dynamic", "int8-static", "int4-weight-only")

DAMAGED = "layer.0.output.dense"
"""The node that tests break: the second dense layer of the first layer's FFN."""


@cache
def quantized(scheme: str) -> Artifact:
    """Return the tiny model, quantized."""
    stage = Quantize(scheme=scheme, calibration_rows=32)
    return execute(stage, exported("onnx"), context(), Path(_FOLDER.name) / scheme)


@cache
def rows() -> Path:
    """Write the test rows as a csv file."""
    path = Path(_FOLDER.name) / "test.csv"
    data_set = data().test
    with path.open("w", encoding="utf-8", newline="") as stream:
        lines = [(t, LABELS[n]) for t, n in zip(data_set.inputs, data_set.targets, strict=True)]
        csv.writer(stream).writerows([("text", "label"), *lines])
    return path


def _edited(source: Artifact, folder: Path, edit: Any) -> Artifact:
    """Copy an ONNX artifact with its graph edited."""
    import shutil

    shutil.copytree(source.path, folder)
    (folder / MANIFEST).unlink()
    model = load_onnx(source.model_file)
    edit(model.graph)
    onnx.save_model(model, str(folder / source.model_file.name))
    return write_like(source, folder, history=())


def _scale(name: str, factor: float) -> Any:
    def edit(graph: onnx.GraphProto) -> None:
        tensor = next(one for one in graph.initializer if one.name == name)
        values = numpy_helper.to_array(tensor)
        tensor.CopyFrom(numpy_helper.from_array((values * factor).astype(values.dtype), name))

    return edit


def _scales_of(model: Artifact, value: str) -> str:
    """Return the constant that holds a quantized weight's scales."""
    names: list[str] = [one.name for one in load_onnx(model.model_file).graph.initializer]
    return next(n for n in names if n.startswith(f"{value}_") and "scale" in n)


def _damaged_weight() -> str:
    """Return the weight that the damaged node reads in the source."""
    graph = load_onnx(exported("onnx").model_file).graph
    bias = next(one for one in graph.node if any(DAMAGED in name for name in one.input))
    product = next(one for one in graph.node if set(one.output) & set(bias.input))
    return str(product.input[1])


def _asked(model: str | Path, **more: Any) -> Explanation:
    settings = DataSettings(train=(), test=(str(rows()),))
    return sensitivity(SensitivityRequest(str(model), str(exported("onnx").path), settings, **more))


def _table(explanation: Explanation, key: str) -> list[dict[str, Any]]:
    return next(table for table in explanation.tables if table.key == key).to_json()


# Nodes


@pytest.mark.parametrize("scheme", SCHEMES)
def test_a_restored_model_is_its_source(scheme: str) -> None:
    """With all of its nodes restored it answers as the source does; with none, as before."""
    source, model = exported("onnx"), quantized(scheme)
    pair = QuantizedPair(load_onnx(source.model_file), load_onnx(model.model_file))
    assert pair.is_source()
    feeds = {
        name: np.array([[2, 5, 6, 3]] if name == "input_ids" else [[1, 1, 1, 1]])
        for name in (spec.name for spec in source.inputs)
    }
    expected, restored = (_run(load_onnx(one.model_file), feeds) for one in (source, model))
    np.testing.assert_allclose(_run(pair.restored(pair.changed()), feeds), expected, atol=1e-5)
    np.testing.assert_allclose(_run(pair.restored([]), feeds), restored, atol=1e-6)


def _run(model: onnx.ModelProto, feeds: dict[str, Any]) -> Any:
    import onnxruntime

    session = onnxruntime.InferenceSession(model.SerializeToString())
    return session.run(None, {k: v.astype(np.int64) for k, v in feeds.items()})[0]


@pytest.mark.parametrize("scheme", SCHEMES)
def test_a_damaged_node_is_named_first(scheme: str, tmp_path: Path) -> None:
    scales = _scales_of(quantized(scheme), _damaged_weight())
    broken = _edited(quantized(scheme), tmp_path / "broken", _scale(scales, 3.0))
    whole, costs = node_costs(
        broken, exported("onnx"), data().test, tmp_path / "variants", Silence()
    )
    assert costs[0].node.endswith(DAMAGED)
    assert costs[0].alone.kl == max(cost.alone.kl for cost in costs) > 0
    assert whole.kl > 0


def test_another_model_is_no_source(tmp_path: Path) -> None:
    name = "bert.embeddings.LayerNorm.bias"
    other = _edited(exported("onnx"), tmp_path / "other", _scale(name, 2.0))
    explanation = _asked(quantized("int8-dynamic").path, source=str(other.path), rows=20)
    assert [table.key for table in explanation.tables] == ["classes"]
    assert "is not the model that int8-dynamic was quantized from" in explanation.notes[0]
    assert "--source FOLDER" in explanation.notes[0]


def test_an_fp32_model_has_no_quantized_nodes() -> None:
    explanation = _asked(exported("onnx").path, rows=20)
    assert "a quantized ONNX model" in explanation.notes[0]


def test_the_divergence_is_kullback_leibler() -> None:
    known = np.log(np.array([[0.5, 0.5], [0.9, 0.1]], dtype=np.float32))
    other = np.log(np.array([[0.25, 0.75], [0.9, 0.1]], dtype=np.float32))
    effect = compared(TASK, list(known), list(other + 3), [0, 0])
    expected = (0.5 * np.log(0.5 / 0.25) + 0.5 * np.log(0.5 / 0.75)) / 2
    assert effect.kl == pytest.approx(expected, abs=1e-6)
    assert (effect.agreement, effect.score) == (0.5, 0.5)


# Classes


def test_a_broken_class_is_named_first(tmp_path: Path) -> None:
    """The last class is never answered: its bias is far below the others'."""

    def edit(graph: onnx.GraphProto) -> None:
        tensor = next(one for one in graph.initializer if one.name == "classifier.bias")
        values = numpy_helper.to_array(tensor) + np.array([0, 0, -50], dtype=np.float32)
        tensor.CopyFrom(numpy_helper.from_array(values, tensor.name))

    broken = _edited(exported("onnx"), tmp_path / "broken", edit)
    explanation = _asked(broken.path, rows=20)
    worst = _table(explanation, "classes")[0]
    assert worst["label"] == LABELS[2]
    assert (worst["right"], worst["retention"]) == (0, 0)
    assert worst["lost"] == worst["teacher_right"] > 0
    assert explanation.figures["worst_class_retention"] == 0
    assert explanation.answer.startswith(f"{LABELS[2]} keeps 0 of ")


def test_a_class_says_what_it_is_taken_for() -> None:
    truth = np.array([0, 0, 0, 0, 1, 1, 2])
    mine = np.array([0, 1, 1, 2, 1, 1, 0])
    theirs = np.array([0, 0, 0, 0, 0, 1, 1])
    first, second, third = class_rows(class_costs(truth, mine, theirs, ["a", "b", "c"]))
    assert (first.label, first.retention.value, first.lost) == ("a", 0.25, 3)
    assert dict(first.confused) == {"b": 2, "c": 1}
    assert (second.label, second.retention.value, second.gained) == ("b", 2.0, 1)
    assert (third.label, third.retention.value) == ("c", None)


# Layers


def test_layers_of_a_torch_model_are_weighed() -> None:
    explanation = _asked(trained().path, rows=40)
    layers = _table(explanation, "layers")
    assert sorted(row["layer"] for row in layers) == [0, 1]
    assert sum(row["fisher_share"] for row in layers) == pytest.approx(1)
    assert [row["kl"] for row in layers] == sorted((row["kl"] for row in layers), reverse=True)
    assert layers[0]["kl"] > 0
    assert "the least important layer is" in explanation.answer


# The command


def test_the_command_prints_writes_and_limits(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    model, source = str(quantized("int8-dynamic").path), str(exported("onnx").path)
    line = ["sensitivity", model, "--reference", source, "--data", str(rows())]
    line += ["--rows", "20", "--top", "2", "-q"]
    page = tmp_path / "page.html"
    assert run([*line, "--html", str(page)]) == 0
    shown = capsys.readouterr().out
    assert shown.startswith("sensitivity: ")
    assert "nodes, each quantized alone" in shown
    assert run([*line, "--json"]) == 0
    content = json.loads(capsys.readouterr().out)
    assert set(content["tables"]) == {"classes", "nodes"}
    assert len(content["tables"]["nodes"]) > 10
    assert len(shown.splitlines()) < 20
    written = page.read_text(encoding="utf-8")
    assert all(row["node"] in written for row in content["tables"]["nodes"])
    assert "<script" not in written


def test_bad_input_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    model = str(quantized("int8-dynamic").path)
    line = ["sensitivity", model, "--reference", "nowhere", "--data", str(rows()), "-q"]
    assert run(line) == 2
    assert "nowhere" in capsys.readouterr().err


def test_rows_are_sampled(tmp_path: Path) -> None:
    explanation = _asked(quantized("int8-dynamic").path, rows=7)
    assert explanation.figures["sampled_rows"] == 7
    assert explanation.figures["rows"] == len(data().test) > 7
    assert isinstance(data().test, Rows)


def test_a_quantized_model_of_an_older_opset_has_another_source() -> None:
    source = load_onnx(exported("onnx").model_file)
    older = onnx.ModelProto()
    older.CopyFrom(source)
    older.opset_import[0].version = 14
    assert QuantizedPair(source, source).is_source()
    assert not QuantizedPair(source, older).is_source()
