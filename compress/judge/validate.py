"""Measure one deployable model against a reference, and judge it by profiles."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from compress.data.dataset import DataSettings, load_inputs, load_labeled
from compress.data.rows import Rows
from compress.export.reference import open_reference
from compress.judge.evaluation import REFERENCE, Candidate, Evaluation, Measured, Outcome
from compress.judge.evidence import stage_row, summary, worst_classes
from compress.judge.fleet import Device, Fleet, devices_of, measure_on_each, named_apart
from compress.judge.judging import measure_and_judge
from compress.progress import Progress
from compress.report.schema import ClassRow, StageRow, Summary
from compress.storage.scratch import scratch_folder
from compress.tasks import task_of
from profiles.device import load_profile
from profiles.emulated import require_times
from profiles.gate import Status, Verdict, combine
from profiles.job import Job
from runtimes.artifact import Artifact, read_artifact
from runtimes.facts import Facts
from runtimes.packages import require_available
from runtimes.runtime import RUNTIMES, runs_in

MODEL = "model"


@dataclass(frozen=True, slots=True)
class Validation:
    """Hold the figures of a model and its reference on each device, and the verdicts.

    `classes` are those that keep least of the reference's accuracy, worst first.
    """

    fleet: Fleet
    classes: tuple[ClassRow, ...] = ()

    @property
    def outcome(self) -> Outcome:
        """Return the first device's outcome."""
        return self.fleet.first

    @property
    def model(self) -> Measured:
        """Return the model's figures."""
        return self.outcome.of(MODEL)

    @property
    def reference(self) -> Measured:
        """Return the reference's figures."""
        return self.outcome.of(REFERENCE)

    @property
    def verdicts(self) -> tuple[Verdict, ...]:
        """Return the model's verdicts, one for each profile."""
        return self.fleet.verdicts

    @property
    def status(self) -> Status:
        """Return the worst verdict's status."""
        return combine(self.verdicts)

    @property
    def exit_code(self) -> int:
        """Return what `edgepress validate` exits with."""
        return self.status.exit_code

    def summary(self) -> Summary:
        """Return the comparison of the two."""
        return summary(self.reference, self.model)

    def rows(self) -> tuple[StageRow, ...]:
        """Return one table row for each metric."""
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
    """Measure `model` and `reference` side by side on each profile's device; judge the model.

    A torch reference is exported to fp32 ONNX first: eager torch is slow, so the model would look
    too good. Raises UnsupportedError for a model that no runtime here loads, DeviceError when a
    profile's device cannot be reached.
    """
    devices = named_apart(map(load_profile, profiles))
    reached = devices_of(devices)
    artifact = runnable(read_artifact(model), reached)
    rows = load_rows(test, artifact, labeled=True, progress=progress)
    evaluation = Evaluation((), MODEL, None, rows, devices, tier, seed)
    fleet = measure_beside(
        evaluation, artifact, reference, devices=reached, progress=progress, stream=stream
    )
    fleet.accept(progress)
    result = Validation(fleet)
    return replace(result, classes=worst_classes(result.reference, result.model, rows.targets))


def load_rows(data: DataSettings, artifact: Artifact, *, labeled: bool, progress: Progress) -> Rows:
    """Load the rows that a model is measured on, and warn of their weaknesses."""
    task = task_of(artifact.task)
    if not labeled:
        return load_inputs(data, Path(), task)
    rows, warnings = load_labeled(data, Path(), artifact.labels, task)
    for warning in warnings:
        progress.warn(warning)
    return rows


def measure_beside(
    evaluation: Evaluation,
    artifact: Artifact,
    reference: str | None,
    *,
    devices: Sequence[Device],
    progress: Progress,
    shared: Path | None = None,
    stream: Path | None = None,
) -> Fleet:
    """Evaluate `artifact` on each device, beside a reference if one is given.

    The candidates of `evaluation` are measured too. A torch reference is deleted after the
    measurement.
    """

    def measured(asked: Evaluation, device: Job, said: Progress, file: Path | None) -> Outcome:
        return measure_and_judge(asked, device=device, progress=said, shared=shared, stream=file)

    with scratch_folder() as scratch:
        wanted = evaluation.profiles[0].runtime.name if evaluation.profiles else ""
        candidates = [*evaluation.candidates, deployable(evaluation.judged, artifact, wanted)]
        if reference is not None:
            reference_model = open_reference(
                reference, artifact, scratch, evaluation.seed, progress
            )
            candidates.insert(0, deployable(REFERENCE, reference_model, wanted))
            evaluation = replace(evaluation, reference=REFERENCE)
        evaluation = replace(evaluation, candidates=candidates)
        return measure_on_each(evaluation, devices, measured, progress=progress, stream=stream)


@dataclass(frozen=True, slots=True)
class MeasuredModel:
    """Hold the figures of a model that was measured and not judged, its rows and its machine."""

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
    unlabeled: bool = False,
    shared: Path | None = None,
    timed: str = "",
) -> MeasuredModel:
    """Measure a model on the profile's device, beside a reference if one is given.

    `timed` names a use of the figures that goes by times: an emulated device is then refused with
    UnsupportedError. Raises what `validate` does, and BackendError when a process of either fails.
    """
    device_profile = load_profile(profile)
    (device,) = devices_of((device_profile,))
    if timed:
        require_times(device.job.facts(), timed)
    artifact = runnable(read_artifact(model), (device,))
    rows = load_rows(data, artifact, labeled=not unlabeled, progress=progress)
    evaluation = Evaluation(
        (), MODEL, None, rows, (), tier, seed, threads=device_profile.runtime.threads
    )
    unjudged = (replace(device, profiles=()),)
    fleet = measure_beside(
        evaluation, artifact, reference, devices=unjudged, progress=progress, shared=shared
    )
    fleet.accept(progress)
    return MeasuredModel(fleet.first.of(MODEL), rows, device.job.facts())


def deployable(name: str, artifact: Artifact, wanted: str = "") -> Candidate:
    """Return a candidate that is also cold-started, in the `wanted` runtime if that loads it."""
    return Candidate(name, artifact, runs_in(artifact.format, wanted), deployable=True)


def runnable(artifact: Artifact, devices: Sequence[Device]) -> Artifact:
    """Return a complete artifact of a format that runs; raise UnsupportedError or ArtifactError.

    Whether another machine has the runtime is known when a process starts there.
    """
    if any(device.job.here for device in devices):
        require_available(RUNTIMES.resolve(runs_in(artifact.format))())
    artifact.verify()
    return artifact


def _last_kind(artifact: Artifact) -> str:
    return artifact.history[-1].kind if artifact.history else "teacher"
