"""A model's score on validation rows, shown during a run."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from compress.answers import Answers
from compress.answers.folder import folder_answers
from compress.answers.kept import kept_answers
from compress.answers.trained import trained_answers
from compress.data.rows import Rows
from compress.quantize.check import pick_rows
from compress.stage import TORCH, tool_versions
from compress.storage.sources import code_digest
from compress.tasks import Task, task_of
from runtimes.artifact import Artifact
from runtimes.digest import stable_hash
from runtimes.runtime import RUNTIMES, runs_in

_MOST_ROWS = 1_000
"""The number of validation rows: seconds for a small model, one point of standard error."""


@dataclass(slots=True)
class Validation:
    """Score the models of a run on the same validation rows; never on test rows.

    `shared` keeps the answers, so that a resumed run does not compute them again.
    """

    rows: Rows
    shared: Path
    task: Task
    _teacher: float | None = field(default=None, init=False)

    def __post_init__(self) -> None:
        self.rows = pick_rows(self.rows, _MOST_ROWS, self.task)

    def line(self, model: Artifact, *, teacher: bool = False) -> str:
        """Describe the model's score and its retention; "" where nothing runs it."""
        if model.format != TORCH and not _runs_here(model):
            return ""
        given = self._answers(model)
        score = task_of(model.task).score(given, self.rows.targets, model.labels).metric
        if teacher:
            self._teacher = score
        line = f"validation {score:.1%} of {len(self.rows):,} rows"
        if teacher or not self._teacher:
            return line
        return f"{line}, {score / self._teacher:.1%} of the teacher's"

    def _answers(self, model: Artifact) -> Answers:
        code = code_digest(__name__)
        key = [model.digest, list(self.rows.inputs), tool_versions(), code]
        file = self.shared / f"validation-{stable_hash(key)[:32]}.npz"
        return kept_answers(file, len(self.rows), lambda: self._computed(model))

    def _computed(self, model: Artifact) -> Answers:
        """Answer in batches, or as a device does: each row alone, by the bundle's own code."""
        if model.format == TORCH:
            return trained_answers(model, self.rows.inputs)
        return folder_answers(model, model.path, self.rows.inputs)


def _runs_here(model: Artifact) -> bool:
    return bool(RUNTIMES.resolve(runs_in(model.format))().availability().ok)
