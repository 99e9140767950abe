"""The bag stage against the contract of stages, and what is particular to it."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from compress.answers.folder import folder_answers
from compress.answers.trained import trained_answers
from compress.bag.stage import Bag
from compress.data.dataset import DataSettings
from compress.export.formats import Format
from compress.export.stage import Export
from compress.models.outline import outline_of
from compress.quantize.stage import Quantize
from compress.run.bundle import bundle
from compress.stage import RunContext, Stage, execute
from runtimes.artifact import Artifact
from runtimes.errors import RecipeError, UnsupportedError
from runtimes.piece_pairs import PAIRS
from runtimes.predict import open_predictor
from runtimes.token_table import TABLE
from runtimes.tokenizing import TOKENIZER
from tests.compress.contract_stage import StageContract
from tests.compress.tiny_models import make_data, make_trained_model

TEXTS = ("please refund my card", "thanks, great team", "the screen had an error", "a", "Straße 漢")


@pytest.fixture(scope="module")
def teacher(tmp_path_factory: pytest.TempPathFactory) -> Artifact:
    return make_trained_model(tmp_path_factory.mktemp("teacher"))


def context_of(teacher: Artifact, folder: Path) -> RunContext:
    return RunContext(data=make_data(), teacher=teacher, seed=7, scratch=folder)


class TestBag(StageContract):
    @pytest.fixture(scope="class")
    @classmethod
    def stage(cls) -> Stage:
        return Bag(width=48, inner=64, blocks=2, pairs=100, augment=1, epochs=8, learning_rate=5e-3)

    @pytest.fixture(scope="class")
    @classmethod
    def source(cls, teacher: Artifact) -> Artifact:
        return teacher

    @pytest.fixture(scope="class")
    @classmethod
    def context(cls, teacher: Artifact, tmp_path_factory: pytest.TempPathFactory) -> RunContext:
        return context_of(teacher, tmp_path_factory.mktemp("scratch"))

    def test_answers_as_the_teacher_does(
        self, made: tuple[str, Artifact], source: Artifact, context: RunContext
    ) -> None:
        texts = context.data.test.inputs
        known = np.argmax(trained_answers(source, texts), axis=1)
        assert np.mean(classes(made[1], texts) == known) > 0.95

    def test_has_a_vector_a_piece_and_a_pair(
        self, made: tuple[str, Artifact], source: Artifact
    ) -> None:
        from compress.models.torch_model import load_model

        pieces = len(load_model(source.path, source.task).get_input_embeddings().weight)
        block = (48 + 1) * 64 + (64 + 1) * 48 + 2 * 48
        ffn = 2 * 48 + 2 * block + (48 + 1) * 64 + (64 + 1) * 3
        assert made[1].history[-1].metrics["pairs"] == 100
        assert made[1].parameters == (pieces + 100) * 48 + ffn

    def test_ships_what_encodes_beside_its_model(self, made: tuple[str, Artifact]) -> None:
        files = set(made[1].task_files())
        assert files == {TOKENIZER, TABLE, PAIRS}
        assert files < set(made[1].files)

    def test_a_padded_batch_gives_the_logits_of_single_rows(
        self, made: tuple[str, Artifact]
    ) -> None:
        predictor = open_predictor(made[1].path)
        feeds = [predictor.task.feeds(text) for text in TEXTS]
        lengths = {row["input_ids"].shape[1] for row in feeds}
        assert len(lengths) > 1
        batch = run_graph(made[1], predictor.task.batch(feeds)["input_ids"])
        assert batch == pytest.approx(logits(made[1]), abs=1e-5)

    @pytest.mark.parametrize("form", ["openvino", "ort"])
    def test_an_export_of_it_answers_alike(
        self, made: tuple[str, Artifact], context: RunContext, tmp_path: Path, form: Format
    ) -> None:
        other = execute(Export(format=form), made[1], context, tmp_path / form)
        assert other.files[PAIRS] == made[1].files[PAIRS]
        assert logits(other) == pytest.approx(logits(made[1]), abs=1e-3)

    @pytest.mark.parametrize("form", ["tensorrt", "tflite", "coreml"])
    def test_an_export_that_cannot_be_is_refused(
        self, made: tuple[str, Artifact], form: Format
    ) -> None:
        with pytest.raises(UnsupportedError, match=f"to '{form}'") as caught:
            Export(format=form).check(outline_of(made[1]))
        assert caught.value.expected
        assert caught.value.action

    @pytest.mark.parametrize(
        "quantize",
        [
            Quantize(),
            Quantize(weights="int4", embeddings="int4"),
            Quantize(scheme="int8-static"),
        ],
    )
    def test_its_quantized_form_keeps_answers_and_pairs(
        self, made: tuple[str, Artifact], context: RunContext, tmp_path: Path, quantize: Quantize
    ) -> None:
        small = execute(quantize, made[1], context, tmp_path / "small")
        texts = context.data.test.inputs
        assert small.precision == "int8"
        assert small.size_bytes() < 0.8 * made[1].size_bytes()
        assert small.files[PAIRS] == made[1].files[PAIRS]
        assert np.mean(classes(small, texts) == classes(made[1], texts)) > 0.95

    def test_its_bundle_answers_rows_as_it_does(
        self, made: tuple[str, Artifact], context: RunContext, tmp_path: Path
    ) -> None:
        with (tmp_path / "rows.csv").open("w", encoding="utf-8", newline="") as stream:
            csv.writer(stream).writerows([["text"], *([text] for text in TEXTS)])
        rows = DataSettings(train=(str(tmp_path / "rows.csv"),))
        bundled = bundle(made[1].path, tmp_path / "bundle", rows)  # raises where an answer differs
        assert bundled.files[PAIRS] == made[1].files[PAIRS]


@pytest.mark.parametrize(
    "stage", [Bag(pairs=0, augment=0, epochs=2), Bag(pairs=20, blocks=1, epochs=0)]
)
def test_a_student_without_pairs_or_training_answers(
    teacher: Artifact, tmp_path: Path, stage: Bag
) -> None:
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    made = execute(stage, teacher, context_of(teacher, scratch), tmp_path / "student")
    assert made.history[-1].metrics["pairs"] == stage.pairs
    assert logits(made).shape == (len(TEXTS), 3)
    assert np.isfinite(logits(made)).all()


def test_a_student_is_no_wider_than_the_teachers_embeddings(
    teacher: Artifact, tmp_path: Path
) -> None:
    stage = Bag(width=4096, inner=16, pairs=0, epochs=0)
    made = execute(stage, teacher, context_of(teacher, tmp_path), tmp_path / "student")
    fitting = replace(stage, width=64)
    again = execute(fitting, teacher, context_of(teacher, tmp_path), tmp_path / "fitting")
    assert made.files["model.onnx"] == again.files["model.onnx"]


def test_another_task_is_refused(teacher: Artifact) -> None:
    with pytest.raises(RecipeError, match="bag for the task 'token-classification'") as caught:
        Bag().check(replace(outline_of(teacher), task="token-classification"))
    assert caught.value.expected == "text-classification"
    assert caught.value.action


def logits(model: Artifact, texts: Sequence[str] = TEXTS) -> NDArray[np.float32]:
    """Return the logits of texts, each run alone."""
    return np.array(folder_answers(model, model.path, texts), dtype=np.float32)


def classes(model: Artifact, texts: Sequence[str]) -> Any:
    return np.argmax(logits(model, texts), axis=1)


def run_graph(model: Artifact, ids: Any) -> Any:
    """Return the logits of a batch of ids (rows, longest)."""
    from onnxruntime import InferenceSession

    session = InferenceSession(model.model_file, providers=["CPUExecutionProvider"])
    return session.run(None, {"input_ids": np.asarray(ids)})[0]
