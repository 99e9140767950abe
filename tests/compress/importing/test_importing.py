"""What other tools write becomes an artifact that answers as their model does."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from compress.importing.importing import Import, import_exported
from compress.progress import Silence
from runtimes.artifact import Artifact, read_artifact
from runtimes.errors import UnsupportedError
from runtimes.predict import open_predictor
from runtimes.runtime import RUNTIMES, TensorSpec, runs_in
from tests.absent import needs
from tests.compress.importing import exported
from tests.runtimes.tiny import LABELS, TEXTS, onnx_graph, tiny_onnx
from tests.runtimes.tiny_tagger import LABELS as TAGS
from tests.runtimes.tiny_tagger import tiny_tagger


class Warned(Silence):
    """Progress that keeps its warnings."""

    def __init__(self) -> None:
        self.warnings: list[str] = []

    def warn(self, text: str) -> None:
        """Keep a warning."""
        self.warnings.append(text)


def imported(asked: Import, out: Path) -> Artifact:
    """Import, and read what was written."""
    made = import_exported(asked, out, Silence())
    assert read_artifact(out) == made
    made.verify()
    return made


def answers(folder: Path) -> list[np.ndarray]:
    predictor = open_predictor(folder)
    return [np.asarray(predictor.answer(text)) for text in TEXTS]


KINDS: list[tuple[Callable[[Path], Path], str, str]] = [
    (exported.optimum, "onnx", "fp32"),
    (exported.optimum_int8, "onnx", "int8"),
    (exported.nested_olive, "onnx", "fp32"),
    (exported.openvino, "openvino", "fp32"),
    (lambda folder: exported.openvino(folder, fp16=True), "openvino", "fp16"),
]


@pytest.mark.parametrize(("write", "form", "precision"), KINDS)
def test_a_folder_of_another_tool_becomes_an_artifact(
    tmp_path: Path, write: Callable[[Path], Path], form: str, precision: str
) -> None:
    made = imported(Import(write(tmp_path / "theirs")), tmp_path / "ours")
    assert (made.format, made.precision, made.labels) == (form, precision, LABELS)
    assert (made.max_length, made.model_type) == (64, "bert")
    assert [spec.name for spec in made.inputs] == ["input_ids", "attention_mask"]
    assert {(spec.dtype, spec.shape) for spec in made.inputs} == {("int64", ("batch", "sequence"))}
    assert made.outputs == (TensorSpec("logits", "float32", ("batch", 3)),)
    assert [record.kind for record in made.history] == ["import"]
    assert str(tmp_path) not in (made.path / "artifact.json").read_text()
    known = answers(tiny_onnx(tmp_path / "known", layers=2).path)
    tolerance = {"fp32": 1e-5, "fp16": 1e-2, "int8": 0.2}[precision]
    for one, other in zip(answers(made.path), known, strict=True):
        np.testing.assert_allclose(one, other, atol=tolerance)


def test_a_model_that_labels_every_token_is_imported(tmp_path: Path) -> None:
    source = exported.optimum_tagger(tmp_path / "theirs")
    made = imported(Import(source), tmp_path / "ours")
    assert (made.task, made.labels) == ("token-classification", TAGS)
    assert made.outputs == (TensorSpec("logits", "float32", ("batch", "sequence", len(TAGS))),)
    known = open_predictor(tiny_tagger(tmp_path / "known").path)
    for text in TEXTS:
        assert open_predictor(made.path).answer(text) == known.answer(text)
    with pytest.raises(UnsupportedError, match=r"(?s)expected.*\(1, labels\).*--task"):
        import_exported(Import(source, task="text-classification"), tmp_path / "no", Silence())


def test_a_model_that_answers_questions_is_imported_with_one_output(tmp_path: Path) -> None:
    made = imported(
        Import(exported.optimum_spans(tmp_path / "one", apart=False)), tmp_path / "ours"
    )
    assert (made.task, made.labels) == ("question-answering", exported.SPANS)
    row = {"question": "what is lost?", "context": "my card is lost"}
    assert len(open_predictor(made.path).answer(row)) == 4
    source = exported.optimum_spans(tmp_path / "two", apart=True)
    with pytest.raises(UnsupportedError, match=r"(?s)start_logits and end_logits apart.*export"):
        import_exported(Import(source), tmp_path / "no", Silence())


def test_a_model_for_several_labels_is_imported_as_one(tmp_path: Path) -> None:
    source = exported.optimum(tmp_path / "theirs")
    config = json.loads((source / "config.json").read_text(encoding="utf-8"))
    several = {**config, "problem_type": "multi_label_classification"}
    (source / "config.json").write_text(json.dumps(several), encoding="utf-8")
    made = imported(Import(source), tmp_path / "ours")
    assert (made.task, made.labels) == ("multi-label-classification", LABELS)
    shown = open_predictor(made.path).task.shown([1.0, -1.0, 2.0], "x", 0)
    assert [one["label"] for one in shown["labels"]] == [LABELS[2], LABELS[0]]


def test_the_file_and_its_weights_are_copied_byte_for_byte(tmp_path: Path) -> None:
    source = exported.olive(tmp_path / "theirs")
    asked = Import(source, tokenizer=exported.tokenizer(tmp_path / "tokenizer"))
    made = imported(asked, tmp_path / "ours")
    for name in ("model.onnx", "model.onnx.data"):
        assert (made.path / name).read_bytes() == (source / name).read_bytes()
    assert sorted(made.files) == [
        *("model.onnx", "model.onnx.data", "special_tokens_map.json"),
        *("tokenizer.json", "tokenizer.table", "tokenizer_config.json"),
    ]


@pytest.mark.parametrize("location", ["model.onnx_data", "weights.bin"])
def test_weights_of_another_name_are_the_models_own(tmp_path: Path, location: str) -> None:
    source = exported.optimum(tmp_path / "theirs")
    whole = (source / "model.onnx").stat().st_size
    exported._save(onnx_graph(layers=2), source / "model.onnx", location=location)
    made = imported(Import(source), tmp_path / "ours")
    assert [file.name for file in made.model_files()] == ["model.onnx", "model.onnx.data"]
    assert made.size_bytes() > 0.9 * whole
    known = answers(tiny_onnx(tmp_path / "known", layers=2).path)
    np.testing.assert_array_equal(answers(made.path), known)


def test_weights_in_several_files_come_along(tmp_path: Path) -> None:
    import onnx

    source = exported.optimum(tmp_path / "theirs")
    onnx.save(
        onnx_graph(layers=2),
        source / "model.onnx",
        save_as_external_data=True,
        all_tensors_to_one_file=False,
        size_threshold=1024,
    )
    made = imported(Import(source), tmp_path / "ours")
    assert len(made.model_files()) == 4
    known = answers(tiny_onnx(tmp_path / "known", layers=2).path)
    np.testing.assert_array_equal(answers(made.path), known)


def test_a_plain_model_takes_labels_from_a_file_beside_it(tmp_path: Path) -> None:
    source = exported.plain(tmp_path / "theirs")
    made = imported(Import(source / "classifier.onnx", max_length=32), tmp_path / "ours")
    assert (made.labels, made.max_length, made.model_type) == (LABELS, 32, "unknown")


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("names.json", json.dumps(list("xyz"))),
        ("names.json", json.dumps({"0": "x", "1": "y", "2": "z"})),
        ("names.json", json.dumps({"id2label": {"0": "x", "1": "y", "2": "z"}})),
        ("names.txt", "\ufeffx\n\ny\r\nz\n"),
        (None, "x, y,z"),
    ],
)
def test_typed_labels_win(tmp_path: Path, name: str | None, content: str) -> None:
    source = exported.optimum(tmp_path / "theirs")
    typed = content
    if name:
        (tmp_path / name).write_text(content, encoding="utf-8")
        typed = str(tmp_path / name)
    made = imported(Import(source, labels=typed), tmp_path / "ours")
    assert made.labels == ("x", "y", "z")


@pytest.mark.parametrize("form", ["onnx", "openvino"])
def test_int32_inputs_take_int64_afterwards(tmp_path: Path, form: str) -> None:
    import onnx
    from onnx import TensorProto

    from runtimes.openvino_runtime import import_openvino

    source = exported.optimum(tmp_path / "theirs")
    model = onnx_graph(layers=2)
    for value in model.graph.input:
        value.type.tensor_type.elem_type = TensorProto.INT32
    onnx.save(model, source / "model.onnx")
    if form == "openvino":
        needs("openvino")
        library = import_openvino()
        network = library.Core().read_model(source / "model.onnx")
        library.save_model(network, source / "openvino_model.xml", compress_to_fp16=False)
        (source / "model.onnx").unlink()
    progress = Warned()
    made = import_exported(Import(source), tmp_path / "ours", progress)
    assert "input_ids, attention_mask" in progress.warnings[0]
    opened = RUNTIMES.resolve(runs_in(form))().open(made.model_file, 1)
    assert {spec.dtype for spec in opened.inputs} == {"int64"}
    known = answers(tiny_onnx(tmp_path / "known", layers=2).path)
    np.testing.assert_allclose(answers(made.path), known, atol=1e-5)


def test_nothing_that_lies_beside_is_executed_or_kept(tmp_path: Path) -> None:
    source = exported.optimum(tmp_path / "theirs")
    trap = f"open({str(tmp_path / 'ran')!r}, 'w')\n"
    for name in ("modeling_custom.py", "configuration_custom.py", "sitecustomize.py"):
        (source / name).write_text(trap)
    (source / "pytorch_model.bin").write_bytes(b"\x80\x04cos\nsystem\n")
    (source / "custom_ops.so").write_bytes(b"\x7fELF")
    remote = {"AutoConfig": "configuration_custom.C", "AutoModel": "modeling_custom.M"}
    for name in ("config.json", "tokenizer_config.json"):
        content = json.loads((source / name).read_text())
        (source / name).write_text(json.dumps({**content, "auto_map": remote}))
    made = imported(Import(source), tmp_path / "ours")
    assert not (tmp_path / "ran").exists()
    assert not [name for name in made.files if name.endswith((".py", ".bin", ".so"))]


def test_unnamed_labels_and_probabilities_are_warned_of(tmp_path: Path) -> None:
    import onnx
    from onnx import helper

    source = exported.optimum(tmp_path / "theirs")
    model = onnx_graph()
    model.graph.node[-1].output[0] = "raw"
    model.graph.node.append(helper.make_node("Softmax", ["raw"], ["logits"]))
    onnx.save(model, source / "model.onnx")
    progress = Warned()
    labels = "LABEL_0,LABEL_1,LABEL_2"
    import_exported(Import(source, labels=labels), tmp_path / "ours", progress)
    assert [text.partition(":")[0] for text in progress.warnings] == [
        "its labels are called LABEL_0 to LABEL_2",
        "its output looks like probabilities",
    ]


def test_an_output_of_another_name_is_taken_when_it_is_the_first(tmp_path: Path) -> None:
    import onnx

    source = exported.optimum(tmp_path / "theirs")
    model = onnx_graph()
    model.graph.node[-1].output[0] = model.graph.output[0].name = "output_0"
    onnx.save(model, source / "model.onnx")
    made = imported(Import(source), tmp_path / "ours")
    assert made.outputs[0].name == "output_0"
    known = answers(tiny_onnx(tmp_path / "known").path)
    np.testing.assert_array_equal(answers(made.path), known)


def test_an_artifact_is_replaced_and_a_persons_file_is_not(tmp_path: Path) -> None:
    source = exported.optimum(tmp_path / "theirs")
    first = imported(Import(source), tmp_path / "ours")
    shutil.rmtree(source)
    exported.optimum_int8(source)
    assert imported(Import(source), tmp_path / "ours").digest != first.digest


def test_a_result_may_lie_beside_the_models_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    exported.plain(tmp_path)
    monkeypatch.chdir(tmp_path)
    here = Path()
    asked = Import(Path("classifier.onnx"), tokenizer=here, max_length=16)
    assert imported(asked, Path("ours")).labels == LABELS


def test_a_model_that_takes_one_text_at_a_time_is_warned_of(tmp_path: Path) -> None:
    import onnx

    source = exported.optimum(tmp_path / "theirs")
    model = onnx_graph()
    for value in (*model.graph.input, *model.graph.output):
        value.type.tensor_type.shape.dim[0].dim_value = 1
    onnx.save(model, source / "model.onnx")
    progress = Warned()
    made = import_exported(Import(source), tmp_path / "ours", progress)
    assert made.inputs[0].shape == (1, "sequence")
    assert progress.warnings == [
        "it takes one text at a time: throughput in batches cannot be measured"
    ]


def test_shapes_that_another_exporter_inferred_do_not_stop_a_quantizer(tmp_path: Path) -> None:
    import onnx
    from onnx import TensorProto, helper, numpy_helper
    from onnxruntime.quantization import quantize_dynamic

    from compress.graph.onnx_graph import load_onnx

    model = onnx_graph()
    head = next(row for row in model.graph.initializer if row.name == "head")
    turned = np.ascontiguousarray(numpy_helper.to_array(head).T)
    head.CopyFrom(numpy_helper.from_array(turned, "head"))
    model.graph.node[-1].CopyFrom(helper.make_node("Gemm", ["mean", "head"], ["logits"], transB=1))
    shape = helper.make_tensor_value_info("head", TensorProto.FLOAT, list(turned.shape))
    model.graph.value_info.append(shape)
    onnx.save(model, tmp_path / "model.onnx")
    quantize_dynamic(load_onnx(tmp_path / "model.onnx"), tmp_path / "int8.onnx", per_channel=True)
    assert (tmp_path / "int8.onnx").is_file()
