"""Reading ONNX files: damaged files, and weights outside the folder, are refused."""

from __future__ import annotations

from pathlib import Path

import onnx
import pytest

from compress.graph.onnx_graph import load_onnx, read_onnx
from runtimes.errors import ArtifactError
from tests.runtimes.tiny import onnx_graph


@pytest.mark.parametrize("read", [read_onnx, load_onnx])
def test_weights_outside_the_folder_are_refused(read: object, tmp_path: Path) -> None:
    assert callable(read)
    (tmp_path / "model").mkdir()
    whole = tmp_path / "model.onnx"
    onnx.save(onnx_graph(), whole, save_as_external_data=True, location="w.data", size_threshold=0)
    model = onnx.load(whole, load_external_data=False)
    for tensor in model.graph.initializer:
        for entry in tensor.external_data:
            entry.value = "../w.data" if entry.key == "location" else entry.value
    (tmp_path / "model" / "model.onnx").write_bytes(model.SerializeToString())
    assert read(whole).graph.node
    with pytest.raises(ArtifactError, match="outside its folder"):
        read(tmp_path / "model" / "model.onnx")
