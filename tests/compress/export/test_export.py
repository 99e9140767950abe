"""Exports compute the same as their source, at every shape, for every architecture."""

from __future__ import annotations

import dataclasses
import re
import stat
import subprocess
import sys
import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import numpy_helper

from compress.export.litert_export import lengths_of
from compress.export.parity import check_parity, file_run
from compress.export.stage import Export
from compress.graph.onnx_graph import MASK_FLOOR, load_onnx, tidy
from compress.models.feeds import ExampleFeeds
from compress.models.outline import outline_of
from compress.quantize.stage import Quantize
from compress.run.bundle import write_bundle
from compress.stage import RunContext, execute
from runtimes.artifact import Artifact
from runtimes.errors import ArtifactError, QualityError, UnsupportedError
from runtimes.predict import open_predictor
from tests.absent import needs
from tests.compress.contract_stage import StageContract
from tests.compress.exported import context as make_context
from tests.compress.exported import exported, trained
from tests.compress.tiny_models import MODEL_TYPES
from tests.runtimes.tiny import onnx_graph, tiny_onnx, tiny_tflite
from tests.runtimes.tiny_tflite import LENGTHS


class _ExportContract(StageContract):
    @pytest.fixture(scope="class")
    @classmethod
    def context(cls) -> RunContext:
        return make_context()

    @pytest.fixture(scope="class")
    @classmethod
    def source(cls) -> Artifact:
        return trained()


class _OfOnnx(_ExportContract):
    @pytest.fixture(scope="class")
    @classmethod
    def source(cls) -> Artifact:
        return exported("onnx")


class TestOnnx(_ExportContract):
    @pytest.fixture(scope="class")
    @classmethod
    def stage(cls) -> Export:
        return Export("onnx")

    def test_graph_is_plain_and_nameless(self, made: tuple[str, Artifact]) -> None:
        model = load_onnx(made[1].model_file)
        names = [value.name for value in (*model.graph.input, *model.graph.output)]
        assert names == ["input_ids", "attention_mask", "logits"]
        assert names[:-1] == [spec.name for spec in made[1].inputs]
        assert {node.domain for node in model.graph.node} == {""}
        assert not model.graph.value_info
        content = made[1].model_file.read_bytes()
        for trace in (b"/home", b"/usr", b"site-packages", b".py"):
            assert trace not in content

    def test_mask_is_clamped(self, made: tuple[str, Artifact]) -> None:
        model = load_onnx(made[1].model_file)
        floats = [
            numpy_helper.to_array(tensor)
            for tensor in model.graph.initializer
            if tensor.data_type == onnx.TensorProto.FLOAT
        ]
        assert min(float(values.min()) for values in floats) == MASK_FLOOR


class TestOpenVINO(_OfOnnx):
    @pytest.fixture(scope="class")
    @classmethod
    def stage(cls) -> Export:
        return Export("openvino")

    def test_weights_stay_fp32(self, source: Artifact, made: tuple[str, Artifact]) -> None:
        weights = made[1].path / "model.bin"
        assert weights.stat().st_size >= 4 * source.parameters


class TestOrt(_OfOnnx):
    @pytest.fixture(scope="class")
    @classmethod
    def stage(cls) -> Export:
        return Export("ort")

    def test_lists_operators_with_types_for_a_reduced_build(
        self, made: tuple[str, Artifact]
    ) -> None:
        text = (made[1].path / "required_operators_and_types.config").read_text()
        assert re.search(r'^ai\.onnx;\d+;.*Softmax\{"inputs": \{"0": \["float"\]\}\}', text, re.M)
        assert "model.ort" not in text  # a comment of the tool names the folder of the export

    def test_holds_nothing_that_another_processor_lacks(self, made: tuple[str, Artifact]) -> None:
        content = made[1].model_file.read_bytes()
        assert content[4:8] == b"ORTM"
        text = (made[1].path / "required_operators_and_types.config").read_text()
        domains = {line.partition(";")[0] for line in text.splitlines()}
        assert domains <= {"ai.onnx", "com.microsoft"}  # com.microsoft.nchwc is for x86


class TestTflite(_ExportContract):
    @pytest.fixture(scope="class")
    @classmethod
    def stage(cls) -> Export:
        needs("litert_torch")
        return Export("tflite")

    def test_takes_no_input_that_is_the_same_for_every_text(
        self, made: tuple[str, Artifact]
    ) -> None:
        assert [spec.name for spec in made[1].inputs] == ["input_ids", "attention_mask"]


class TestExecuTorch(_ExportContract):
    @pytest.fixture(scope="class")
    @classmethod
    def stage(cls) -> Export:
        needs("executorch")
        return Export("executorch")

    def test_says_which_operators_run_outside_xnnpack(self, made: tuple[str, Artifact]) -> None:
        metrics = made[1].history[-1].metrics
        assert metrics["XNNPACK parts"] >= 1
        assert metrics["outside XNNPACK: aten.embedding"] >= 1
        products = ("linear", "bmm", "addmm", "mm", "softmax")
        assert not [name for name in metrics if name.endswith(products)]

    def test_the_torch_model_beside_it_ships_with_no_bundle(
        self, made: tuple[str, Artifact], tmp_path: Path
    ) -> None:
        assert (made[1].path / "torch" / "model.safetensors").is_file()
        assert made[1].size_bytes() < 1.5 * made[1].model_file.stat().st_size + 50_000
        shipped = write_bundle(made[1], tmp_path / "bundle")
        assert not (shipped / "torch").exists()


class TestCoreML(_ExportContract):
    @pytest.fixture(scope="class")
    @classmethod
    def stage(cls) -> Export:
        needs("coremltools")
        return Export("coreml")

    def test_is_a_package_of_the_model_s_lengths(self, made: tuple[str, Artifact]) -> None:
        from coremltools.proto.Model_pb2 import Model

        with zipfile.ZipFile(made[1].model_file) as archive:
            (name,) = [name for name in archive.namelist() if name.endswith(".mlmodel")]
            described = Model.FromString(archive.read(name)).description
        assert {one.name for one in described.input} == {"input_ids", "attention_mask"}
        ranges = described.input[0].type.multiArrayType.shapeRange.sizeRanges
        assert [(one.lowerBound, one.upperBound) for one in ranges] == [
            (1, 1),
            (2, made[1].max_length),
        ]
        assert [one.name for one in described.output] == ["logits"]

    def test_says_that_nothing_compared_it(self, stage: Export, source: Artifact) -> None:
        if sys.platform != "darwin":
            (warning,) = stage.check(outline_of(source))
            assert "nothing here compares the package" in warning


class TestTensorRT(_OfOnnx):
    @pytest.fixture(scope="class")
    @classmethod
    def stage(cls) -> Export:
        return Export("tensorrt", calibration_rows=32)

    def test_result_is_an_int8_onnx_file(self, made: tuple[str, Artifact]) -> None:
        assert (made[1].format, made[1].precision) == ("onnx", "int8")
        assert made[1].history[-1].metrics["agreement"] > 0.95

    def test_script_is_a_shell_script_with_every_shape(
        self, source: Artifact, made: tuple[str, Artifact]
    ) -> None:
        script = made[1].path / "build_engine.sh"
        assert script.stat().st_mode & stat.S_IXUSR
        assert subprocess.run(["sh", "-n", script], check=False).returncode == 0
        text = script.read_text()
        assert "--stronglyTyped" in text
        assert f"input_ids:8x{source.max_length}" in text


def test_openvino_straight_from_torch_is_the_same_and_silent(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    expected = exported("openvino").digest
    capfd.readouterr()
    made = execute(Export("openvino"), trained(), make_context(), tmp_path / "result")
    assert made.digest == expected
    assert capfd.readouterr() == ("", "")


def test_ort_is_made_of_a_quantized_model_too_and_answers_the_same(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    source = execute(Quantize(), exported("onnx"), make_context(), tmp_path / "int8")
    capfd.readouterr()
    made = execute(Export("ort"), source, make_context(), tmp_path / "ort")
    assert capfd.readouterr() == ("", "")
    assert (made.format, made.precision) == ("ort", "int8")
    assert made.history[-1].metrics["difference"] < 1e-4
    assert (
        "DynamicQuantizeMatMul" in (made.path / "required_operators_and_types.config").read_text()
    )
    texts = [f"my card {word}" for word in ("is lost", "arrived", "was charged twice")]
    one, other = (open_predictor(folder.path) for folder in (source, made))
    for text in texts:
        np.testing.assert_allclose(other.answer(text), one.answer(text), atol=1e-5)


def test_tflite_is_not_made_of_onnx(tmp_path: Path) -> None:
    with pytest.raises(UnsupportedError, match=r"'onnx' to 'tflite'[\s\S]*the torch model"):
        Export("tflite").check(outline_of(exported("onnx")))


def test_a_tflite_signature_costs_at_most_twice_a_row_s_length() -> None:
    assert lengths_of(128) == (8, 16, 32, 64, 128)
    assert lengths_of(100) == (8, 16, 32, 64, 100)
    assert lengths_of(8) == (8,)


def test_parity_finds_a_tflite_file_whose_embeddings_diverge(tmp_path: Path) -> None:
    """As in google-ai-edge/litert-torch#869, but for one token."""
    good = tiny_tflite(tmp_path)
    examples = ExampleFeeds.of(good)
    onnx = file_run(tiny_onnx(tmp_path / "onnx").path, "onnx")

    def difference(lengths: Sequence[int]) -> float:
        run, path = file_run(tmp_path, "tflite"), good.model_file
        return check_parity(onnx, run, examples, good.max_length, path, lengths=lengths)

    assert difference(LENGTHS) < 1e-5
    token = examples.draw(1, 16)["input_ids"][0, 9]  # stands in none of the usual shapes
    table = numpy_helper.to_array(onnx_graph().graph.initializer[0])
    content, row = good.model_file.read_bytes(), table[token].tobytes()
    assert content.count(row) == 1
    good.model_file.write_bytes(content.replace(row, (table[token] + 0.5).tobytes()))
    with pytest.raises(QualityError, match=r"model\.tflite: logits differ"):
        difference(LENGTHS)


def test_parity_looks_at_every_length_that_has_a_graph_of_its_own() -> None:
    source = exported("onnx")
    run = file_run(source.path, "onnx")

    def wrong_from_9_to_16(feeds: dict[str, Any]) -> Any:
        return run(feeds) + (0.01 if 9 <= feeds["input_ids"].shape[1] <= 16 else 0.0)

    def check(lengths: Sequence[int]) -> float:
        examples, path = ExampleFeeds.of(source), source.model_file
        length = source.max_length
        return check_parity(run, wrong_from_9_to_16, examples, length, path, lengths=lengths)

    assert check(()) == 0.0
    with pytest.raises(QualityError, match="16 tokens"):
        check((8, 16, 32))


def test_onnx_to_onnx_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UnsupportedError, match="itself"):
        execute(Export("onnx"), exported("onnx"), make_context(), tmp_path / "result")


def test_a_quantized_source_is_refused(tmp_path: Path) -> None:
    source = dataclasses.replace(exported("onnx"), precision="int8")
    with pytest.raises(UnsupportedError, match="int8"):
        execute(Export("openvino"), source, make_context(), tmp_path / "result")


@pytest.mark.parametrize("damage", [b"", b"not a model", None])
def test_a_corrupt_onnx_is_refused(tmp_path: Path, damage: bytes | None) -> None:
    path = tmp_path / "model.onnx"
    whole = exported("onnx").model_file.read_bytes()
    path.write_bytes(whole[: len(whole) // 2] if damage is None else damage)
    with pytest.raises(ArtifactError, match="not an intact ONNX file"):
        load_onnx(path)


def test_parity_names_the_shape_that_differs(tmp_path: Path) -> None:
    source = exported("onnx")
    model = load_onnx(source.model_file)
    for tensor in model.graph.initializer:
        if tensor.name == "classifier.bias":
            values = numpy_helper.to_array(tensor) + np.float32(0.01)
            tensor.CopyFrom(numpy_helper.from_array(values, tensor.name))
    onnx.save_model(model, str(tmp_path / "model.onnx"))
    with pytest.raises(QualityError, match=r"batch 1, 2 tokens"):
        check_parity(
            file_run(source.path, "onnx"),
            file_run(tmp_path, "onnx"),
            ExampleFeeds.of(source),
            source.max_length,
            tmp_path / "model.onnx",
        )


def test_padding_does_not_change_a_row() -> None:
    source = exported("onnx")
    run = file_run(source.path, "onnx")
    short = ExampleFeeds.of(source).draw(1, 9)
    padded = {name: np.pad(array, ((0, 0), (0, 7))) for name, array in short.items()}
    np.testing.assert_allclose(run(padded), run(short), atol=1e-5)


def test_equal_weights_are_stored_once() -> None:
    source = exported("onnx")
    model = load_onnx(source.model_file)
    twin = onnx.TensorProto()
    twin.CopyFrom(next(row for row in model.graph.initializer if row.name == "classifier.weight"))
    twin.name = "twin"
    model.graph.initializer.append(twin)
    model.graph.node[-1].input[1] = "twin"
    tidy(model)
    assert "twin" not in {row.name for row in model.graph.initializer}
    assert model.graph.node[-1].input[1] == "classifier.weight"


def _agrees_with_bundle(artifact: Artifact) -> None:
    predictor = open_predictor(artifact.path)
    assert len(predictor.answer("I love the refund")) == len(artifact.labels)


def test_roberta_without_token_types(tmp_path: Path) -> None:
    made = exported("onnx", "roberta")
    assert [spec.name for spec in made.inputs] == ["input_ids", "attention_mask"]
    _agrees_with_bundle(made)


@pytest.mark.slow
@pytest.mark.parametrize("model_type", MODEL_TYPES)
@pytest.mark.parametrize("model_format", ["onnx", "openvino"])
def test_every_architecture(model_type: str, model_format: str) -> None:
    made = exported(model_format, model_type)
    assert made.history[-1].metrics["difference"] < 1e-4
    assert made.size_mb < 1.6 * 4e-6 * made.parameters + 0.2
    _agrees_with_bundle(made)
