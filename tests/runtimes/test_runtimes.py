"""The runtimes against the contract, and what is particular to each."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from runtimes.artifact import Artifact
from runtimes.coreml_runtime import CoreML
from runtimes.errors import ArtifactError, BackendError, InputError, UnsupportedError
from runtimes.executorch_runtime import ExecuTorch
from runtimes.litert_runtime import LiteRT
from runtimes.onnx_runtime import OnnxRuntime
from runtimes.openvino_runtime import OpenVINO
from runtimes.packages import package_availability
from runtimes.predict import open_predictor
from runtimes.runtime import RUNTIMES, Opened, runs_in
from runtimes.tensorrt_runtime import TensorRT
from runtimes.torch_runtime import Torch
from tests.absent import needs
from tests.runtimes.contract_runtime import AvailabilityContract, RuntimeContract
from tests.runtimes.tiny import (
    feeds,
    onnx_graph,
    tiny_executorch,
    tiny_onnx,
    tiny_openvino,
    tiny_ort,
    tiny_tflite,
    tiny_torch,
)


class TestOnnxRuntime(RuntimeContract):
    runtime = OnnxRuntime()

    @staticmethod
    def make(folder: Path) -> Artifact:
        return tiny_onnx(folder)

    def test_translates_a_failing_run(self, opened: Opened) -> None:
        rows = feeds(1, 4)
        rows["input_ids"] = rows["input_ids"] + 10_000  # no such token
        with pytest.raises(BackendError, match=r"ONNX Runtime: .*out of"):
            opened.run(rows)

    def test_refuses_weights_outside_the_folder(self, tmp_path: Path) -> None:
        with pytest.raises(ArtifactError, match="outside its folder"):
            self.runtime.open(reaching_out(tmp_path), 1)


class TestOnnxRuntimeWithOrt(RuntimeContract):
    runtime = OnnxRuntime()

    @staticmethod
    def make(folder: Path) -> Artifact:
        return tiny_ort(folder)


class TestOpenVINO(RuntimeContract):
    runtime = OpenVINO()

    @staticmethod
    def make(folder: Path) -> Artifact:
        return tiny_openvino(folder)


class TestOpenVINOWithOnnx(RuntimeContract):
    runtime = OpenVINO()

    @staticmethod
    def make(folder: Path) -> Artifact:
        needs("openvino")
        return tiny_onnx(folder)

    def test_refuses_weights_outside_the_folder(self, tmp_path: Path) -> None:
        needs("openvino")
        with pytest.raises(ArtifactError, match="outside its folder"):
            self.runtime.open(reaching_out(tmp_path), 1)


class TestLiteRT(RuntimeContract):
    runtime = LiteRT()

    @staticmethod
    def make(folder: Path) -> Artifact:
        return tiny_tflite(folder)

    def test_answers_as_the_onnx_file_does_at_every_length(
        self, opened: Opened, tmp_path: Path
    ) -> None:
        onnx = OnnxRuntime().open(tiny_onnx(tmp_path).model_file, 1)
        for length in range(1, 33):
            rows = feeds(2, length)
            expected = onnx.run(rows)["logits"]
            np.testing.assert_allclose(opened.run(rows)["logits"], expected, atol=1e-5)

    def test_refuses_a_row_beyond_its_longest_signature(self, opened: Opened) -> None:
        with pytest.raises(InputError, match=r"33 tokens[\s\S]*at most 32"):
            opened.run(feeds(1, 33))

    def test_refuses_a_model_that_has_no_signature_for_a_length(
        self, artifact: Artifact, tmp_path: Path
    ) -> None:
        content = artifact.model_file.read_bytes()
        assert content.count(b"tokens_") >= 3
        (tmp_path / "model.tflite").write_bytes(content.replace(b"tokens_", b"serving"))
        with pytest.raises(ArtifactError, match="without signatures"):
            self.runtime.open(tmp_path / "model.tflite", 1)


class TestExecuTorch(RuntimeContract):
    runtime = ExecuTorch()

    @staticmethod
    def make(folder: Path) -> Artifact:
        return tiny_executorch(folder)

    def test_answers_as_the_onnx_file_does_at_every_length(
        self, opened: Opened, tmp_path: Path
    ) -> None:
        onnx = OnnxRuntime().open(tiny_onnx(tmp_path).model_file, 1)
        for length in range(1, 33):
            rows = feeds(2, length)
            expected = onnx.run(rows)["logits"]
            np.testing.assert_allclose(opened.run(rows)["logits"], expected, atol=1e-5)

    def test_refuses_a_row_beyond_its_bound(self, opened: Opened) -> None:
        with pytest.raises(InputError, match=r"33 tokens[\s\S]*at most 32"):
            opened.run(feeds(1, 33))


class TestTorch(RuntimeContract):
    runtime = Torch()

    @staticmethod
    def make(folder: Path) -> Artifact:
        return tiny_torch(folder)

    def test_refuses_heads_that_plain_transformers_cannot_load(self, tmp_path: Path) -> None:
        artifact = tiny_torch(tmp_path)
        config = tmp_path / "config.json"
        content = json.loads(config.read_text())
        config.write_text(json.dumps({**content, "edgepress_heads": {"0": [1]}}))
        with pytest.raises(UnsupportedError, match="export"):
            self.runtime.open(artifact.model_file, 1)


class TestCoreML(AvailabilityContract):
    runtime = CoreML()

    def test_says_why_it_cannot_load(self, tmp_path: Path) -> None:
        if self.runtime.availability().ok:
            pytest.skip("Core ML is here")
        with pytest.raises(UnsupportedError, match=r"coremltools|macOS alone"):
            self.runtime.open(tmp_path / "model.mlpackage.zip", 1)


class TestTensorRT(AvailabilityContract):
    runtime = TensorRT()

    def test_says_why_it_cannot_load(self, tmp_path: Path) -> None:
        if self.runtime.availability().ok:
            pytest.skip("TensorRT is here")
        with pytest.raises(UnsupportedError, match="tensorrt"):
            self.runtime.open(tmp_path / "model.engine", 1)


def reaching_out(folder: Path) -> Path:
    """Write an ONNX model whose weights lie outside its folder; return its file."""
    import onnx

    inside = folder / "model"
    inside.mkdir()
    model = onnx_graph()
    onnx.save(
        model,
        folder / "whole.onnx",
        save_as_external_data=True,
        location="outside.data",
        size_threshold=0,
    )
    reaching = onnx.load(folder / "whole.onnx", load_external_data=False)
    for tensor in reaching.graph.initializer:
        for entry in tensor.external_data:
            entry.value = "../outside.data" if entry.key == "location" else entry.value
    (inside / "model.onnx").write_bytes(reaching.SerializeToString())
    return inside / "model.onnx"


def test_onnxruntime_and_openvino_agree(tmp_path: Path) -> None:
    needs("openvino")
    artifact = tiny_onnx(tmp_path)
    rows = feeds(3, 8)
    expected = OnnxRuntime().open(artifact.model_file, 1).run(rows)["logits"]
    openvino_outputs = OpenVINO().open(artifact.model_file, 1).run(rows)["logits"]
    np.testing.assert_allclose(openvino_outputs, expected, atol=1e-5)


def test_refuses_a_format_that_is_not_its_own(tmp_path: Path) -> None:
    tiny_openvino(tmp_path)
    with pytest.raises(UnsupportedError, match="expected:  openvino"):
        open_predictor(tmp_path, runtime="onnxruntime")
    with pytest.raises(UnsupportedError, match="runtime 'torch' does not load"):
        open_predictor(tmp_path, runtime="torch")


def test_openvino_misses_its_weights(tmp_path: Path) -> None:
    artifact = tiny_openvino(tmp_path)
    (tmp_path / "model.bin").unlink()
    with pytest.raises(ArtifactError, match=r"OpenVINO cannot read.*bin file"):
        OpenVINO().open(artifact.model_file, 1)


def test_a_missing_package_is_no_exception() -> None:
    ok, reason, version = package_availability("no_such_package_here")
    assert (ok, version) == (False, None)
    assert "pip install" in reason


def test_availability_imports_no_backend() -> None:
    code = (
        "import sys; from runtimes.runtime import RUNTIMES\n"
        "for name in RUNTIMES: RUNTIMES.resolve(name)().availability()\n"
        "heavy = {'torch', 'onnxruntime', 'openvino', 'tensorrt', 'transformers', 'onnx'}\n"
        "print(sorted(heavy & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
    assert len(RUNTIMES.names()) >= 4


def test_openvino_is_imported_without_its_telemetry(tmp_path: Path) -> None:
    needs("openvino")
    code = (
        "import sys; from runtimes.openvino_runtime import import_openvino; import_openvino()\n"
        "print([name for name in sys.modules if name.startswith('openvino_telemetry.')])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        check=True,
        env={"HOME": str(tmp_path), "PATH": "", "PYTHONPATH": ":".join(filter(None, sys.path))},
    )
    assert done.stdout.strip() == "[]"
    assert list(tmp_path.iterdir()) == []


def test_a_signal_after_openvino_sessions_ended_is_survived(tmp_path: Path) -> None:
    needs("openvino")
    tiny_onnx(tmp_path)
    code = (
        "import gc, os, signal, sys\n"
        "from pathlib import Path\n"
        "from runtimes.predict import open_predictor\n"
        f"folder = Path({str(tmp_path)!r})\n"
        "models = [open_predictor(folder, runtime='openvino') for _ in range(3)]\n"
        "while models: models.pop(0).answer('my card')\n"
        "gc.collect()\n"
        "signal.signal(signal.SIGINT, lambda *_: print('survived'))\n"
        "os.kill(os.getpid(), signal.SIGINT)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, "survived\n")


@pytest.mark.parametrize(
    ("form", "wanted", "runtime"),
    [
        ("onnx", "", "onnxruntime"),
        ("onnx", "openvino", "openvino"),
        ("openvino", "onnxruntime", "openvino"),
        ("onnx", "torch", "onnxruntime"),
    ],
)
def test_a_model_runs_in_the_wanted_runtime_if_that_loads_it(
    form: str, wanted: str, runtime: str
) -> None:
    assert runs_in(form, wanted) == runtime


def test_a_format_that_is_not_deployed_is_refused() -> None:
    with pytest.raises(UnsupportedError, match=r"huggingface.*not one that is deployed"):
        runs_in("huggingface", "torch")
