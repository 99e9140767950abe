"""Operators' time, by the runtime's own profiler, with the precision of each product."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from compress.data.dataset import DataSettings
from compress.explain.explain import headline
from compress.explain.explanation import Explanation
from compress.explain.op_kinds import onnx_compute, openvino_compute
from compress.explain.operators import explain, products
from compress.explain.profiler import Node
from compress.explain.profiling import Profile, _floor, profile
from compress.explain.question import Question
from runtimes.artifact import Artifact, read_artifact, write_like
from runtimes.errors import ArtifactError, BackendError
from tests.runtimes import tiny
from tests.runtimes.sealed import resealed

pytestmark = pytest.mark.measured

LAYERS = 3


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory) -> Artifact:
    """Make an fp32 model whose matrix products are most of the work."""
    return tiny.tiny_onnx(tmp_path_factory.mktemp("plain") / "m", layers=LAYERS, hidden=256)


@pytest.fixture(scope="module")
def mixed(tmp_path_factory: pytest.TempPathFactory) -> Artifact:
    """Quantize a model dynamically but for its first layer, as a forgotten node would be."""
    return quantized(tmp_path_factory.mktemp("mixed") / "m", excluded=["layer.0"])


def quantized(folder: Path, excluded: list[str]) -> Artifact:
    import onnx
    from onnxruntime.quantization import quantize_dynamic

    tiny.tiny_onnx(folder, layers=LAYERS, hidden=256)
    source = folder.parent / "named.onnx"
    model = tiny.onnx_graph(LAYERS, 256)
    products = [node for node in model.graph.node if node.op_type == "MatMul"]
    for place, node in enumerate(products):
        node.name = f"layer.{place}"
    onnx.save(model, source)
    quantize_dynamic(source, folder / "model.onnx", nodes_to_exclude=excluded)
    return rewritten(folder, "int8")


def rewritten(folder: Path, precision: str) -> Artifact:
    return write_like(read_artifact(folder), folder, precision=precision, history=())


def asked(metric: str, artifact: Artifact, folder: Path, **more: Any) -> Question:
    rows = folder / "rows.csv"
    rows.write_text("\n".join(["text", *tiny.TEXTS]))
    return Question(metric, artifact, data=DataSettings(train=(), test=(str(rows),)), **more)


def test_every_operator_of_the_graph_is_there_once(plain: Artifact) -> None:
    profiled = profile(plain, tiny.TEXTS, 1, 0.3)
    names = [node.name for node in profiled.nodes]
    assert len(names) == len(set(names))
    assert sorted(node.op for node in profiled.nodes).count("MatMul") == LAYERS + 1
    assert {"Gather", "Tanh", "ReduceSum", "Div"} <= {node.op for node in profiled.nodes}
    times = [node.ms for node in profiled.nodes]
    assert times == sorted(times, reverse=True)
    assert profiled.runs == len(tiny.TEXTS)


@pytest.mark.alone
def test_shares_are_of_the_whole(plain: Artifact) -> None:
    profiled = profile(plain, tiny.TEXTS, 1, 0.3)
    assert profiled.operators_ms + profiled.outside_ms == pytest.approx(profiled.total_ms)
    assert profiled.total_ms >= profiled.plain_ms
    assert 0 < profiled.plain_ms < 50
    assert 0 <= profiled.waited < 1


@pytest.mark.alone
def test_the_slowest_nodes_are_the_matrix_products(plain: Artifact) -> None:
    profiled = profile(plain, tiny.TEXTS, 1, 0.5)
    slowest = profiled.nodes[:LAYERS]
    assert {node.op for node in slowest} == {"MatMul"}
    assert {(node.compute, node.weights) for node in slowest} == {("fp32", "float 256×256")}
    assert all(node.on_float_path for node in slowest)


def test_a_forgotten_node_is_found_on_the_fp32_path(mixed: Artifact, tmp_path: Path) -> None:
    profiled = profile(mixed, tiny.TEXTS, 1, 0.3)
    assert [node.name for node in profiled.nodes if node.on_float_path] == ["layer.0"]
    integer = [row for row in products(profiled) if row.compute == "int8"]
    assert [row.count for row in integer] == [LAYERS]
    answer = explain(asked("latency_p90_ms", mixed, tmp_path)).answer
    assert "1 product with weights computes in FP32" in answer
    assert "left out of the quantization" in answer
    assert headline("latency_p90_ms", mixed, tiny.TEXTS).startswith("1 node on the FP32 path (")


def test_a_wholly_quantized_model_has_none_there(tmp_path: Path) -> None:
    profiled = profile(quantized(tmp_path / "m", excluded=[]), tiny.TEXTS, 1, 0.3)
    assert not [node for node in profiled.nodes if node.on_float_path]
    assert {node.compute for node in profiled.nodes if node.is_product} == {"int8"}


def test_openvino_says_what_its_kernels_compute_in(tmp_path: Path) -> None:
    profiled = profile(tiny.tiny_openvino(tmp_path / "m"), tiny.TEXTS, 1, 0.3)
    assert [node.op for node in profiled.nodes if node.is_product] == ["FullyConnected"] * 2
    assert {node.compute for node in profiled.nodes if node.is_product} == {"fp32"}
    assert {node.weights for node in profiled.nodes if node.is_product} == {"f32 32×32", "f32 3×32"}
    assert profiled.floor_ms == 0


def test_openvino_leaves_its_counters_off_for_others(tmp_path: Path) -> None:
    from runtimes.openvino_runtime import compile_openvino, read_openvino

    model = tiny.tiny_openvino(tmp_path / "m")
    profile(model, tiny.TEXTS, 1, 0.1)
    compiled = compile_openvino(read_openvino(model.model_file), 1)
    assert compiled.get_property("PERF_COUNT") in (False, "NO")


def test_layers_are_named_by_weights_biases_or_metadata(tmp_path: Path) -> None:
    import onnx

    model = tiny.tiny_onnx(tmp_path / "m", layers=3)
    graph = onnx.load(model.model_file)
    first, second, third = [n for n in graph.graph.node if n.op_type == "MatMul"][:3]
    weight = next(t for t in graph.graph.initializer if t.name == first.input[1])
    weight.name = first.input[1] = "encoder.layer.0.dense.weight"
    bias = onnx.numpy_helper.from_array(
        onnx.numpy_helper.to_array(weight)[0], "encoder.layer.1.bias"
    )
    graph.graph.initializer.append(bias)
    second.output[0] = "unbiased"
    added = onnx.helper.make_node("Add", ["unbiased", bias.name], ["m1"])
    graph.graph.node.insert(list(graph.graph.node).index(second) + 1, added)
    third.name = "third"
    third.metadata_props.add(
        key="pkg.torch.onnx.name_scopes", value="['', 'encoder', 'encoder.layer.2', 'linear']"
    )
    onnx.save(graph, model.model_file)
    profiled = profile(_as_it_is_now(model), tiny.TEXTS, 1, 0.1)
    modules = [node.module for node in profiled.nodes if node.op == "MatMul" and node.module]
    assert sorted(modules) == ["encoder.layer.0.dense", "encoder.layer.1", "encoder.layer.2"]


def test_a_reference_is_profiled_on_the_same_rows(
    plain: Artifact, mixed: Artifact, tmp_path: Path
) -> None:
    explanation = explain(asked("speedup", mixed, tmp_path, reference=plain, top=2))
    against = {row["kind"]: row for row in _table(explanation, "against")}
    assert against["quantization"]["reference_ms"] == 0
    assert against["matrix product"]["reference_ms"] > 0
    assert len(_table(explanation, "ops")) == len(_table(explanation, "nodes")) == 2


def test_throughput_is_profiled_in_its_batches(plain: Artifact, tmp_path: Path) -> None:
    explanation = explain(asked("throughput_b4_c2_rows_per_s", plain, tmp_path))
    assert explanation.figures["batch"] == 4
    assert "whatever the concurrency" in explanation.text("t")


def test_the_profile_leaves_no_file_behind(
    plain: Artifact, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    before = sorted(plain.path.iterdir())
    profile(plain, tiny.TEXTS, 1, 0.1)
    assert not list(tmp_path.iterdir())
    assert sorted(plain.path.iterdir()) == before


@pytest.mark.parametrize("make", [tiny.tiny_onnx, tiny.tiny_openvino])
def test_a_damaged_model_is_said_to_be_that(make: Any, tmp_path: Path) -> None:
    model = make(tmp_path / "m")
    model.model_file.write_bytes(b"no model")
    with pytest.raises(ArtifactError, match="an intact"):
        profile(_as_it_is_now(model), tiny.TEXTS, 1, 0.1)


def test_a_model_that_fails_while_it_runs_is_an_error_of_the_backend(tmp_path: Path) -> None:
    import onnx

    model = tiny.tiny_onnx(tmp_path / "m")
    graph = onnx.load(model.model_file)
    table = next(tensor for tensor in graph.graph.initializer if tensor.name == "table")
    short = onnx.numpy_helper.to_array(table)[:3]  # the tokens' ids are larger
    table.CopyFrom(onnx.numpy_helper.from_array(short, "table"))
    onnx.save(graph, model.model_file)
    model = _as_it_is_now(model)
    with pytest.raises(BackendError, match="failed while it was profiled"):
        profile(model, tiny.TEXTS, 1, 0.1)
    assert headline("latency_p50_ms", model, tiny.TEXTS) == ""


def test_weights_in_a_file_of_their_own_are_profiled_too(tmp_path: Path) -> None:
    import onnx

    model = tiny.tiny_onnx(tmp_path / "m", hidden=64)
    graph = onnx.load(model.model_file)
    onnx.save(graph, model.model_file, save_as_external_data=True, location="model.onnx.data")
    profiled = profile(_as_it_is_now(model), tiny.TEXTS, 1, 0.1)
    assert "float 64×64" in {node.weights for node in profiled.nodes}


def _as_it_is_now(model: Artifact) -> Artifact:
    resealed(model.path)
    return read_artifact(model.path)


@given(
    st.lists(st.floats(0, 10), min_size=1, max_size=30),
    st.floats(-5, 50),
)
def test_the_profilers_own_time_is_never_more_than_it_cost(
    spent: list[float], overhead: float
) -> None:
    nodes = [Node(str(place), "Add", ms) for place, ms in enumerate(spent)]
    floor = _floor(nodes, overhead)
    assert 0 <= floor <= min(spent)
    assert floor * len(spent) <= max(overhead, 0) + 1e-9


def test_a_plain_run_faster_than_its_operators_has_nothing_outside() -> None:
    profiled = Profile((Node("a", "Add", 2.0),), 1.5, 2.5, 1.5, 0.0, 0.0, 1, 3)
    assert (profiled.outside_ms, profiled.total_ms) == (0.0, 2.0)


@pytest.mark.parametrize(
    ("op", "first", "level", "compute"),
    [
        ("MatMul", "float", 0, "fp32"),
        ("FusedMatMul", "float16", 0, "fp16"),
        ("DynamicQuantizeMatMul", "float", 0, "int8"),
        ("MatMulInteger", "uint8", 0, "int8"),
        ("MatMulNBits", "float", 0, "fp32"),
        ("MatMulNBits", "float", 4, "int8"),
        ("Softmax", "float", 0, ""),
    ],
)
def test_onnx_products_compute_in(op: str, first: str, level: int, compute: str) -> None:
    assert onnx_compute(op, first, level) == compute


@pytest.mark.parametrize(
    ("op", "kernel", "compute"),
    [
        ("FullyConnected", "brgemm_avx2_f32", "fp32"),
        ("FullyConnectedCompressed", "brgemm_avx512_I8", "int8"),
        ("MatMul", "jit_gemm_BF16", "bf16"),
        ("Transpose", "unknown_f32", ""),
    ],
)
def test_openvino_products_compute_in(op: str, kernel: str, compute: str) -> None:
    assert openvino_compute(op, kernel) == compute


def _table(explanation: Explanation, key: str) -> list[dict[str, Any]]:
    return next(table for table in explanation.tables if table.key == key).to_json()
