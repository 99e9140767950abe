"""The linear stage against the contract of stages, and what is particular to it."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from compress.answers.folder import folder_answers
from compress.answers.trained import trained_answers
from compress.data.rows import Rows
from compress.linear.features import Columns, NGrams
from compress.linear.stage import Linear
from compress.models.outline import outline_of
from compress.run.bundle import bundle
from compress.stage import RunContext, Stage, execute
from runtimes.artifact import Artifact
from runtimes.errors import RecipeError
from tests.compress.contract_stage import StageContract
from tests.compress.tiny_models import make_data, make_trained_model


class TestLinear(StageContract):
    @pytest.fixture(scope="class")
    @classmethod
    def stage(cls) -> Stage:
        return Linear(features=400, augment=1)

    @pytest.fixture(scope="class")
    @classmethod
    def source(cls, tmp_path_factory: pytest.TempPathFactory) -> Artifact:
        return make_trained_model(tmp_path_factory.mktemp("teacher"))

    @pytest.fixture(scope="class")
    @classmethod
    def context(cls, source: Artifact, tmp_path_factory: pytest.TempPathFactory) -> RunContext:
        folder = tmp_path_factory.mktemp("scratch")
        return RunContext(data=make_data(), teacher=source, seed=7, scratch=folder)

    def test_answers_as_the_teacher_does(
        self, made: tuple[str, Artifact], source: Artifact, context: RunContext
    ) -> None:
        _, student = made
        texts = context.data.test.inputs
        own = np.argmax(folder_answers(student, student.path, texts), axis=1)
        known = np.argmax(trained_answers(source, texts), axis=1)
        assert np.mean(own == known) > 0.9

    def test_ships_its_model_alone(self, made: tuple[str, Artifact]) -> None:
        _, student = made
        assert set(student.files) == {"model.linear"}

    def test_keeps_no_more_features_than_asked(self, made: tuple[str, Artifact]) -> None:
        _, student = made
        assert student.history[-1].metrics["n_grams"] == 400
        assert student.parameters == 400 * len(student.labels)

    def test_its_bundle_runs_without_any_package(
        self, made: tuple[str, Artifact], tmp_path: Path
    ) -> None:
        _, student = made
        bundle(student.path, tmp_path / "bundle")
        command = [sys.executable, "-I", "-S", str(tmp_path / "bundle" / "predict.py")]
        done = subprocess.run(
            [*command, "please refund my card"], capture_output=True, text=True, check=False
        )
        assert done.stderr == ""
        assert done.stdout.split("\t")[0] == "a"


def test_a_recipe_names_the_regularization(tmp_path: Path) -> None:
    source = make_trained_model(tmp_path / "teacher")
    stage = Linear(augment=0, regularization=0.5, longest=0, words=1)
    context = RunContext(make_data(), source, seed=7, scratch=tmp_path / "scratch")
    made = execute(stage, source, context, tmp_path / "student")
    assert made.history[-1].metrics["regularization"] == 0.5


def test_validation_rows_that_are_learned_choose_nothing_they_have_learned(
    tmp_path: Path,
) -> None:
    source, data = make_trained_model(tmp_path / "teacher"), make_data()
    wrong = Rows(
        tuple(f"{text} q{number}" for number, text in enumerate(data.validation.inputs)),
        tuple((target + 1) % 3 for target in data.validation.targets),
    )
    both = Rows(data.train.inputs + wrong.inputs, data.train.targets + wrong.targets)
    learned = replace(data, train=both, validation=wrong)
    context = RunContext(learned, source, seed=7, scratch=tmp_path / "scratch")
    made = execute(Linear(augment=1, least_count=1), source, context, tmp_path / "student")
    assert made.history[-1].metrics["validation_accuracy"] < 0.2


def test_lengths_that_contradict_each_other_are_refused(tmp_path: Path) -> None:
    source = make_trained_model(tmp_path / "teacher")
    with pytest.raises(RecipeError, match="shortest = 4, longest = 3"):
        Linear(shortest=4, longest=3).check(outline_of(source))
    with pytest.raises(RecipeError, match="token"):
        Linear().check(replace(outline_of(source), task="token-classification"))


def test_a_text_is_a_row_of_counted_n_grams() -> None:
    texts = ["my card, my CARD", "no card"]
    columns = Columns.of(texts, NGrams(2, 1, 3), least_count=1)
    matrix = columns.matrix(texts)
    assert matrix.shape == (2, len(columns.hashes))
    assert columns.collisions == 0
    both = columns.weights == 1.0  # ln(3 / 3) + 1: in both texts
    spelled = {"card", " c", "c", " ca", "ca", "car", "a", "ar", "ard", "r", "rd", "rd ", "d", "d "}
    assert both.sum() == len(spelled | {" "})
    assert matrix[:, both].toarray()[1].min() == pytest.approx(2**-0.5)
