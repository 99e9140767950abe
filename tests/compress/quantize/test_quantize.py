"""Every scheme in every format: smaller, as accurate as its source, or refused."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from onnx import numpy_helper
from pydantic import ValidationError

from compress.data.rows import Rows
from compress.export.stage import Export
from compress.graph.onnx_graph import load_onnx
from compress.progress import Silence
from compress.quantize import litert_dynamic
from compress.quantize.calibration import calibration_feeds
from compress.quantize.check import Limits, check_result, refuse_if_worse
from compress.quantize.embeddings import pack_rows
from compress.quantize.schemes import SCHEMES, Scheme
from compress.quantize.stage import Quantize
from compress.run.bundle import write_bundle
from compress.stage import RunContext, execute
from compress.storage.sources import code_digest
from profiles.paired import Paired
from profiles.scores import RowScores
from runtimes.artifact import Artifact, read_artifact
from runtimes.errors import ArtifactError, DataError, QualityError, RecipeError, UnsupportedError
from runtimes.litert_runtime import LiteRT
from runtimes.predict import open_predictor
from tests.absent import needs
from tests.compress.contract_stage import StageContract
from tests.compress.exported import context as make_context
from tests.compress.exported import data, exported, trained
from tests.compress.outlines import outline
from tests.compress.tiny_models import MODEL_TYPES
from tests.runtimes.tiny import feeds, tiny_tflite

LARGEST = {"int8-dynamic": 0.4, "int8-static": 0.4, "int4-weight-only": 0.3, "fp16": 0.55}


class _QuantizeContract(StageContract):
    scheme = "int8-dynamic"
    weights = "int8"
    format = "onnx"
    largest: float | None = None

    @pytest.fixture(scope="class")
    @classmethod
    def stage(cls) -> Quantize:
        return Quantize(scheme=cls.scheme, weights=cls.weights, calibration_rows=32)  # type: ignore[arg-type]

    @pytest.fixture(scope="class")
    @classmethod
    def source(cls) -> Artifact:
        return exported(cls.format)

    @pytest.fixture(scope="class")
    @classmethod
    def context(cls) -> RunContext:
        return make_context()

    def test_shrinks_and_keeps_its_answers(self, made: tuple[str, Artifact]) -> None:
        metrics = made[1].history[-1].metrics
        assert metrics["size_ratio"] < (self.largest or LARGEST[self.scheme])
        assert metrics["agreement"] >= 0.95
        assert made[1].precision == self.scheme.partition("-")[0]

    def test_runs_from_the_bundle(self, source: Artifact, made: tuple[str, Artifact]) -> None:
        before, after = open_predictor(source.path), open_predictor(made[1].path)
        for text in data().test.inputs[:5]:
            assert np.abs(np.subtract(before.answer(text), after.answer(text))).max() < 1.5


class TestOnnxInt8Dynamic(_QuantizeContract):
    pass


class TestOnnxInt4OneToken(_QuantizeContract):
    weights = "int4"


class TestOnnxInt8Static(_QuantizeContract):
    scheme = "int8-static"


class TestOnnxInt4(_QuantizeContract):
    scheme = "int4-weight-only"


class TestOnnxFp16(_QuantizeContract):
    scheme = "fp16"


class TestOpenVINOInt8Dynamic(_QuantizeContract):
    format = "openvino"


class TestOpenVINOInt8Static(_QuantizeContract):
    scheme = "int8-static"
    format = "openvino"


class TestOpenVINOInt4(_QuantizeContract):
    scheme = "int4-weight-only"
    format = "openvino"


class TestOpenVINOFp16(_QuantizeContract):
    scheme = "fp16"
    format = "openvino"


class TestTfliteInt8Dynamic(_QuantizeContract):
    largest = 0.8

    @pytest.fixture(scope="class")
    @classmethod
    def source(cls, tmp_path_factory: pytest.TempPathFactory) -> Artifact:
        needs("litert_torch")
        target = tmp_path_factory.mktemp("tflite") / "exported"
        return execute(Export("tflite"), trained(), make_context(), target)


class TestExecuTorchInt8Dynamic(_QuantizeContract):
    @pytest.fixture(scope="class")
    @classmethod
    def source(cls, tmp_path_factory: pytest.TempPathFactory) -> Artifact:
        needs("executorch")
        target = tmp_path_factory.mktemp("executorch") / "exported"
        return execute(Export("executorch"), trained(), make_context(), target)

    def test_needs_the_torch_model_beside_the_file(self, source: Artifact, tmp_path: Path) -> None:
        shipped = read_artifact(write_bundle(source, tmp_path / "bundle"))
        with pytest.raises(UnsupportedError, match="no torch model beside"):
            _run(tmp_path, shipped)


class TestExecuTorchInt8Static(TestExecuTorchInt8Dynamic):
    scheme = "int8-static"


def test_the_int8_of_tflite_keeps_what_the_fp32_file_says(tmp_path: Path) -> None:
    needs("ai_edge_quantizer")
    source = tiny_tflite(tmp_path)
    made = tmp_path / "int8"
    made.mkdir()
    litert_dynamic.quantize(source, Quantize(), make_context(), made)
    before, after = (LiteRT().open(folder / "model.tflite", 1) for folder in (tmp_path, made))
    assert (made / "model.tflite").stat().st_size < source.model_file.stat().st_size
    for length in (3, 12, 30):
        rows = feeds(2, length)
        expected = before.run(rows)["logits"]
        np.testing.assert_allclose(after.run(rows)["logits"], expected, atol=0.05)


def _run(tmp_path: Path, source: Artifact | None = None, **settings: Any) -> Artifact:
    stage = Quantize(**{"calibration_rows": 32, **settings})
    return execute(stage, source or exported("onnx"), make_context(), tmp_path / "result")


def test_none_passes_through(tmp_path: Path) -> None:
    made = _run(tmp_path, scheme="none")
    assert (made.digest, made.precision) == (exported("onnx").digest, "fp32")


@pytest.mark.parametrize("scheme", ["int8-dynamic", "int8-static", "int4-weight-only"])
def test_no_fp32_matrix_is_left_behind(tmp_path: Path, scheme: str) -> None:
    model = load_onnx(_run(tmp_path, scheme=scheme).model_file)
    left = {
        tensor.name
        for tensor in model.graph.initializer
        if tensor.data_type == onnx.TensorProto.FLOAT and np.prod(tensor.dims) > 1024
        if "scale" not in tensor.name
    }
    assert left <= {"bert.pooler.dense.weight"}


def test_embeddings_widths_differ_in_size(tmp_path: Path) -> None:
    sizes = [
        _run(tmp_path / width, embeddings=width).size_bytes() for width in ("int4", "int8", "fp32")
    ]
    assert sizes == sorted(sizes)
    assert sizes[0] < 0.95 * sizes[1] < 0.9 * sizes[2]


def test_without_a_dot_product_weights_keep_seven_bits(tmp_path: Path) -> None:
    for dot, largest in ((False, 64), (True, 127)):
        made = execute(
            Quantize(), exported("onnx"), make_context(int8_dot=dot), tmp_path / str(dot)
        )
        matrices = [
            numpy_helper.to_array(tensor)
            for tensor in load_onnx(made.model_file).graph.initializer
            if tensor.data_type == onnx.TensorProto.INT8 and len(tensor.dims) == 2
        ]
        assert max(int(np.abs(values.astype(int)).max()) for values in matrices) == largest
        assert made.history[-1].metrics["weight_bits"] == (8 if dot else 7)


def test_static_ranges_leave_the_mask_and_softmax_alone(tmp_path: Path) -> None:
    graph = load_onnx(_run(tmp_path, scheme="int8-static").model_file).graph
    makers = {name: node.op_type for node in graph.node for name in node.output}
    sources = {makers.get(n.input[0]) for n in graph.node if n.op_type == "QuantizeLinear"}
    assert not sources & {"Softmax", "Where", "Cast", "Expand"}
    scales = {n.input[1] for n in graph.node if n.op_type == "QuantizeLinear"}
    values = [numpy_helper.to_array(t) for t in graph.initializer if t.name in scales]
    assert max(float(scale.max()) for scale in values) < 1


def test_an_unclamped_mask_in_a_static_range_is_a_quality_error(tmp_path: Path) -> None:
    """Quantize the mask's sum as Olive's whole-graph recipe does: accuracy falls to chance."""
    from onnxruntime.quantization import QuantFormat, quantize_static
    from onnxruntime.quantization.quant_utils import add_pre_process_metadata

    from compress.quantize.qdq import CalibrationRows, quiet_quantizer

    source = exported("onnx")
    model = load_onnx(source.model_file)
    add_pre_process_metadata(model)
    rows = calibration_feeds(source, data(), 32)
    short = min(len(row["input_ids"][0]) for row in rows)
    padded = [{k: np.pad(v, ((0, 0), (0, 40 - v.shape[1]))) for k, v in r.items()} for r in rows]
    assert short < 40
    for file in source.path.glob("tokenizer*"):
        (tmp_path / file.name).write_bytes(file.read_bytes())
    with quiet_quantizer():
        quantize_static(
            model,
            str(tmp_path / "model.onnx"),
            CalibrationRows(padded),
            quant_format=QuantFormat.QDQ,
            op_types_to_quantize=["MatMul", "Gemm", "Gather", "Add", "Softmax"],
            per_channel=True,
        )
    with pytest.raises(QualityError, match=r"fell to chance|lost accuracy"):
        check_result(source, tmp_path, Limits("int8-static", 0.95, 0.03, ""), make_context())


def test_too_few_calibration_rows_are_refused(tmp_path: Path) -> None:
    few = dataclasses.replace(data(), train=Rows(("a",) * 9, (0,) * 9), unlabeled=())
    context = dataclasses.replace(make_context(), data=few)
    with pytest.raises(DataError, match="9 training rows"):
        execute(Quantize("int8-static"), exported("onnx"), context, tmp_path / "result")
    assert list(tmp_path.iterdir()) == []


def test_calibration_rows_keep_their_lengths() -> None:
    feeds = calibration_feeds(exported("onnx"), data(), 40)
    assert len(feeds) == 40
    assert len({row["input_ids"].shape for row in feeds}) > 3
    assert all(row["attention_mask"].all() for row in feeds)


@pytest.mark.parametrize(
    "settings",
    [{"scheme": "int5"}, {"calibration_rows": 8}, {"block_size": 20}, {"bits": 4}],
)
def test_wrong_settings_are_refused(settings: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        Quantize(**settings)


@pytest.mark.parametrize("row", SCHEMES, ids=lambda row: f"{row.name}-{row.format}")
def test_the_algorithm_s_code_is_part_of_what_decides_the_result(row: Scheme) -> None:
    module = row.algorithm.partition(":")[0]
    assert module in Quantize(scheme=row.name).modules
    assert code_digest(module)


def test_an_unknown_scheme_gets_the_nearest() -> None:
    with pytest.raises(ValidationError, match="did you mean 'int8-static'"):
        Quantize(scheme="int8-statik")


def test_int4_on_a_format_without_it_is_refused_while_planning() -> None:
    with pytest.raises(UnsupportedError, match="int4-weight-only"):
        Quantize("int4-weight-only").check(outline("bert", "tensorrt"))


def test_embeddings_that_a_scheme_cannot_choose_are_refused() -> None:
    with pytest.raises(RecipeError, match="embeddings 'int4'"):
        Quantize("fp16", embeddings="int4").check(outline("bert", "onnx"))


def test_weights_that_a_scheme_cannot_narrow_are_refused() -> None:
    with pytest.raises(RecipeError, match="weights 'int4'"):
        Quantize("int8-static", weights="int4").check(outline("bert", "onnx"))


def test_only_products_on_one_token_get_four_bits(tmp_path: Path) -> None:
    made = _run(tmp_path, weights="int4", block_size=32)
    graph = load_onnx(made.model_file).graph
    products = [node.op_type for node in graph.node if "MatMul" in node.op_type]
    narrow = [_bits(node) for node in graph.node if node.op_type == "MatMulNBits"]
    # of the last layer's first token: q, output, both of the FFN; pooler; the classifier's in 8
    assert narrow == [4, 4, 4, 4, 4, 8]
    assert products[-1] == "MatMulNBits"
    assert products.count("MatMulInteger") >= 5  # the first layer's
    whole = _run(tmp_path / "whole", weights="int8")
    assert made.size_bytes() < whole.size_bytes()


def test_an_excluded_product_stays_as_it_is(tmp_path: Path) -> None:
    whole = load_onnx(_run(tmp_path / "whole", weights="int4", block_size=32).model_file).graph
    narrow = [node.name for node in whole.node if node.op_type == "MatMulNBits"]
    excluded = narrow[0].removesuffix("_Q4")
    made = _run(tmp_path / "made", weights="int4", block_size=32, exclude=[excluded])
    graph = load_onnx(made.model_file).graph
    assert excluded in {node.name for node in graph.node if node.op_type == "MatMul"}
    assert [node.name for node in graph.node if node.op_type == "MatMulNBits"] == narrow[1:]


def test_an_excluded_classifier_stays_as_it_is(tmp_path: Path) -> None:
    ends = {output.name for output in load_onnx(exported("onnx").model_file).graph.output}
    nodes = load_onnx(exported("onnx").model_file).graph.node
    classifier = next(node.name for node in nodes if ends.intersection(node.output))
    made = _run(tmp_path, weights="int4", block_size=32, exclude=[classifier])
    graph = load_onnx(made.model_file).graph
    assert {_bits(node) for node in graph.node if node.op_type == "MatMulNBits"} == {4}


def _bits(node: Any) -> int:
    from onnx import helper

    return int(next(helper.get_attribute_value(a) for a in node.attribute if a.name == "bits"))


def test_a_quantized_source_is_refused(tmp_path: Path) -> None:
    made = _run(tmp_path)
    with pytest.raises(UnsupportedError, match="int8 already"):
        execute(Quantize(), made, make_context(), tmp_path / "twice")


@pytest.mark.parametrize("model_format", ["onnx", "openvino"])
def test_a_corrupt_model_is_refused(tmp_path: Path, model_format: str) -> None:
    good = exported(model_format)
    bad = tmp_path / "bad"
    bad.mkdir()
    for file in good.path.iterdir():
        (bad / file.name).write_bytes(file.read_bytes())
    source = dataclasses.replace(good, path=bad)
    source.model_file.write_bytes(good.model_file.read_bytes()[:4000])
    with pytest.raises(ArtifactError, match="an intact"):
        _run(tmp_path, source, scheme="fp16")
    assert not (tmp_path / "result").exists()


def test_what_did_not_shrink_is_refused(tmp_path: Path) -> None:
    for file in exported("onnx").path.iterdir():
        (tmp_path / file.name).write_bytes(file.read_bytes())
    with pytest.raises(QualityError, match="left 100% of the size"):
        check_result(
            exported("onnx"),
            tmp_path,
            Limits("int4-weight-only", 0.5, 0.03, ""),
            make_context(),
        )


def test_a_source_at_chance_cannot_be_judged(tmp_path: Path) -> None:
    rows = data().validation
    wrong = Rows(rows.inputs, tuple((label + 1) % 3 for label in rows.targets))
    silence = Silence()
    context = dataclasses.replace(
        make_context(),
        data=dataclasses.replace(data(), validation=wrong),
        progress=silence,
    )
    execute(Quantize(), exported("onnx"), context, tmp_path / "result")
    assert "cannot be judged" in silence.warnings[0]


def test_no_scheme_prints_or_logs(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    for model_format, scheme in (
        ("onnx", "int8-dynamic"),
        ("onnx", "int8-static"),
        ("onnx", "int4-weight-only"),
        ("openvino", "int8-dynamic"),
    ):
        _run(tmp_path, exported(model_format), scheme=scheme)
    assert capfd.readouterr() == ("", "")


def test_openvino_static_says_when_it_will_not_be_fast(tmp_path: Path) -> None:
    silence = Silence()
    context = dataclasses.replace(make_context(), progress=silence)
    stage = Quantize("int8-static", calibration_rows=32)
    execute(stage, exported("openvino"), context, tmp_path / "result")
    assert "not for speed" in silence.warnings[0]


def _pair(source: list[int], result: list[int]) -> Paired:
    """Return how often both answer class 0, which is right."""
    right = (RowScores.right(np.array(said) == 0) for said in (result, source))
    return Paired(*right)


LIMITS = Limits("int8-dynamic", 0.6, 0.02, "try another scheme")


@pytest.mark.parametrize(
    ("agreement", "result", "says"),
    [
        (0.95, [0] * 80 + [1] * 20, "lost accuracy: 100.0% → 80.0% on 100"),
        (0.95, [0] * 25 + [1] * 75, "fell to chance: accuracy 100.0% → 25.0%"),
        (0.85, [0] * 100, "agrees with its source on only 85.0%"),
    ],
)
def test_a_result_that_lost_too_much_is_refused(
    agreement: float, result: list[int], says: str
) -> None:
    with pytest.raises(QualityError, match=says):
        refuse_if_worse(agreement, _pair([0] * 100, result), 0.3, LIMITS)


def test_a_few_rows_are_no_sure_loss() -> None:
    refuse_if_worse(0.98, _pair([0] * 100, [0] * 96 + [1] * 4), 0.3, LIMITS)
    refuse_if_worse(0.98, _pair([0] * 90 + [1] * 10, [1] * 10 + [0] * 90), 0.3, LIMITS)


@given(
    st.integers(1, 5),
    st.sampled_from([16, 40, 64, 130]),
    st.sampled_from([(4, 32), (8, 128)]),
    st.integers(0, 1000),
)
def test_packed_rows_unpack_within_half_a_step(
    rows: int, width: int, kind: tuple[int, int], seed: int
) -> None:
    """But for values as far out as a block's furthest, on its other side, within one step."""
    bits, block = kind
    table = np.random.default_rng(seed).normal(size=(rows, width)).astype(np.float32)
    packed, scales = pack_rows(table, bits, block)
    values = packed.astype(int)
    if bits == 4:
        values = np.stack([values & 15, values >> 4], axis=-1).reshape(rows, width)
    steps = np.repeat(scales.astype(np.float32), block, axis=1)[:, :width]
    whole = values - (1 << (bits - 1))
    limit = np.where(whole == (1 << (bits - 1)) - 1, 1.01, 0.501)
    assert np.all(np.abs(whole * steps - table) <= limit * np.abs(steps))
    assert np.all(whole.min(axis=1) == -(1 << (bits - 1)))


def test_a_row_of_zeros_stays_zero() -> None:
    packed, scales = pack_rows(np.zeros((1, 32), np.float32), 4, 32)
    assert (packed == 0x88).all()
    assert np.isfinite(scales).all()


def test_four_bits_are_for_the_largest_table_alone(tmp_path: Path) -> None:
    graph = load_onnx(_run(tmp_path, embeddings="int4").model_file).graph
    bits = {
        node.input[0]: {one.name: one.i for one in node.attribute}["bits"]
        for node in graph.node
        if node.op_type == "GatherBlockQuantized"
    }
    assert bits["bert.embeddings.word_embeddings.weight_q4"] == 4
    assert set(bits.values()) <= {4, 8}
    assert list(bits.values()).count(4) == 1


def test_roberta_int8_dynamic(tmp_path: Path) -> None:
    source = exported("onnx", "roberta")
    made = execute(Quantize(), source, make_context("roberta"), tmp_path / "result")
    assert made.history[-1].metrics["agreement"] >= 0.95


@pytest.mark.slow
@pytest.mark.parametrize("model_type", MODEL_TYPES)
@pytest.mark.parametrize(
    ("model_format", "scheme"),
    [("onnx", "int8-dynamic"), ("onnx", "int4-weight-only"), ("openvino", "int8-static")],
)
def test_every_architecture(
    tmp_path: Path, model_type: str, model_format: str, scheme: str
) -> None:
    weights = "int4" if (model_format, scheme) == ("onnx", "int8-dynamic") else "int8"
    source = exported(model_format, model_type)
    made = execute(
        Quantize(scheme=scheme, weights=weights, calibration_rows=32, max_drop=0.1),  # type: ignore[arg-type]
        source,
        make_context(model_type),
        tmp_path / "result",
    )
    assert made.history[-1].metrics["size_ratio"] < 0.5
