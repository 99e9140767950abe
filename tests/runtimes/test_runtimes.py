"""The runtimes against the contract, and what is particular to each."""

from __future__ import annotations

import json
import subprocess
import sys
from array import array
from pathlib import Path

import numpy as np
import pytest

from runtimes.artifact import Artifact
from runtimes.coreml_runtime import CoreML
from runtimes.errors import ArtifactError, BackendError, InputError, UnsupportedError
from runtimes.executorch_runtime import ExecuTorch
from runtimes.litert_runtime import LiteRT
from runtimes.onnx_c_runtime import OnnxRuntimeC
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
    LABELS,
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


class TestOnnxRuntimeC(RuntimeContract):
    runtime = OnnxRuntimeC()

    @staticmethod
    def make(folder: Path) -> Artifact:
        return tiny_onnx(folder)

    def test_translates_a_failing_run_and_goes_on(self, opened: Opened) -> None:
        good = feeds(1, 4)
        expected = opened.run(good)["logits"]
        rows = {**good, "input_ids": good["input_ids"] + 10_000}  # no such token
        for _ in range(3):
            with pytest.raises(BackendError, match=r"ONNX Runtime: .*out of"):
                opened.run(rows)
            assert opened.run(good)["logits"] == expected

    def test_refuses_weights_outside_the_folder(self, tmp_path: Path) -> None:
        with pytest.raises(ArtifactError, match="outside its folder"):
            self.runtime.open(reaching_out(tmp_path), 1)

    def test_it_answers_without_numpy_and_without_the_package(self, artifact: Artifact) -> None:
        code = (
            "import sys; from pathlib import Path\n"
            "from runtimes.predict import open_predictor\n"
            f"model = open_predictor(Path({str(artifact.path)!r}), runtime='onnxruntime-c')\n"
            "model.answer('my card')\n"
            "print(sorted({'numpy', 'onnxruntime'} & set(sys.modules)))"
        )
        done = subprocess.run(
            [sys.executable, "-c", code], capture_output=True, text=True, check=True
        )
        assert done.stdout.strip() == "[]"

    def test_it_gives_the_same_bits_as_the_package(self, artifact: Artifact) -> None:
        mine, theirs = (
            self.runtime.open(artifact.model_file, 1),
            OnnxRuntime().open(artifact.model_file, 1),
        )
        assert mine.inputs == theirs.inputs
        assert mine.outputs == theirs.outputs
        for batch, length in [(1, n) for n in range(1, 40)] * 2 + [(7, 3), (2, 9), (64, 33)]:
            rows = feeds(batch, length)
            expected = theirs.run(rows)["logits"]
            np.testing.assert_array_equal(np.asarray(mine.run(rows)["logits"]), expected)
            strided = {name: np.asfortranarray(array) for name, array in rows.items()}
            np.testing.assert_array_equal(np.asarray(mine.run(strided)["logits"]), expected)

    def test_more_shapes_than_are_kept(self, opened: Opened) -> None:
        for length in range(1, 400):
            assert opened.run(feeds(1, length))["logits"].shape == (1, len(LABELS))

    def test_outputs_whose_shape_depends_on_values(self, tmp_path: Path) -> None:
        from onnx import TensorProto, helper, save

        node = helper.make_node("NonZero", ["x"], ["places"])
        graph = helper.make_graph(
            [node],
            "places",
            [helper.make_tensor_value_info("x", TensorProto.INT64, ["n"])],
            [helper.make_tensor_value_info("places", TensorProto.INT64, [1, "m"])],
        )
        opsets = [helper.make_opsetid("", 17)]
        save(helper.make_model(graph, opset_imports=opsets, ir_version=8), tmp_path / "model.onnx")
        run = self.runtime.open(tmp_path / "model.onnx", 1).run
        for given in ([1, 0, 2], [0, 0, 3], [1, 1, 1]):
            expected = [[place for place, number in enumerate(given) if number]]
            assert run({"x": array("q", given)})["places"].tolist() == expected
        with pytest.raises(BackendError, match="no elements"):
            run({"x": array("q", [0, 0, 0])})


class TestOnnxRuntimeCWithOrt(RuntimeContract):
    runtime = OnnxRuntimeC()

    @staticmethod
    def make(folder: Path) -> Artifact:
        return tiny_ort(folder)


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


class OfBoundedLength(RuntimeContract):
    """What holds for models made for rows of at most 32 tokens."""

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


class TestLiteRT(OfBoundedLength):
    runtime = LiteRT()

    @staticmethod
    def make(folder: Path) -> Artifact:
        return tiny_tflite(folder)

    def test_refuses_a_model_that_has_no_signature_for_a_length(
        self, artifact: Artifact, tmp_path: Path
    ) -> None:
        content = artifact.model_file.read_bytes()
        assert content.count(b"tokens_") >= 3
        (tmp_path / "model.tflite").write_bytes(content.replace(b"tokens_", b"serving"))
        with pytest.raises(ArtifactError, match="without signatures"):
            self.runtime.open(tmp_path / "model.tflite", 1)


class TestExecuTorch(OfBoundedLength):
    runtime = ExecuTorch()

    @staticmethod
    def make(folder: Path) -> Artifact:
        return tiny_executorch(folder)


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
