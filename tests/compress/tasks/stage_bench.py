"""Run stages of any task one after the other, and score what they make."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

from compress.answers.folder import folder_answers
from compress.answers.trained import trained_answers
from compress.data.dataset import Dataset
from compress.models.outline import outline_of
from compress.stage import RunContext, Stage, execute
from compress.tasks import task_of
from runtimes.artifact import Artifact


@dataclasses.dataclass
class Bench:
    """Hold the rows, a folder for results, and the teacher once there is one."""

    data: Dataset
    folder: Path
    teacher: Artifact | None = None

    def run(self, stage: Stage, source: Artifact, name: str) -> Artifact:
        """Run a stage as a recipe does."""
        context = RunContext(self.data, self.teacher, 7, self.folder / f"{name}-work")
        stage.check(outline_of(source))
        return execute(stage, source, context, self.folder / name)

    def answers(self, model: Artifact) -> Any:
        """Return a model's answers to the test rows."""
        rows = self.data.test.inputs
        if model.format == "huggingface":
            return trained_answers(model, rows)
        return folder_answers(model, model.path, rows)

    def score(self, model: Artifact) -> float:
        """Return a model's score on the test rows."""
        known = self.answers(model)
        return task_of(model.task).score(known, self.data.test.targets, model.labels).metric
