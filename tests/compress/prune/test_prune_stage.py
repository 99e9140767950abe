"""The prune stage as the pipeline runs it."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from compress.progress import Silence
from compress.prune.stage import Prune
from compress.stage import RunContext, execute
from runtimes.artifact import Artifact
from runtimes.errors import RecipeError, UnsupportedError
from tests.compress.contract_stage import StageContract
from tests.compress.outlines import outline
from tests.compress.text_models import load_model
from tests.compress.tiny_models import make_data, make_model, make_trained_model

DATA = make_data()


@pytest.fixture(scope="module")
def teacher(tmp_path_factory: pytest.TempPathFactory) -> Artifact:
    return make_trained_model(tmp_path_factory.mktemp("teacher"), data=DATA)


def context(folder: Path, teacher: Artifact | None = None) -> RunContext:
    return RunContext(DATA, teacher, seed=7, scratch=folder / "scratch")


def test_everything_can_be_cut_at_once_and_recovered(tmp_path: Path, teacher: Artifact) -> None:
    stage = Prune(
        ffn=0.5,
        heads=0.5,
        layers=1,
        vocabulary=True,
        vocabulary_floor=0,
        recovery_epochs=4,
        learning_rate=1e-3,
    )
    made = execute(stage, teacher, context(tmp_path, teacher), tmp_path / "pruned")
    metrics = made.history[-1].metrics
    config = load_model(made.path).config
    assert (config.num_hidden_layers, config.intermediate_size) == (1, 64)
    assert config.edgepress_heads == metrics["heads_kept"] == 2
    assert (metrics["ffn_before"], metrics["ffn_kept"]) == (128, 64)
    assert (metrics["layers_before"], metrics["layers"]) == (2, 1)
    assert metrics["parameters_before"] == teacher.parameters
    assert metrics["parameters"] == made.parameters < teacher.parameters / 2
    assert 0.5 < metrics["ffn_importance_retained"] < 1
    assert 0.5 <= metrics["heads_importance_retained"] < 1
    assert metrics["validation_accuracy"] > 0.8
    assert made.size_bytes() < teacher.size_bytes() / 2


class TestPrune(StageContract):
    @pytest.fixture(scope="class", params=["units", "layers", "pieces"])
    @classmethod
    def stage(cls, request: pytest.FixtureRequest) -> Prune:
        return {
            "units": Prune(ffn=0.25, heads=0.25, recovery_epochs=1),
            "layers": Prune(layers=1, recovery_epochs=1),
            "pieces": Prune(vocabulary=True, vocabulary_floor=0),
        }[request.param]

    @pytest.fixture(scope="class")
    @classmethod
    def source(cls, teacher: Artifact) -> Artifact:
        return teacher

    @pytest.fixture(scope="class")
    @classmethod
    def context(cls, teacher: Artifact, tmp_path_factory: pytest.TempPathFactory) -> RunContext:
        return RunContext(DATA, teacher, seed=7, scratch=tmp_path_factory.mktemp("scratch"))


def test_without_a_teacher_the_model_stays_as_cut_with_a_warning(
    tmp_path: Path, teacher: Artifact
) -> None:
    silence = Silence()
    lone = dataclasses.replace(context(tmp_path), progress=silence)
    made = execute(Prune(ffn=0.5), teacher, lone, tmp_path / "lone")
    cut = execute(Prune(ffn=0.5, recovery_epochs=0), teacher, lone, tmp_path / "cut")
    assert made.digest == cut.digest
    assert any("no teacher" in text for text in silence.warnings)


def test_a_share_that_rounds_to_nothing_changes_nothing_and_says_so(
    tmp_path: Path, teacher: Artifact
) -> None:
    silence = Silence()
    told = dataclasses.replace(context(tmp_path), progress=silence)
    made = execute(Prune(heads=0.1, recovery_epochs=0), teacher, told, tmp_path / "out")
    assert made.parameters == teacher.parameters - 2 * 64  # positions beyond its longest text
    assert not (made.path / "modeling_edgepress.py").exists()
    assert silence.warnings == ["prune: heads = 0.1 of 4 rounds to none: all stay"]


def test_layers_that_the_model_does_not_have_are_an_error(
    tmp_path: Path, teacher: Artifact
) -> None:
    with pytest.raises(RecipeError, match="the model has 2 layers"):
        execute(Prune(layers=3), teacher, context(tmp_path), tmp_path / "out")
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("hidden", [40, 80])
def test_a_width_of_no_whole_heads_is_an_error(
    tmp_path: Path, teacher: Artifact, hidden: int
) -> None:
    with pytest.raises(RecipeError, match=f"hidden = {hidden}") as caught:
        execute(Prune(hidden=hidden), teacher, context(tmp_path), tmp_path / "out")
    assert "a multiple of 16" in str(caught.value.expected)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"ffn": 1.0}, "ffn = 1"),
        ({"ffn": -0.1}, "ffn = -0.1"),
        ({"heads": 0.96}, "heads = 0.96"),
        ({"layers": -1}, "layers = -1"),
        ({"hidden": 0}, "hidden = 0"),
        ({}, "removes nothing"),
        ({"ffn": float("nan")}, "ffn = nan"),
    ],
)
def test_cuts_out_of_range_are_refused(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(RecipeError, match=message):
        Prune(**settings).check(outline())


def test_unknown_architectures_and_settings_are_refused() -> None:
    with pytest.raises(UnsupportedError, match="albert"):
        Prune(ffn=0.5).check(outline("albert"))
    with pytest.raises(ValidationError):
        Prune(fnn=0.5)  # type: ignore[call-arg]


def test_checks_warn_of_what_will_disappoint() -> None:
    assert Prune(ffn=0.5).check(outline()) == []
    assert "recovery_epochs" in Prune(ffn=0.5, recovery_epochs=0).check(outline())[0]
    assert "diverge" in Prune(ffn=0.5, learning_rate=0.01).check(outline())[0]
    assert Prune(vocabulary=True, recovery_epochs=0).check(outline()) == []


def test_fewer_pieces_alone_need_no_recovery(tmp_path: Path) -> None:
    source = make_model(tmp_path / "source", "xlm-roberta")
    stage = Prune(vocabulary=True, vocabulary_floor=0)
    made = execute(stage, source, context(tmp_path, source), tmp_path / "out")
    metrics = made.history[-1].metrics
    assert "epochs" not in metrics
    assert metrics["pieces"] < metrics["pieces_before"]
    assert metrics["validation_unknown_share"] == metrics["validation_unknown_share_before"]


def test_rarer_pieces_that_go_are_recovered_from(tmp_path: Path, teacher: Artifact) -> None:
    stage = Prune(
        vocabulary=True,
        vocabulary_floor=0,
        alphabet="seen",
        least_count=24,
        recovery_epochs=3,
        learning_rate=1e-3,
    )
    made = execute(stage, teacher, context(tmp_path, teacher), tmp_path / "out")
    metrics = made.history[-1].metrics
    assert metrics["counted_token_growth"] > 1
    assert metrics["epochs"] == 3
    assert metrics["validation_accuracy"] > 0.8
