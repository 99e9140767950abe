"""The question that an explanation answers: a metric, a model and rows."""

from __future__ import annotations

import random
from dataclasses import dataclass, field
from pathlib import Path

from compress.answers import Answers
from compress.answers.deployed import answers
from compress.data.dataset import DataSettings, load_inputs, load_labeled
from compress.data.rows import Rows
from compress.progress import Progress, Silence
from compress.tasks import require_same_outputs, task_of
from profiles.job import Job
from runtimes.artifact import Artifact
from runtimes.errors import InputError
from runtimes.packages import require_available
from runtimes.runtime import RUNTIMES, runs_in


@dataclass(frozen=True, slots=True)
class Question:
    """Ask why `artifact` has its value of `metric`.

    `data.test` names the rows; `reference` is the model to compare with. `top` limits the rows of
    every table. Measurements run on `device`.
    """

    metric: str
    artifact: Artifact
    data: DataSettings | None = None
    reference: Artifact | None = None
    threads: int = 1
    top: int = 10
    progress: Progress = field(default_factory=Silence)
    device: Job = field(default_factory=Job)

    def texts(self) -> list[str]:
        """Read the texts; labels are not needed. Raises InputError when no file was named."""
        task = task_of(self.artifact.task)
        return list(load_inputs(self._settings(), Path(), task).inputs)

    def labeled(self) -> Rows:
        """Read texts and labels. Raises InputError when no file was named, DataError on bad rows.

        Raises UnsupportedError when the reference was made for other classes.
        """
        labels = self.artifact.labels
        if self.reference is not None:
            require_same_outputs(self.artifact.task, labels, self.reference.labels)
        task = task_of(self.artifact.task)
        rows, warnings = load_labeled(self._settings(), Path(), labels, task)
        for warning in warnings:
            self.progress.warn(warning)
        return rows

    def _settings(self) -> DataSettings:
        if self.data is None or not self.data.test:
            raise InputError(
                f"{self.metric} is explained on rows, and none were given",
                expected="a csv, tsv, jsonl or parquet file",
                action="name it with --data FILE",
            )
        return self.data


def runtime_of(artifact: Artifact) -> str:
    """Return the runtime that runs a model; raise UnsupportedError when none here does."""
    name = runs_in(artifact.format)
    require_available(RUNTIMES.resolve(name)())
    return name


def answers_to(rows: Rows, artifact: Artifact, question: Question, name: str) -> Answers:
    """Return a model's answers to rows, as deployed; `name` appears in the progress."""
    return answers(
        artifact,
        runtime_of(artifact),
        rows.inputs,
        threads=question.threads,
        progress=question.progress,
        name=name,
        device=question.device,
    )


def sample(texts: list[str], count: int, seed: int = 7) -> list[str]:
    """Return `count` texts drawn with a fixed seed, so that their lengths are typical."""
    if len(texts) <= count:
        return texts
    return random.Random(seed).sample(texts, count)  # noqa: S311 - a sample, not a secret
