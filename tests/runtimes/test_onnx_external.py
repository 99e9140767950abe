"""An ONNX file's weights come from its own folder or from nowhere."""

from __future__ import annotations

import tempfile
from contextlib import suppress
from pathlib import Path
from typing import Any

import onnx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from onnx import TensorProto, helper, numpy_helper

from runtimes.errors import ArtifactError
from runtimes.onnx_external import check_external_data, external_locations
from runtimes.onnx_runtime import OnnxRuntime
from tests.runtimes.tiny import feeds, onnx_graph, tiny_onnx


def _external(location: str) -> Any:
    import numpy as np

    tensor = numpy_helper.from_array(np.zeros(4, dtype=np.float32), "outside")
    tensor.ClearField("raw_data")
    tensor.data_location = TensorProto.EXTERNAL
    tensor.external_data.add(key="location", value=location)
    tensor.external_data.add(key="length", value="16")
    return tensor


def _initializer(location: str) -> Any:
    model = onnx_graph()
    model.graph.initializer.append(_external(location))
    return model


def _constant(location: str) -> Any:
    model = onnx_graph()
    model.graph.node.append(helper.make_node("Constant", [], ["c"], value=_external(location)))
    return model


def _subgraph(location: str) -> Any:
    branch = helper.make_graph([], "branch", [], [], [_external(location)])
    model = onnx_graph()
    model.graph.node.append(
        helper.make_node("If", ["c"], ["d"], then_branch=branch, else_branch=branch)
    )
    return model


def _function(location: str) -> Any:
    node = helper.make_node("Constant", [], ["c"], value=_external(location))
    opsets = [helper.make_opsetid("", 17)]
    model = onnx_graph()
    model.functions.append(helper.make_function("own", "f", [], ["c"], [node], opsets))
    return model


@pytest.mark.parametrize("build", [_initializer, _constant, _subgraph, _function])
def test_finds_external_tensors_wherever_they_are(build: Any, tmp_path: Path) -> None:
    model = tmp_path / "model.onnx"
    model.write_bytes(build("weights.data").SerializeToString())
    assert external_locations(model) == {"weights.data"}


def test_a_model_without_external_data_has_none(tmp_path: Path) -> None:
    assert external_locations(tiny_onnx(tmp_path).model_file) == set()


@pytest.mark.parametrize(
    "location",
    ["/etc/passwd", "../secret", "a/../../secret", "..\\secret", "C:\\secret", "\\\\host\\share"],
)
def test_refuses_a_location_outside_the_folder(location: str, tmp_path: Path) -> None:
    model = tmp_path / "model.onnx"
    model.write_bytes(_initializer(location).SerializeToString())
    with pytest.raises(ArtifactError, match="outside its folder"):
        check_external_data(model)


def test_refuses_a_symbolic_link_out(tmp_path: Path) -> None:
    (tmp_path / "secret").write_bytes(b"0" * 16)
    folder = tmp_path / "model"
    folder.mkdir()
    (folder / "weights.data").symlink_to(tmp_path / "secret")
    (folder / "model.onnx").write_bytes(_initializer("weights.data").SerializeToString())
    with pytest.raises(ArtifactError, match="outside its folder"):
        check_external_data(folder / "model.onnx")


def test_says_which_weights_file_is_missing(tmp_path: Path) -> None:
    model = tmp_path / "model.onnx"
    model.write_bytes(_initializer("weights.data").SerializeToString())
    with pytest.raises(ArtifactError, match=r"weights\.data.*missing"):
        check_external_data(model)


def test_weights_beside_the_model_load(tmp_path: Path) -> None:
    artifact = tiny_onnx(tmp_path / "whole")
    beside = tmp_path / "beside"
    beside.mkdir()
    model = onnx.load(artifact.model_file)
    onnx.save(
        model,
        beside / "model.onnx",
        save_as_external_data=True,
        location="model.onnx.data",
        size_threshold=1024,
    )
    opened = OnnxRuntime().open(beside / "model.onnx", 1)
    assert opened.run(feeds(1, 4))["logits"].shape == (1, 3)


@settings(deadline=None)  # it writes files, and a busy disk is no defect
@given(st.binary(min_size=1, max_size=200))
def test_garbage_is_refused_or_harmless(content: bytes) -> None:
    with tempfile.TemporaryDirectory() as folder:
        model = Path(folder) / "model.onnx"
        model.write_bytes(content)
        with suppress(ArtifactError):  # and no other exception
            external_locations(model)
