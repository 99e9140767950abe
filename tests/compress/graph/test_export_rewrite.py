"""The rewritten graph computes the same as torch, in fewer products and fewer nodes."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import onnx
import pytest

from compress.export.parity import TOLERANCE, file_run, torch_run
from compress.export.stage import Export
from compress.graph.onnx_graph import dense_nodes
from compress.models.feeds import ExampleFeeds
from compress.models.opening import Opening
from compress.stage import execute
from runtimes.artifact import Artifact
from tests.compress.exported import context
from tests.compress.text_models import load_model
from tests.compress.tiny_models import MODEL_TYPES, make_model

_FOLDER = TemporaryDirectory(prefix="edgepress-tests-", ignore_cleanup_errors=True)
_SLOW = [pytest.param(kind, marks=pytest.mark.slow) for kind in ("distilbert", "electra")]
_LAYERED = [
    *("bert", "roberta", *_SLOW),
    *(pytest.param(kind, marks=pytest.mark.slow) for kind in ("xlm-roberta", "mpnet")),
]


@cache
def _source(model_type: str, layers: int) -> Artifact:
    return make_model(Path(_FOLDER.name) / f"{model_type}-{layers}", model_type, layers=layers)


@cache
def _made(model_type: str, layers: int) -> Artifact:
    target = Path(_FOLDER.name) / f"{model_type}-{layers}-onnx"
    return execute(Export("onnx"), _source(model_type, layers), context(), target)


def _graph(model_type: str, layers: int) -> onnx.GraphProto:
    return onnx.load(str(_made(model_type, layers).model_file)).graph


def _count(graph: onnx.GraphProto, *kinds: str) -> int:
    return sum(node.op_type in kinds for node in graph.node)


@pytest.mark.parametrize("model_type", _LAYERED)
def test_one_layer_keeps_neither_queries_nor_keys(model_type: str) -> None:
    """These remain: values, output, two of the feed-forward block; ELECTRA's projection."""
    graph = _graph(model_type, 1)
    products = [node for node in dense_nodes(graph) if node.op_type == "MatMul"]
    assert len(products) == 4 + (model_type == "electra")
    assert _count(graph, "Softmax") == 1


@pytest.mark.parametrize("model_type", _LAYERED)
def test_one_layer_is_right_with_padding(model_type: str) -> None:
    made = _made(model_type, 1)
    examples = ExampleFeeds.of(made)
    run = file_run(made.path, "onnx")
    short = examples.draw(1, 9)
    others = examples.draw(3, 9)
    padded = {name: np.vstack([array, others[name]]) for name, array in short.items()}
    ends = {"input_ids": examples.pad_id, "attention_mask": 0}
    padded = {
        name: np.pad(array, ((0, 0), (0, 7)), constant_values=ends[name])
        for name, array in padded.items()
    }
    np.testing.assert_allclose(run(padded)[:1], run(short), atol=1e-4)


def test_a_small_graph_is_all_that_is_left() -> None:
    graph = _graph("bert", 1)
    assert len(graph.node) <= 33
    assert not {node.op_type for node in graph.node} & {"Reshape", "Concat", "Expand", "Where"}


@pytest.mark.slow
@pytest.mark.parametrize("model_type", MODEL_TYPES)
@pytest.mark.parametrize("layers", [1, 3])
def test_every_architecture_at_other_depths(model_type: str, layers: int) -> None:
    made = _made(model_type, layers)
    assert made.history[-1].metrics["difference"] < TOLERANCE


@pytest.mark.slow
def test_shared_weights_are_stored_once() -> None:
    shallow, deep = (_made("albert", layers).size_mb for layers in (2, 3))
    assert deep < 1.1 * shallow
    assert _count(_graph("albert", 3), "Softmax") == 3


@pytest.mark.slow
@pytest.mark.parametrize("model_format", ["openvino", "tensorrt"])
def test_other_formats_are_made_from_one_layer_too(model_format: str, tmp_path: Path) -> None:
    stage = Export(model_format, calibration_rows=32)  # type: ignore[arg-type]
    made = execute(stage, _made("bert", 1), context(), tmp_path / "made")
    assert [spec.name for spec in made.inputs] == ["input_ids", "attention_mask"]


@pytest.mark.parametrize("model_type", ["bert", *_SLOW])
def test_positions_beyond_the_longest_text_are_dropped(model_type: str) -> None:
    made, source = _made(model_type, 1), _source(model_type, 1)
    position = json.loads((source.path / "config.json").read_text())["max_position_embeddings"]
    assert position > made.max_length
    lengths = {dim for tensor in _graph(model_type, 1).initializer for dim in tensor.dims}
    assert made.max_length in lengths
    assert position not in lengths


def test_types_are_no_input_where_the_tokenizer_gives_none() -> None:
    made = _made("bert", 1)
    assert [spec.name for spec in _source("bert", 1).inputs][-1] == "token_type_ids"
    assert [spec.name for spec in made.inputs] == ["input_ids", "attention_mask"]


def _opening(folder: Path, change: dict[str, object] | None) -> Opening:
    """Read the opening of a tokenizer whose post-processor was replaced."""
    source = _source("bert", 1).path / "tokenizer.json"
    tree = json.loads(source.read_text())
    tree["post_processor"] = change
    (folder / "tokenizer.json").write_text(json.dumps(tree))
    return Opening.of(folder, 32)


def _template(*pieces: dict[str, dict[str, object]]) -> dict[str, object]:
    special = {"[CLS]": {"id": "[CLS]", "ids": [2], "tokens": ["[CLS]"]}}
    return {
        "type": "TemplateProcessing",
        "single": list(pieces),
        "pair": [*pieces, {"Sequence": {"id": "B", "type_id": 1}}],
        "special_tokens": special,
    }


def _special(type_id: int = 0) -> dict[str, dict[str, object]]:
    return {"SpecialToken": {"id": "[CLS]", "type_id": type_id}}


def _text(type_id: int = 0) -> dict[str, dict[str, object]]:
    return {"Sequence": {"id": "A", "type_id": type_id}}


def test_the_opening_is_what_the_template_puts_first(tmp_path: Path) -> None:
    assert _opening(tmp_path, _template(_special(), _text())) == Opening(2, True, 0)
    assert _opening(tmp_path, _template(_text(), _special())) == Opening(None, True, 0)
    assert _opening(tmp_path, None) == Opening(None, True, 0)
    assert _opening(tmp_path, _template(_special(1), _text(1))) == Opening(2, False, 0)


@pytest.mark.parametrize("kind", ["BertProcessing", "RobertaProcessing"])
def test_older_post_processors_open_a_text_too(tmp_path: Path, kind: str) -> None:
    more = {"trim_offsets": True, "add_prefix_space": False} if kind[0] == "R" else {}
    change = {"type": kind, "cls": ["[CLS]", 2], "sep": ["[SEP]", 3], **more}
    assert _opening(tmp_path, change) == Opening(2, True, 0)


@pytest.mark.parametrize("model_type", MODEL_TYPES)
def test_every_tokenizer_opens_its_texts(model_type: str) -> None:
    folder = _source(model_type, 1).path
    opening = Opening.of(folder, 64)
    assert opening.one_type
    assert opening.first_id is not None


def test_nothing_is_folded_where_texts_begin_differently(tmp_path: Path) -> None:
    """A tokenizer without an opening token: the query is the first word's."""
    source = make_model(tmp_path / "model", "bert", layers=1)
    path = source.path / "tokenizer.json"
    tree = json.loads(path.read_text())
    path.write_text(json.dumps({**tree, "post_processor": None}))
    made = execute(Export("onnx"), source, context(), tmp_path / "onnx")
    run = file_run(made.path, "onnx")
    feeds = ExampleFeeds.of(source).draw(1, 8)
    other = {**feeds, "input_ids": feeds["input_ids"].copy()}
    other["input_ids"][0, 0] = (other["input_ids"][0, 0] + 7) % 100
    expected = torch_run(load_model(source.path))
    for one in (feeds, other):
        np.testing.assert_allclose(run(one), expected(one), atol=1e-3)
