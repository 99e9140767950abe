"""A stage's result is complete, with its history, or absent; its input never changes."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest

from compress.progress import Silence
from compress.stage import STAGES, RunContext, Stage, execute, settings_of, tool_versions
from runtimes.artifact import Artifact, read_artifact
from runtimes.errors import UnknownNameError, UnsupportedError
from tests.compress.stand_in import Copy
from tests.compress.tiny_models import make_data, make_model


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Artifact:
    return make_model(tmp_path_factory.mktemp("staged") / "model")


@pytest.fixture
def context(tmp_path: Path) -> RunContext:
    return RunContext(make_data(), None, seed=7, scratch=tmp_path / "scratch")


def test_a_result_carries_its_lineage(
    source: Artifact, context: RunContext, tmp_path: Path
) -> None:
    first = execute(Copy(), source, context, tmp_path / "a")
    second = execute(Copy(note="again"), first, context, tmp_path / "b")
    assert second == read_artifact(tmp_path / "b")
    assert [record.kind for record in second.history] == ["copy", "copy"]
    assert second.history[1].settings == settings_of(Copy(note="again"))
    assert second.history[1].metrics == {"copied": 1.0}
    assert second.history[1].tools == tool_versions()
    assert second.digest == first.digest == source.digest


def test_a_failed_stage_leaves_the_former_result(
    source: Artifact, context: RunContext, tmp_path: Path
) -> None:
    former = execute(Copy(note="former"), source, context, tmp_path / "a")
    with pytest.raises(OSError, match="No space left"):
        execute(Copy(fails=True), source, context, tmp_path / "a")
    assert read_artifact(tmp_path / "a") == former
    assert [path.name for path in tmp_path.iterdir()] == ["a"]


def test_a_format_that_a_stage_does_not_take_is_refused(
    source: Artifact, context: RunContext, tmp_path: Path
) -> None:
    onnx = dataclasses.replace(source, format="onnx")
    with pytest.raises(UnsupportedError, match="huggingface"):
        execute(Copy(), onnx, context, tmp_path / "a")
    assert not (tmp_path / "a").exists()


def test_every_stage_keeps_the_protocol() -> None:
    for name in STAGES.names():
        stage = STAGES.resolve(name)()
        assert isinstance(stage, Stage)
        assert stage.kind == name
        assert stage.accepts


def test_an_unknown_stage_gets_the_nearest() -> None:
    with pytest.raises(UnknownNameError, match="quantize"):
        STAGES.resolve("quantise")


def test_silence_keeps_warnings() -> None:
    quiet = Silence()
    with quiet.task("x", 1) as advance:
        advance(1, "")
    quiet.note("unseen")
    quiet.warn("seen")
    assert quiet.warnings == ["seen"]
