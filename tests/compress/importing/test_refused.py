"""What cannot be imported is refused in words, and leaves nothing behind."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from compress.importing.importing import Import, import_exported
from compress.progress import Silence
from runtimes.errors import EdgepressError, InputError
from tests.compress.importing import exported
from tests.runtimes.tiny import onnx_graph, tiny_onnx

Change = Callable[[Path], None]


def files(*gone: str, **written: str) -> Change:
    """Remove files, and write others; a `__` in a name is its dot."""

    def change(folder: Path) -> None:
        for name in gone:
            (folder / name).unlink()
        for name, text in written.items():
            (folder / name.replace("__", ".")).write_text(text)

    return change


def config(name: str = "config.json", **values: Any) -> Change:
    """Change values of a JSON file; None takes a key out."""

    def change(folder: Path) -> None:
        content = json.loads((folder / name).read_text()) | values
        kept = {key: value for key, value in content.items() if value is not None}
        (folder / name).write_text(json.dumps(kept))

    return change


def graph(edit: Callable[[Any], None], **saved: Any) -> Change:
    """Change the model's graph."""

    def change(folder: Path) -> None:
        model = onnx_graph()
        edit(model)
        onnx.save(model, folder / "model.onnx", **saved)

    return change


def shape(*dims: int | str) -> Callable[[Any], None]:
    def edit(model: Any) -> None:
        for value in model.graph.input:
            del value.type.tensor_type.shape.dim[:]
            for dim in dims:
                row = value.type.tensor_type.shape.dim.add()
                row.dim_value = dim if isinstance(dim, int) else 0
                if isinstance(dim, str):
                    row.dim_param = dim

    return edit


def rename_input(model: Any) -> None:
    model.graph.input[1].name = "pixel_values"
    for node in model.graph.node:
        for place, name in enumerate(node.input):
            if name == "attention_mask":
                node.input[place] = "pixel_values"


def float_input(model: Any) -> None:
    model.graph.input[1].type.tensor_type.elem_type = TensorProto.FLOAT


def hidden_states(model: Any) -> None:
    model.graph.output[0].name = "h1"
    del model.graph.output[0].type.tensor_type.shape.dim[:]
    for name in ("batch", "sequence", "hidden"):
        model.graph.output[0].type.tensor_type.shape.dim.add().dim_param = name
    del model.graph.node[-6:]


def not_finite(model: Any) -> None:
    head = next(row for row in model.graph.initializer if row.name == "head")
    values = np.full(head.dims, np.nan, dtype=np.float32)
    head.CopyFrom(numpy_helper.from_array(values, "head"))


def custom_operator(model: Any) -> None:
    model.opset_import.append(helper.make_opsetid("acme.ops", 1))
    model.graph.node[1].domain = "acme.ops"


def short_table(model: Any) -> None:
    """Add the embedding of a position table with 8 rows."""
    table = np.zeros((8, 32), dtype=np.float32)
    model.graph.initializer.append(numpy_helper.from_array(table, "positions"))
    constants = {"zero": 0, "one": 1}
    for name, value in constants.items():
        model.graph.initializer.append(numpy_helper.from_array(np.array(value), name))
    model.graph.node[1].input[0] = "h0_placed"
    nodes = [
        helper.make_node("Shape", ["input_ids"], ["shape"]),
        helper.make_node("Gather", ["shape", "one"], ["length"]),
        helper.make_node("Range", ["zero", "length", "one"], ["places"]),
        helper.make_node("Gather", ["positions", "places"], ["placed"]),
        helper.make_node("Add", ["h0", "placed"], ["h0_placed"]),
    ]
    kept = list(model.graph.node)
    del model.graph.node[:]
    model.graph.node.extend([kept[0], *nodes, *kept[1:]])


def outside(folder: Path) -> None:
    exported._save(onnx_graph(), folder / "model.onnx", location="model.onnx.data")
    (folder / "model.onnx.data").rename(folder.parent / "stolen")
    content = (folder / "model.onnx").read_bytes()
    elsewhere = b"../stolen".ljust(len("model.onnx.data"), b"\0")
    (folder / "model.onnx").write_bytes(content.replace(b"model.onnx.data", elsewhere))


LABELS_MISSING = config(id2label=None)
SINGLE = {"task": "text-classification"}

REFUSED: list[tuple[Change, dict[str, Any], str]] = [
    (files("model.onnx"), {}, r"no ONNX model and no OpenVINO IR"),
    (files("model.onnx", model__safetensors=""), {}, r"edgepress export .*theirs"),
    (files(model_quantized__onnx=""), {}, r"(?s)2 models.*model\.onnx, model_quantized\.onnx"),
    (files(artifact__json="{}"), {}, r"an artifact already"),
    (files(model__onnx="garbage"), {}, r"not an intact ONNX"),
    (files(config__json="{"), {}, r"config\.json: not JSON"),
    (files(config__json="[]"), {}, r"config\.json: a list"),
    (files("tokenizer.json", "vocab.txt"), {}, r"(?s)no tokenizer.*--tokenizer"),
    (files(tokenizer__json="{}"), {}, r"tokenizer\.json: cannot be read"),
    (config(vocab_size=20), {}, r"pieces, the model only 20 embeddings"),
    (config(problem_type="multi_label_classification"), SINGLE, r"multi_label_classification head"),
    (config(problem_type="regression"), SINGLE, r"(?s)a regression head.*text-regression"),
    (config(problem_type="regression"), {}, r"(?s)shape \(1, 3\).*shape \(1, 1\)"),
    (config(id2label={"1": "a", "2": "b", "3": "c"}), {}, r"number the classes from 0"),
    (config(id2label={"0": "a", "1": "a", "2": "c"}), {}, r"'a' more than once"),
    (config(id2label={"0": "a", "1": "b"}), {}, r"2 labels for a model with 3 outputs"),
    (LABELS_MISSING, {}, r"(?s)nothing names its 3 labels.*--labels FILE"),
    (LABELS_MISSING, {"labels": "a,b"}, r"2 labels for a model with 3 outputs"),
    (LABELS_MISSING, {"labels": "nowhere.txt"}, r"no such file, and one label alone"),
    (LABELS_MISSING, {"labels": "a,,b"}, r"label 2 of 3 is empty"),
    (config(max_position_embeddings=None), {}, r"(?s)how many tokens.*--max-length N"),
    (config(), {"max_length": 65}, r"at most 64 tokens"),
    (config(), {"task": "translation"}, r"unknown task 'translation'"),
    (graph(shape(1, 16)), {}, r"(?s)fixed shape \(1, 16\).*dynamic axes"),
    (graph(shape(4, "sequence")), {}, r"(?s)fixed shape \(4, 'sequence'\)"),
    (graph(rename_input), {}, r"the input 'pixel_values', which no tokenizer makes"),
    (graph(float_input), {}, r"'attention_mask' takes float32"),
    (graph(hidden_states), {}, r"(?s)shape \(1, \d+, 32\).*classification head"),
    (graph(not_finite), {}, r"is not finite"),
    (graph(custom_operator), {}, r"the operator 'MatMul' of 'acme\.ops'"),
    (graph(short_table), {}, r"(?s)fails on a text of 64 tokens.*--max-length"),
    (outside, {}, r"stolen"),
]


@pytest.mark.parametrize(("change", "typed", "said"), REFUSED)
def test_it_is_refused_in_words_and_leaves_nothing(
    tmp_path: Path, change: Change, typed: dict[str, Any], said: str
) -> None:
    source = exported.optimum(tmp_path / "theirs")
    change(source)
    with pytest.raises(EdgepressError, match=said) as caught:
        import_exported(Import(source, **typed), tmp_path / "ours", Silence())
    assert caught.value.exit_code == 2
    assert sorted(path.name for path in tmp_path.iterdir()) in (["theirs"], ["stolen", "theirs"])


def test_olives_own_source_is_named_as_the_tokenizer(tmp_path: Path) -> None:
    teacher = exported.tokenizer(tmp_path / "teacher")
    source = exported.olive(tmp_path / "theirs", source=str(teacher))
    with pytest.raises(InputError, match=f"--tokenizer {teacher}"):
        import_exported(Import(source), tmp_path / "ours", Silence())


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("nowhere", "no such file or folder"),
        ("letter.txt", "neither .onnx nor .xml"),
        ("model.xml", "no model.bin beside it"),
        ("empty", "available: nothing"),
    ],
)
def test_a_source_that_is_no_model_is_refused(tmp_path: Path, name: str, said: str) -> None:
    (tmp_path / "letter.txt").write_text("")
    (tmp_path / "model.xml").write_text("<net/>")
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match=said):
        import_exported(Import(tmp_path / name), tmp_path / "ours", Silence())


def test_a_damaged_ir_is_refused(tmp_path: Path) -> None:
    source = exported.openvino(tmp_path / "theirs")
    (source / "openvino_model.xml").write_text("<net/>")
    with pytest.raises(InputError, match="OpenVINO cannot read it"):
        import_exported(Import(source), tmp_path / "ours", Silence())
    assert not (tmp_path / "ours").exists()


def test_a_folder_of_other_files_is_not_written_to(tmp_path: Path) -> None:
    source = exported.optimum(tmp_path / "theirs")
    (tmp_path / "ours").mkdir()
    (tmp_path / "ours" / "letter.txt").write_text("mine")
    with pytest.raises(InputError, match=r"letter\.txt"):
        import_exported(Import(source), tmp_path / "ours", Silence())
    with pytest.raises(InputError, match="overlaps"):
        import_exported(Import(source), source / "ours", Silence())


def test_an_artifact_needs_no_import(tmp_path: Path) -> None:
    artifact = tiny_onnx(tmp_path / "theirs")
    with pytest.raises(InputError, match="all of them take it as it is"):
        import_exported(Import(artifact.path), tmp_path / "ours", Silence())
