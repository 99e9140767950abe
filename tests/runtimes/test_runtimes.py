"""The runtimes against the contract, and what is particular to each."""

from __future__ import annotations

import dataclasses
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from runtimes.artifact import Artifact
from runtimes.errors import ArtifactError, BackendError, UnsupportedError
from runtimes.onnx_runtime import OnnxRuntime
from runtimes.openvino_runtime import OpenVINO
from runtimes.packages import package_availability
from runtimes.session import RUNTIMES, SessionOptions
from runtimes.tensorrt_runtime import TensorRT
from runtimes.torch_runtime import Torch
from tests.runtimes.contract_runtime import AvailabilityContract, RuntimeContract
from tests.runtimes.tiny import feeds, tiny_onnx, tiny_openvino, tiny_torch


class TestOnnxRuntime(RuntimeContract):
    runtime = OnnxRuntime()

    @staticmethod
    def make(folder: Path) -> Artifact:
        return tiny_onnx(folder)

    def test_translates_a_failing_run(self, artifact: Artifact) -> None:
        rows = feeds(1, 4)
        rows["input_ids"] = rows["input_ids"] + 10_000  # no such token
        with (
            self.runtime.load(artifact, SessionOptions()) as session,
            pytest.raises(BackendError, match=r"ONNX Runtime: .*out of"),
        ):
            session.infer(rows)


class TestOpenVINO(RuntimeContract):
    runtime = OpenVINO()

    @staticmethod
    def make(folder: Path) -> Artifact:
        return tiny_openvino(folder)


class TestOpenVINOWithOnnx(RuntimeContract):
    runtime = OpenVINO()

    @staticmethod
    def make(folder: Path) -> Artifact:
        return tiny_onnx(folder)


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
            self.runtime.load(artifact, SessionOptions())


class TestTensorRT(AvailabilityContract):
    runtime = TensorRT()

    def test_says_why_it_cannot_load(self, tmp_path: Path) -> None:
        if self.runtime.availability().ok:
            pytest.skip("TensorRT is here")
        artifact = dataclasses.replace(tiny_onnx(tmp_path), format="tensorrt")
        with pytest.raises(UnsupportedError, match="tensorrt"):
            self.runtime.load(artifact, SessionOptions())


def test_onnxruntime_and_openvino_agree(tmp_path: Path) -> None:
    artifact = tiny_onnx(tmp_path)
    rows = feeds(3, 8)
    with OnnxRuntime().load(artifact, SessionOptions()) as session:
        expected = session.infer(rows)["logits"]
    with OpenVINO().load(artifact, SessionOptions()) as session:
        np.testing.assert_allclose(session.infer(rows)["logits"], expected, atol=1e-5)


def test_refuses_a_format_that_is_not_its_own(tmp_path: Path) -> None:
    artifact = tiny_openvino(tmp_path)
    with pytest.raises(UnsupportedError, match="expected:  onnx"):
        OnnxRuntime().load(artifact, SessionOptions())


def test_openvino_misses_its_weights(tmp_path: Path) -> None:
    artifact = tiny_openvino(tmp_path)
    (tmp_path / "model.bin").unlink()
    with pytest.raises(ArtifactError, match=r"OpenVINO cannot read.*bin file"):
        OpenVINO().load(artifact, SessionOptions())


def test_a_missing_package_is_no_exception() -> None:
    ok, reason, version = package_availability("no_such_package_here")
    assert (ok, version) == (False, None)
    assert "pip install" in reason


def test_availability_imports_no_backend() -> None:
    code = (
        "import sys; from runtimes.session import RUNTIMES\n"
        "for name in RUNTIMES: RUNTIMES.resolve(name)().availability()\n"
        "heavy = {'torch', 'onnxruntime', 'openvino', 'tensorrt', 'transformers', 'onnx'}\n"
        "print(sorted(heavy & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
    assert len(RUNTIMES.names()) >= 4


def test_openvino_is_imported_without_its_telemetry(tmp_path: Path) -> None:
    code = (
        "import sys; from runtimes import predict; predict.import_openvino()\n"
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
    tiny_onnx(tmp_path)
    code = (
        "import gc, os, signal, sys\n"
        "from runtimes import predict\n"
        f"models = [predict.load({str(tmp_path)!r}, runtime='openvino') for _ in range(3)]\n"
        "while models: models.pop(0).logits('my card')\n"
        "gc.collect()\n"
        "signal.signal(signal.SIGINT, lambda *_: print('survived'))\n"
        "os.kill(os.getpid(), signal.SIGINT)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, "survived\n")
