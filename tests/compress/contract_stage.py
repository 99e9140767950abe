"""The contract of every stage: subclass StageContract, and give a stage, its input and context."""

from __future__ import annotations

import dataclasses
import importlib.util
import json
from pathlib import Path

import pytest

from compress.models.outline import outline_of
from compress.stage import RunContext, Stage, execute, settings_of
from runtimes.artifact import Artifact, read_artifact
from runtimes.contents import digest_of, list_files
from runtimes.errors import EdgepressError, UnsupportedError


class StageContract:
    """Check one stage against the protocol of `compress.stage`.

    Subclasses define three class-scoped fixtures, as class methods: `stage`, `source` (an artifact
    that it accepts) and `context`. `made` runs the stage once for the whole class.
    """

    @pytest.fixture(scope="class")
    @classmethod
    def made(
        cls,
        stage: Stage,
        source: Artifact,
        context: RunContext,
        tmp_path_factory: pytest.TempPathFactory,
    ) -> tuple[str, Artifact]:
        """Return the source's digest from before the run, and the result."""
        before = digest_of(list_files(source.path))
        target = tmp_path_factory.mktemp("made") / "result"
        return before, execute(stage, source, context, target)

    def test_leaves_its_input_alone(self, source: Artifact, made: tuple[str, Artifact]) -> None:
        before, _ = made
        assert digest_of(list_files(source.path)) == before

    def test_result_loads_and_verifies(
        self, stage: Stage, source: Artifact, made: tuple[str, Artifact]
    ) -> None:
        _, result = made
        loaded = read_artifact(result.path)
        loaded.verify()
        assert loaded == result
        assert loaded.labels == source.labels
        assert set(loaded.task_files()) <= set(loaded.files)

    def test_gives_the_same_digest_again(
        self,
        stage: Stage,
        source: Artifact,
        context: RunContext,
        made: tuple[str, Artifact],
        tmp_path: Path,
    ) -> None:
        _, first = made
        fresh = dataclasses.replace(context, scratch=tmp_path / "scratch")
        fresh.scratch.mkdir()
        assert execute(stage, source, fresh, tmp_path / "again").digest == first.digest

    def test_records_itself(
        self, stage: Stage, source: Artifact, made: tuple[str, Artifact]
    ) -> None:
        _, result = made
        assert result.history[: len(source.history)] == source.history
        record = result.history[-1]
        assert record.kind == stage.kind
        assert dict(record.settings) == settings_of(stage)
        assert record.seconds > 0

    def test_settings_are_json(self, stage: Stage) -> None:
        settings = settings_of(stage)
        assert json.loads(json.dumps(settings)) == settings

    def test_refuses_a_foreign_format(
        self, stage: Stage, source: Artifact, context: RunContext, tmp_path: Path
    ) -> None:
        foreign = dataclasses.replace(source, format="tensorrt")
        with pytest.raises(UnsupportedError, match="tensorrt"):
            execute(stage, foreign, context, tmp_path / "result")
        assert list(tmp_path.iterdir()) == []

    def test_leaves_nothing_behind_when_it_fails(
        self, stage: Stage, source: Artifact, context: RunContext, tmp_path: Path
    ) -> None:
        missing = dataclasses.replace(source, path=tmp_path / "nowhere")
        scratch = dataclasses.replace(context, scratch=tmp_path / "scratch")
        scratch.scratch.mkdir()
        with pytest.raises((EdgepressError, OSError)):
            execute(stage, missing, scratch, tmp_path / "out" / "result")
        assert not (tmp_path / "out").exists()

    def test_knows_its_architectures(self, stage: Stage, source: Artifact) -> None:
        known = outline_of(source)
        assert isinstance(stage.check(known), list)
        with pytest.raises(UnsupportedError, match="longformer"):
            stage.check(dataclasses.replace(known, model_type="longformer"))

    def test_leaves_what_it_said_it_would(
        self, stage: Stage, source: Artifact, made: tuple[str, Artifact]
    ) -> None:
        said = stage.leaves(outline_of(source))
        assert dataclasses.replace(said, closed=False) == outline_of(made[1])

    def test_says_what_a_plan_needs(
        self, stage: Stage, source: Artifact, made: tuple[str, Artifact]
    ) -> None:
        assert source.format in stage.accepts
        flags = (stage.teaches, stage.retrains, stage.uses_data, stage.uses_target)
        assert {type(flag) for flag in flags} == {bool}
        assert stage.title(made[1].format)
        assert set(stage.model_settings) <= set(settings_of(stage))
        assert set(stage.models()) <= set(stage.model_settings)
        needed = (*stage.modules, *stage.packages(source.format))
        assert all(importlib.util.find_spec(module) for module in needed)
