"""The distill stage: what a student learns, from which teacher, and what is cached."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from pydantic import ValidationError

from compress.answers.kept import write_answers
from compress.data.dataset import Dataset
from compress.data.rows import Rows
from compress.distill.stage import Distill
from compress.distill.teacher_answers import teacher_answers
from compress.distill.train import distill
from compress.models.architectures import FULL
from compress.progress import Silence
from compress.stage import RunContext, Stage, execute
from compress.training.loop import TrainPlan
from runtimes.artifact import Artifact
from runtimes.errors import RecipeError, UnsupportedError
from runtimes.tokenizing import load_tokenizer
from tests.compress.contract_stage import StageContract
from tests.compress.outlines import outline
from tests.compress.text_models import encode, load_model, logits_of
from tests.compress.tiny_models import make_data, make_model, make_trained_model

DATA = make_data()
SMALL = dataclasses.replace(
    DATA,
    train=Rows(DATA.train.inputs[:48], DATA.train.targets[:48]),
    validation=Rows(DATA.validation.inputs[:32], DATA.validation.targets[:32]),
    unlabeled=DATA.unlabeled[:16],
)


@pytest.fixture(scope="module")
def teacher(tmp_path_factory: pytest.TempPathFactory) -> Artifact:
    return make_trained_model(tmp_path_factory.mktemp("teacher"), data=DATA)


def context(
    folder: Path, teacher: Artifact | None, data: Dataset = SMALL, progress: Any = None
) -> RunContext:
    return RunContext(data, teacher, 7, folder / "scratch", progress=progress or Silence())


class _DistillContract(StageContract):
    model_type = "bert"

    @pytest.fixture(scope="class")
    @classmethod
    def stage(cls) -> Stage:
        return Distill(layers=1, epochs=1, dropout=True)

    @pytest.fixture(scope="class")
    @classmethod
    def source(cls, tmp_path_factory: pytest.TempPathFactory) -> Artifact:
        return make_model(tmp_path_factory.mktemp(cls.model_type), cls.model_type)

    @pytest.fixture(scope="class")
    @classmethod
    def context(cls, source: Artifact, tmp_path_factory: pytest.TempPathFactory) -> RunContext:
        return context(tmp_path_factory.mktemp("context"), source)


class TestBert(_DistillContract):
    """BERT, MiniLM, TinyBERT."""


@pytest.mark.slow
class TestDistilBert(_DistillContract):
    model_type = "distilbert"


@pytest.mark.slow
class TestRoberta(_DistillContract):
    model_type = "roberta"


@pytest.mark.slow
class TestXlmRoberta(_DistillContract):
    model_type = "xlm-roberta"


@pytest.mark.slow
class TestElectra(_DistillContract):
    model_type = "electra"


@pytest.mark.slow
class TestMPNet(_DistillContract):
    model_type = "mpnet"


def test_every_full_architecture_has_a_contract() -> None:
    covered = {suite.model_type for suite in _DistillContract.__subclasses__()}
    assert covered == set(FULL)


def answers(folder: Path, texts: tuple[str, ...]) -> Any:
    model = load_model(folder)
    return logits_of(model, encode(load_tokenizer(folder, 64), texts, model.config)).argmax(1)


def agreement(student: Artifact, teacher: Artifact, data: Dataset = DATA) -> float:
    texts = data.test.inputs
    return float((answers(student.path, texts) == answers(teacher.path, texts)).mean())


def test_layers_of_the_teacher_learn_its_answers(tmp_path: Path, teacher: Artifact) -> None:
    stage = Distill(layers=1, epochs=4, learning_rate=1e-3)
    made = execute(stage, teacher, context(tmp_path, teacher, DATA), tmp_path / "made")
    assert load_model(made.path).config.num_hidden_layers == 1
    assert agreement(made, teacher) > 0.85


def test_soft_targets_teach_the_teacher_s_answers_better_than_labels_do(
    tmp_path: Path, teacher: Artifact
) -> None:
    """The labels of two thirds of the rows are shuffled; the teacher is right on them."""
    generator = np.random.default_rng(0)
    labels = np.array(DATA.train.targets)
    wrong = generator.permutation(len(labels))[: 2 * len(labels) // 3]
    labels[wrong] = generator.integers(0, 3, size=len(wrong))
    data = dataclasses.replace(DATA, train=Rows(DATA.train.inputs, tuple(labels.tolist())))
    start = make_model(tmp_path / "start", layers=1, seed=3)
    agreed = {}
    for alpha in (0.0, 1.0):
        stage = Distill(student=str(start.path), alpha=alpha, epochs=10, learning_rate=3e-3)
        folder = tmp_path / f"{alpha}"
        made = execute(stage, teacher, context(folder, teacher, data), folder / "made")
        agreed[alpha] = agreement(made, teacher)
    assert agreed[1.0] > agreed[0.0] + 0.03


def test_without_dropout_a_student_learns_with_all_of_its_units(tmp_path: Path) -> None:
    learned = {}
    for share, dropout in ((0.0, True), (0.5, False), (0.5, True)):
        source = make_model(tmp_path / f"{share}-{dropout}", layers=2)
        file = source.path / "config.json"
        config = json.loads(file.read_text(encoding="utf-8"))
        config |= {"hidden_dropout_prob": share, "attention_probs_dropout_prob": share}
        file.write_text(json.dumps(config), encoding="utf-8")
        folder = tmp_path / f"made-{share}-{dropout}"
        stage = Distill(layers=1, epochs=1, dropout=dropout)
        made = execute(stage, source, context(folder, source), folder / "made")
        learned[share, dropout] = load_model(made.path).state_dict()
    without, off, on = learned.values()
    assert all(torch.equal(without[name], off[name]) for name in off)
    assert not all(torch.equal(without[name], on[name]) for name in on)


def test_unlabeled_text_helps_where_labels_are_few(tmp_path: Path, teacher: Artifact) -> None:
    few = dataclasses.replace(
        DATA, train=Rows(DATA.train.inputs[:24], DATA.train.targets[:24]), unlabeled=()
    )
    more = dataclasses.replace(few, unlabeled=DATA.train.inputs[24:])
    start = make_model(tmp_path / "start", layers=1, seed=3)
    agreed = []
    for name, data, epochs in (("few", few, 60), ("more", more, 8)):
        stage = Distill(student=str(start.path), epochs=epochs, learning_rate=3e-3, batch_size=16)
        folder = tmp_path / name
        made = execute(stage, teacher, context(folder, teacher, data), folder / "made")
        agreed.append(agreement(made, teacher))
    assert agreed[1] > agreed[0] + 0.05


def test_a_student_of_another_kind_with_another_tokenizer(
    tmp_path: Path, teacher: Artifact
) -> None:
    start = make_model(tmp_path / "start", "distilbert", labels=("p", "q"), layers=1, vocab=200)
    stage = Distill(student=str(start.path), epochs=6, learning_rate=3e-3)
    made = execute(stage, teacher, context(tmp_path, teacher, DATA), tmp_path / "made")
    assert made.model_type == "distilbert"
    assert made.labels == teacher.labels
    tokenizer = (made.path / "tokenizer.json").read_bytes()
    assert tokenizer == (start.path / "tokenizer.json").read_bytes()
    assert agreement(made, teacher) > 0.6
    again = context(tmp_path / "again", teacher, DATA)
    torch.manual_seed(99)
    assert execute(stage, teacher, again, tmp_path / "two").digest == made.digest


def test_the_teacher_is_asked_once_and_stages_share_its_answers(
    tmp_path: Path, teacher: Artifact
) -> None:
    shared = dataclasses.replace(context(tmp_path, teacher), shared=tmp_path / "shared")
    first = np.stack(teacher_answers(teacher, SMALL.train.inputs, shared))
    (file,) = shared.shared.iterdir()  # type: ignore[union-attr]
    assert first.shape == (48, 3)
    marked = first + 1
    write_answers(file, list(marked))
    np.testing.assert_array_equal(teacher_answers(teacher, SMALL.train.inputs, shared), marked)
    elsewhere = dataclasses.replace(shared, scratch=tmp_path / "other", seed=8)
    np.testing.assert_array_equal(teacher_answers(teacher, SMALL.train.inputs, elsewhere), marked)
    other = teacher_answers(teacher, SMALL.train.inputs[1:], shared)
    np.testing.assert_allclose(other, first[1:], rtol=1e-4, atol=1e-5)
    renamed = dataclasses.replace(teacher, files={})
    np.testing.assert_array_equal(teacher_answers(renamed, SMALL.train.inputs, shared), first)


def test_a_damaged_cache_file_is_made_again(tmp_path: Path, teacher: Artifact) -> None:
    shared = dataclasses.replace(context(tmp_path, teacher), shared=tmp_path / "shared")
    first = teacher_answers(teacher, SMALL.train.inputs, shared)
    (file,) = shared.shared.iterdir()  # type: ignore[union-attr]
    whole = file.read_bytes()
    file.write_bytes(whole[:-40])
    np.testing.assert_array_equal(teacher_answers(teacher, SMALL.train.inputs, shared), first)
    assert file.read_bytes() == whole


def test_a_teacher_without_rows_beside_its_labels_is_enough(
    tmp_path: Path, teacher: Artifact
) -> None:
    """KL alone ignores the labels: at alpha 1, wrong labels change nothing."""
    wrong = dataclasses.replace(
        SMALL, train=Rows(SMALL.train.inputs, tuple((x + 1) % 3 for x in SMALL.train.targets))
    )
    weights = []
    for name, data in (("right", SMALL), ("wrong", wrong)):
        student = load_model(teacher.path)
        distill(
            student,
            teacher,
            load_tokenizer(teacher.path, 64),
            context(tmp_path / name, teacher, data),
            TrainPlan(epochs=1, learning_rate=1e-4),
            temperature=2.0,
            alpha=1.0,
        )
        weights.append(student.state_dict())
    assert all(torch.equal(weights[0][name], weights[1][name]) for name in weights[0])


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({}, "exactly one"),
        ({"layers": 2, "keep": [1]}, "exactly one"),
        ({"keep": [1, 0]}, "ascending"),
        ({"keep": [1, 1]}, "ascending"),
    ],
)
def test_clashing_choices_are_refused(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(RecipeError, match=message):
        Distill(**settings).check(outline())


def test_layers_that_the_model_lacks_are_refused(tmp_path: Path, teacher: Artifact) -> None:
    for stage in (Distill(layers=3), Distill(keep=[0, 2])):
        with pytest.raises(RecipeError, match="the model has 2"):
            execute(stage, teacher, context(tmp_path, teacher), tmp_path / "made")


def test_other_refusals_and_warnings() -> None:
    assert Distill(layers=2).check(outline("mpnet")) == []
    assert "diverge" in Distill(layers=2, learning_rate=2e-3).check(outline())[0]
    with pytest.raises(UnsupportedError, match="modernbert"):
        Distill(layers=2).check(outline("modernbert"))
    with pytest.raises(ValidationError):
        Distill(layer=2)  # type: ignore[call-arg]
