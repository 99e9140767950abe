"""A model of one layer without positions looks tokens up, and answers as torch does."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import onnx
import pytest

from compress.distill.stage import Distill
from compress.export.parity import TOLERANCE, file_run
from compress.export.stage import Export
from compress.models.feeds import ExampleFeeds
from compress.prune.stage import Prune
from compress.quantize.stage import Quantize
from compress.stage import execute
from runtimes.artifact import Artifact
from runtimes.errors import UnsupportedError
from runtimes.predict import open_predictor
from tests.compress.exported import context, data, trained
from tests.compress.outlines import outline
from tests.compress.text_models import load_model

_FOLDER = TemporaryDirectory(prefix="edgepress-tests-", ignore_cleanup_errors=True)
_SLOW = [pytest.param(kind, marks=pytest.mark.slow) for kind in ("distilbert", "xlm-roberta")]
KINDS = ["bert", "roberta", "electra", *_SLOW]


@cache
def _student(model_type: str, layers: int = 1) -> Artifact:
    folder = Path(_FOLDER.name) / f"{model_type}-{layers}"
    cut = Prune(positions=False, recovery_epochs=0)
    pruned = execute(cut, trained(model_type), context(model_type), folder / "pruned")
    stage = Distill(layers=layers, epochs=2, learning_rate=5e-4)
    return execute(stage, pruned, context(model_type), folder / "student")


@cache
def _made(model_type: str, layers: int = 1) -> Artifact:
    student = _student(model_type, layers)
    target = Path(_FOLDER.name) / f"{model_type}-{layers}-onnx"
    return execute(Export("onnx"), student, context(model_type), target)


def _graph(artifact: Artifact) -> onnx.GraphProto:
    return onnx.load(str(artifact.model_file)).graph


def _kinds(artifact: Artifact) -> list[str]:
    return [node.op_type for node in _graph(artifact).node]


@pytest.mark.parametrize("model_type", KINDS)
def test_a_token_is_looked_up(model_type: str) -> None:
    """No product runs over all tokens, and the ids are the only input."""
    made = _made(model_type)
    assert made.history[-1].metrics["difference"] < TOLERANCE
    assert [spec.name for spec in made.inputs] == ["input_ids"]
    assert _kinds(made).count("Gather") <= 3
    assert _kinds(made).count("LayerNormalization") == 2


def test_the_order_of_words_changes_no_answer() -> None:
    predictor = open_predictor(_made("bert").path)
    text = data().test.inputs[0]
    turned = " ".join(reversed(text.split()))
    assert turned != text
    np.testing.assert_allclose(predictor.answer(turned), predictor.answer(text), atol=1e-5)


@pytest.mark.parametrize("model_type", KINDS)
def test_padding_changes_no_answer(model_type: str) -> None:
    made = _made(model_type)
    examples = ExampleFeeds.of(made)
    run = file_run(made.path, "onnx")
    ids = examples.draw(1, 9)["input_ids"]
    others = examples.draw(2, 16)["input_ids"]
    padded = np.pad(ids, ((0, 0), (0, 7)), constant_values=examples.pad_id)
    alone = run({"input_ids": ids})
    np.testing.assert_allclose(
        run({"input_ids": np.vstack([padded, others])})[:1], alone, atol=1e-5
    )


def test_deeper_models_keep_their_layers() -> None:
    made = _made("bert", 2)
    assert made.history[-1].metrics["difference"] < TOLERANCE
    assert [spec.name for spec in made.inputs] == ["input_ids", "attention_mask"]
    assert _kinds(made).count("Softmax") == 2


@pytest.mark.parametrize("embeddings", ["int8", "int4"])
def test_the_tables_are_stored_in_few_bits(embeddings: str, tmp_path: Path) -> None:
    stage = Quantize(scheme="int8-dynamic", weights="int4", embeddings=embeddings, max_drop=1.0)  # type: ignore[arg-type]
    made = execute(stage, _made("bert"), context(), tmp_path / "made")
    assert "GatherBlockQuantized" in _kinds(made)
    assert made.size_mb < _made("bert").size_mb
    before, after = (open_predictor(one.path) for one in (_made("bert"), made))
    rows = data().test.inputs[:60]
    same = [np.argmax(before.answer(row)) == np.argmax(after.answer(row)) for row in rows]
    assert np.mean(same) > 0.9


@pytest.mark.slow
def test_openvino_reads_the_tables_too(tmp_path: Path) -> None:
    made = execute(Export("openvino"), _made("bert"), context(), tmp_path / "made")
    assert [spec.name for spec in made.inputs] == ["input_ids"]


def test_the_student_s_positions_stay_alike() -> None:
    model = load_model(_student("bert").path)
    table = model.get_submodule("bert.embeddings.position_embeddings").weight.detach().numpy()
    assert (table == table[0]).all()
    assert table.any()


def test_positions_that_are_no_table_are_refused_while_planning() -> None:
    with pytest.raises(UnsupportedError, match="mpnet"):
        Prune(positions=False).check(outline(model_type="mpnet"))
