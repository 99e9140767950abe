"""Measure one deployable model against a reference and judge it by a profile."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from compress.data.dataset import DataSettings, Rows, load_labelled, load_texts
from compress.export.reference import open_reference
from compress.judge.evidence import stage_row, summary, worst_classes
from compress.judge.judging import REFERENCE, Candidate, Job, Measured, Outcome, measure_and_judge
from compress.progress import Progress
from compress.report.schema import ClassRow, StageRow, Summary
from profiles.device import load_profile
from profiles.gate import Verdict
from runtimes.artifact import Artifact, read_artifact
from runtimes.errors import UnsupportedError
from runtimes.facts import Facts, probe
from runtimes.session import RUNTIMES, runs_in

MODEL = "model"


@dataclass(frozen=True, slots=True)
class Validation:
    """Hold what was found of a model and its reference, and the verdicts.

    `classes` are those that keep least of the reference's accuracy, the worst first.
    """

    outcome: Outcome
    classes: tuple[ClassRow, ...] = ()

    @property
    def model(self) -> Measured:
        """Return what was found of the model."""
        return self.outcome.of(MODEL)

    @property
    def reference(self) -> Measured:
        """Return what was found of its reference."""
        return self.outcome.of(REFERENCE)

    @property
    def verdicts(self) -> tuple[Verdict, ...]:
        """Return the model's verdicts, one a profile."""
        return self.outcome.verdicts

    def summary(self) -> Summary:
        """Return how the two compare."""
        return summary(self.reference, self.model)

    def rows(self) -> tuple[StageRow, ...]:
        """Return a table row each."""
        return tuple(
            stage_row(
                row,
                made=row.candidate.artifact,
                name=row.candidate.name,
                kind=_last_kind(row.candidate.artifact),
                cached=False,
                teacher=row is self.reference,
                selected=row is self.model,
            )
            for row in (self.reference, self.model)
        )


def validate(
    model: Path,
    reference: str,
    test: DataSettings,
    profiles: Sequence[str],
    *,
    seed: int,
    progress: Progress,
    tier: str = "ci",
    stream: Path | None = None,
) -> Validation:
    """Measure `model` and `reference` side by side on this machine and judge the model.

    A reference that is a torch model is exported to fp32 ONNX first: eager torch would flatter
    the model. Raises UnsupportedError for a model that no runtime here loads.
    """
    devices = tuple(load_profile(name) for name in profiles)
    artifact = runnable(read_artifact(model))
    rows = load_rows(test, artifact, labelled=True, progress=progress)
    job = Job((), MODEL, None, rows, devices, tier, seed)
    outcome = measure_beside(
        job, artifact, reference, facts=probe(), progress=progress, stream=stream
    )
    outcome.accept(progress)
    found = Validation(outcome)
    return replace(found, classes=worst_classes(found.reference, found.model, rows.targets))


def load_rows(
    data: DataSettings, artifact: Artifact, *, labelled: bool, progress: Progress
) -> Rows:
    """Load the rows that a model is measured on, and warn of what is weak about them."""
    if not labelled:
        return load_texts(data, Path())
    rows, warnings = load_labelled(data, Path(), artifact.labels)
    for warning in warnings:
        progress.warn(warning)
    return rows


def measure_beside(
    job: Job,
    artifact: Artifact,
    reference: str | None,
    *,
    facts: Facts,
    progress: Progress,
    shared: Path | None = None,
    stream: Path | None = None,
) -> Outcome:
    """Do a job whose judged model is `artifact`, beside a reference if one is given.

    The job comes without candidates. A torch reference lives for as long as it is measured.
    """
    with tempfile.TemporaryDirectory(prefix="edgepress-") as scratch:
        candidates = [deployable(job.judged, artifact)]
        if reference is not None:
            known = open_reference(reference, artifact, Path(scratch), job.seed, progress)
            candidates.insert(0, deployable(REFERENCE, known))
            job = replace(job, reference=REFERENCE)
        job = replace(job, candidates=candidates)
        return measure_and_judge(job, facts=facts, progress=progress, shared=shared, stream=stream)


@dataclass(frozen=True, slots=True)
class Session:
    """Hold what was found of a model that was measured and not judged, and on what."""

    model: Measured
    rows: Rows
    facts: Facts


def measure_model(
    model: Path,
    reference: str | None,
    data: DataSettings,
    *,
    profile: str,
    tier: str,
    seed: int,
    progress: Progress,
    unlabelled: bool = False,
    shared: Path | None = None,
) -> Session:
    """Measure a model with the profile's threads, beside a reference if one is given.

    Raises what `validate` does, and BackendError when a process of either fails.
    """
    artifact = runnable(read_artifact(model))
    rows = load_rows(data, artifact, labelled=not unlabelled, progress=progress)
    threads = load_profile(profile).runtime.threads
    facts = probe()
    job = Job((), MODEL, None, rows, (), tier, seed, threads=threads)
    outcome = measure_beside(
        job, artifact, reference, facts=facts, progress=progress, shared=shared
    )
    outcome.accept(progress)
    return Session(outcome.of(MODEL), rows, facts)


def deployable(name: str, artifact: Artifact) -> Candidate:
    """Return a candidate that is also cold-started."""
    return Candidate(name, artifact, runs_in(artifact.format), deployable=True)


def runnable(artifact: Artifact) -> Artifact:
    """Return a whole artifact that runs here; raise UnsupportedError or ArtifactError."""
    state = RUNTIMES.resolve(runs_in(artifact.format))().availability()
    if not state.ok:
        raise UnsupportedError(f"{artifact.format} cannot run here: {state.reason}")
    artifact.verify()
    return artifact


def _last_kind(artifact: Artifact) -> str:
    return artifact.history[-1].kind if artifact.history else "teacher"
