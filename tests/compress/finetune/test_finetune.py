"""The fine-tune stage: every method on every architecture, weights of classes, resumption."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pytest
import torch
from pydantic import ValidationError

from compress.data.dataset import Dataset
from compress.data.rows import Rows
from compress.finetune.features import features, without_backbone
from compress.finetune.stage import Finetune
from compress.models.architectures import FULL, PARTIAL
from compress.progress import Advance, Silence
from compress.stage import RunContext, Stage, execute
from runtimes.artifact import Artifact
from runtimes.errors import UnsupportedError
from runtimes.tokenizing import load_tokenizer
from tests.compress.contract_stage import StageContract
from tests.compress.outlines import outline
from tests.compress.text_models import TASK, encode, load_model, logits_of
from tests.compress.tiny_models import make_data, make_model, make_trained_model

DATA = make_data()
SMALL = dataclasses.replace(
    DATA,
    train=Rows(DATA.train.inputs[:64], DATA.train.targets[:64]),
    validation=Rows(DATA.validation.inputs[:32], DATA.validation.targets[:32]),
)
TRAINABLE = [*FULL, *PARTIAL]
MOST = [pytest.param(name, marks=pytest.mark.slow) for name in TRAINABLE if name != "bert"]


def context(folder: Path, data: Dataset = SMALL, progress: Any = None) -> RunContext:
    return RunContext(data, None, 7, folder / "scratch", progress=progress or Silence())


class Killed(Exception):
    """Stand for SIGKILL."""


class KillAfter(Silence):
    """Stop a named task right after the checkpoint of an epoch."""

    def __init__(self, task: str, epoch: int) -> None:
        super().__init__()
        self.at = (task, f"epoch {epoch}:")

    @contextmanager
    def task(self, name: str, total: int) -> Iterator[Advance]:
        def advance(units: int, note: str) -> None:
            if name == self.at[0] and note.startswith(self.at[1]):
                raise Killed

        yield advance


class _FinetuneContract(StageContract):
    model_type = "bert"

    @pytest.fixture(scope="class")
    @classmethod
    def stage(cls) -> Stage:
        return Finetune(method="probe-then-full", epochs=1, probe_epochs=1)

    @pytest.fixture(scope="class")
    @classmethod
    def source(cls, tmp_path_factory: pytest.TempPathFactory) -> Artifact:
        return make_model(tmp_path_factory.mktemp(cls.model_type), cls.model_type, layers=1)

    @pytest.fixture(scope="class")
    @classmethod
    def context(cls, tmp_path_factory: pytest.TempPathFactory) -> RunContext:
        return context(tmp_path_factory.mktemp("context"))


class TestBert(_FinetuneContract):
    """BERT: the pooler is the backbone's."""


@pytest.mark.slow
class TestDistilBert(_FinetuneContract):
    model_type = "distilbert"


@pytest.mark.slow
class TestRoberta(_FinetuneContract):
    model_type = "roberta"


@pytest.mark.slow
class TestXlmRoberta(_FinetuneContract):
    model_type = "xlm-roberta"


@pytest.mark.slow
class TestElectra(_FinetuneContract):
    model_type = "electra"


@pytest.mark.slow
class TestMPNet(_FinetuneContract):
    model_type = "mpnet"


@pytest.mark.slow
class TestDebertaV2(_FinetuneContract):
    model_type = "deberta-v2"


@pytest.mark.slow
class TestModernBert(_FinetuneContract):
    model_type = "modernbert"


@pytest.mark.slow
class TestAlbert(_FinetuneContract):
    model_type = "albert"


@pytest.mark.parametrize("model_type", TRAINABLE)
def test_the_head_on_features_answers_as_the_whole_model(tmp_path: Path, model_type: str) -> None:
    source = make_model(tmp_path, model_type, layers=1)
    model = load_model(source.path)
    rows = encode(load_tokenizer(source.path, 64), SMALL.validation.inputs, model.config)
    expected = logits_of(model, rows)
    known = features(model, rows, context(tmp_path))
    whole = dict(model.named_parameters())
    with without_backbone(model):
        np.testing.assert_allclose(logits_of(model, known), expected, rtol=1e-4, atol=1e-4)
        trained = set(dict(model.named_parameters()))
    assert trained < set(whole)
    assert not any("layer" in name.lower().replace("layernorm", "") for name in trained)
    np.testing.assert_array_equal(logits_of(model, rows), expected)


@pytest.mark.parametrize("model_type", ["bert", *MOST])
def test_frozen_changes_the_head_alone(tmp_path: Path, model_type: str) -> None:
    source = make_model(tmp_path / "source", model_type, layers=1)
    stage = Finetune(method="frozen", probe_epochs=2)
    made = execute(stage, source, context(tmp_path), tmp_path / "made")
    before = load_model(source.path).state_dict()
    after = load_model(made.path).state_dict()
    changed = {name for name, value in after.items() if not torch.equal(value, before[name])}
    assert changed
    heads = ("classifier", "pre_classifier", "pooler", "head")
    assert all(any(part in heads for part in name.split(".")) for name in changed)


def test_frozen_learns_a_new_head_for_other_labels(tmp_path: Path) -> None:
    source = make_trained_model(tmp_path / "source", data=DATA)
    data = dataclasses.replace(DATA, labels=("x", "y", "z"))
    stage = Finetune(method="frozen", probe_epochs=10, probe_learning_rate=5e-3)
    made = execute(stage, source, context(tmp_path, data), tmp_path / "made")
    assert made.labels == ("x", "y", "z")
    assert made.history[-1].metrics["probe_validation_accuracy"] > 0.85


def test_full_learns_from_nothing(tmp_path: Path) -> None:
    source = make_model(tmp_path / "source", labels=("x", "y"), layers=1)
    stage = Finetune(epochs=8, learning_rate=3e-3)
    made = execute(stage, source, context(tmp_path, DATA), tmp_path / "made")
    assert made.labels == DATA.labels
    assert made.history[-1].metrics["validation_accuracy"] > 0.8


@pytest.mark.parametrize(("task", "epoch"), [("head", 1), ("head", 2), ("finetune", 1)])
def test_a_killed_stage_ends_with_the_same_digest(tmp_path: Path, task: str, epoch: int) -> None:
    source = make_model(tmp_path / "source", layers=1)
    stage = Finetune(method="probe-then-full", epochs=2, probe_epochs=2, patience=None)
    whole = execute(stage, source, context(tmp_path / "whole"), tmp_path / "one")
    killed = context(tmp_path / "cut", progress=KillAfter(task, epoch))
    with pytest.raises(Killed):
        execute(stage, source, killed, tmp_path / "two")
    assert not (tmp_path / "two").exists()
    again = execute(stage, source, context(tmp_path / "cut"), tmp_path / "two")
    assert again.digest == whole.digest


def weights(settings: Finetune, *counts: int) -> Any:
    targets = [place for place, count in enumerate(counts) for _ in range(count)]
    labels = tuple(map(str, range(len(counts))))
    weights = TASK.weights(targets, labels, settings.class_weights)
    return None if weights is None else weights.tolist()


def test_classes_are_weighed_when_they_are_uneven() -> None:
    assert weights(Finetune(), 10, 20, 30) is None
    assert weights(Finetune(class_weights="none"), 1, 100) is None
    assert weights(Finetune(class_weights="balanced"), 10, 30) == pytest.approx([2.0, 2 / 3])
    auto = weights(Finetune(), 10, 90)
    assert auto == pytest.approx([(100 / 20) ** 0.5, (100 / 180) ** 0.5])
    assert all(np.isfinite(weights(Finetune(), 0, 50)))


def test_weighed_classes_bring_up_the_rare_one(tmp_path: Path) -> None:
    source = make_model(tmp_path / "source", layers=1)
    rare = [i for i, label in enumerate(DATA.train.targets) if label == 0][:12]
    kept = [i for i, label in enumerate(DATA.train.targets) if label != 0] + rare
    texts = tuple(DATA.train.inputs[i] for i in kept)
    rows = Rows(texts, tuple(DATA.train.targets[i] for i in kept))
    data = dataclasses.replace(DATA, train=rows)
    recall = {}
    weighings: tuple[Literal["none", "balanced"], ...] = ("none", "balanced")
    for weighing in weighings:
        stage = Finetune(epochs=5, learning_rate=3e-3, class_weights=weighing)
        made = execute(stage, source, context(tmp_path / weighing, data), tmp_path / weighing)
        model = load_model(made.path)
        tokenizer = load_tokenizer(made.path, 64)
        answers = logits_of(model, encode(tokenizer, data.test.inputs, model.config)).argmax(1)
        recall[weighing] = float((answers[np.array(data.test.targets) == 0] == 0).mean())
    assert recall["balanced"] > recall["none"]


@pytest.mark.parametrize("method", ["frozen", "probe-then-full"])
def test_a_head_that_reads_every_token_cannot_learn_from_one_state(
    method: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(type(TASK), "reads_first_token", False)
    with pytest.raises(UnsupportedError, match="reads every token"):
        Finetune(method=method).check(outline())
    assert Finetune(method="full").check(outline()) == []


def test_checks_warn_of_what_damages_or_is_ignored() -> None:
    assert Finetune(learning_rate=1e-3).check(outline()) == []
    assert "damages" in Finetune(learning_rate=2e-3).check(outline())[0]
    ignored = Finetune(method="frozen", learning_rate=1e-4).check(outline("albert"))
    assert "not used" in ignored[0]
    with pytest.raises(UnsupportedError, match="longformer"):
        Finetune().check(outline("longformer"))
    with pytest.raises(ValidationError):
        Finetune(epoch=3)  # type: ignore[call-arg]
