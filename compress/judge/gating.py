"""Gate one deployable model: by budgets, a reference model and a stored baseline."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from compress.data.dataset import DataSettings
from compress.data.rows import Rows
from compress.explain.explain import headline
from compress.judge.evaluation import Evaluation, Measured, Outcome, as_baseline
from compress.judge.evidence import now
from compress.judge.fleet import Fleet, Part, devices_of, named_apart
from compress.judge.validate import load_rows, measure_beside, runnable
from compress.progress import Progress
from compress.report.gate_report import Fault, GatedDevice, GatedModel, GateReport
from profiles.baseline import Baseline, read_baseline, remarks, usual_probe_ms
from profiles.budget import METRICS, Budget, metric_named
from profiles.device import DeviceProfile, load_profile
from profiles.gate import Status, Verdict
from runtimes.artifact import read_artifact
from runtimes.digest import stable_hash
from runtimes.errors import InputError, UnknownNameError

CANDIDATE = "candidate"
_EXPLAINED_ROWS = 200


@dataclass(frozen=True, slots=True)
class GateRequest:
    """Say which model is gated, on which rows, by which budgets.

    Without `profiles`, the shipped `regression` profiles apply, for a reference or a baseline that
    is given. `budgets` (metric to limit) are added to every profile, or are judged alone. With
    `unlabeled` rows, budgets on accuracy are left out. `repeat` is the command line that repeats
    the gate. The first look lasts `least_s` at least.
    """

    candidate: Path
    data: DataSettings
    profiles: tuple[str, ...] = ()
    reference: str | None = None
    baseline: Path | None = None
    budgets: Mapping[str, float] = field(default_factory=dict)
    tier: str = "ci"
    seed: int = 7
    samples: Path | None = None
    unlabeled: bool = False
    repeat: str = ""
    least_s: float = 0.0


def gate(request: GateRequest, progress: Progress, shared: Path | None = None) -> GateReport:
    """Measure the candidate, beside the reference if there is one, and judge it.

    All options are checked before anything is measured. Raises InputError and its subclasses for
    bad input, DeviceError when a profile's device cannot be reached. A model whose measurement
    fails is a fault in the report.
    """
    profiles = chosen_profiles(request)
    devices = devices_of(profiles)
    stored = read_baseline(request.baseline) if request.baseline else None
    artifact = runnable(read_artifact(request.candidate), devices)
    # Without budgets on accuracy, no labels are read and not all rows are classified.
    budgets = [budget for profile in profiles for budget in profile.budgets.values()]
    labeled = any(budget.kind.needs_labels for budget in budgets)
    rows = load_rows(request.data, artifact, labeled=labeled, progress=progress)
    evaluation = Evaluation(
        candidates=(),
        judged=CANDIDATE,
        reference=None,
        rows=rows,
        profiles=profiles,
        tier=request.tier,
        seed=request.seed,
        baseline=stored,
        missing=_missing(request),
        least_s=request.least_s,
        verdict_only=True,
    )
    fleet = measure_beside(
        evaluation,
        artifact,
        request.reference,
        devices=devices,
        progress=progress,
        shared=shared,
        stream=request.samples,
    )
    return _report(request, fleet, rows, stored)


def _missing(request: GateRequest) -> dict[str, str]:
    return {
        **({} if request.reference else {"reference": "needs --reference"}),
        **({} if request.baseline else {"baseline": "needs --baseline"}),
    }


def chosen_profiles(request: GateRequest) -> tuple[DeviceProfile, ...]:
    """Return the profiles that judge, with the budgets of the command line; raise InputError.

    Budgets that unlabeled rows cannot decide are left out.
    """
    names = list(dict.fromkeys(request.profiles))
    if not names:
        names += ["regression"] if request.reference is not None else []
        names += ["regression-baseline"] if request.baseline is not None else []
    typed = {metric: _typed(metric, limit) for metric, limit in request.budgets.items()}
    _check_comparisons(request, typed)
    if request.unlabeled and (unmet := _of_quality(typed)):
        raise InputError(
            f"--budget {unmet[0]} with --unlabeled",
            expected="rows with labels: accuracy needs them",
            action="leave --unlabeled out, or the budget",
        )
    profiles = [_with(one, typed) for one in named_apart(map(load_profile, names))]
    if not profiles and typed:
        profiles = [DeviceProfile(schema=1, name="budgets", budgets=typed)]  # type: ignore[call-arg]
    if request.unlabeled:
        profiles = [_without_accuracy(profile) for profile in profiles]
    if not profiles or not any(profile.budgets for profile in profiles):
        raise InputError(
            "nothing to gate on",
            expected="--profile NAME, --budget METRIC=LIMIT, --reference FOLDER or --baseline FILE",
            action="`edgepress profile list` shows the profiles, docs/gate.md the metrics",
        )
    return tuple(profiles)


def _check_comparisons(request: GateRequest, typed: Mapping[str, Budget]) -> None:
    """Refuse a budget whose comparison is not given, before anything is measured."""
    there = {"reference": request.reference, "baseline": request.baseline}
    for metric, budget in typed.items():
        against = budget.kind.against
        if against and there[against] is None:
            raise InputError(
                f"--budget {metric} without --{against}",
                expected=f"something to compare with: --{against}",
                action=f"give it, or limit another metric than {metric}",
            )


def _typed(metric: str, limit: float) -> Budget:
    kind = metric_named(metric)
    if kind is None:
        raise UnknownNameError("metric", metric, METRICS)
    try:
        return Budget.model_validate({"metric": metric, kind.side: limit})
    except ValueError as error:
        raise InputError(
            f"--budget {metric}={limit:g}",
            expected=f"a positive number{', at most 1' if kind.unit == 'fraction' else ''}",
            action="give a limit in that range",
        ) from error


def _with(profile: DeviceProfile, typed: Mapping[str, Budget]) -> DeviceProfile:
    """Return a profile with replaced limits; level and confidence stay the same."""
    budgets = dict(profile.budgets)
    for metric, budget in typed.items():
        own = budgets.get(metric)
        limits = {"max": budget.max, "min": budget.min}
        budgets[metric] = own.model_copy(update=limits) if own else budget
    return profile.model_copy(update={"budgets": budgets})


def _without_accuracy(profile: DeviceProfile) -> DeviceProfile:
    left_out = _of_quality(profile.budgets)
    kept = {metric: row for metric, row in profile.budgets.items() if metric not in left_out}
    return profile.model_copy(update={"budgets": kept})


def _of_quality(budgets: Mapping[str, Budget]) -> list[str]:
    """Return the metrics that need labels."""
    return [metric for metric, budget in budgets.items() if budget.kind.needs_labels]


def _report(request: GateRequest, fleet: Fleet, rows: Rows, stored: Baseline | None) -> GateReport:
    outcome = fleet.first
    return GateReport(
        created=now(),
        repeat=request.repeat,
        tier=request.tier,
        seed=request.seed,
        looks=outcome.looks,
        looks_most=outcome.looks_most,
        seconds=outcome.seconds,
        overhead=outcome.overhead,
        machine=outcome.facts.to_json(),
        models=tuple(gated_model(row) for row in reversed(outcome.measured)),
        verdicts=tuple(verdict for part in fleet.parts for verdict in _judged(part, rows)),
        noise=tuple(_said(fleet, lambda one: one.noise.reasons)),
        faults=tuple(fault for part in fleet.parts for fault in _faults(part, fleet)),
        warnings=tuple(_said(fleet, lambda one: _warnings(one, rows, stored))),
        rows_digest=stable_hash(list(rows.inputs)),
        probe_ms=usual_probe_ms(outcome.of(CANDIDATE).samples),
        devices=tuple(map(_device, fleet.parts)) if len(fleet.parts) > 1 else (),
    )


def _said(fleet: Fleet, lines: Callable[[Outcome], Sequence[str]]) -> Iterator[str]:
    """Yield what was said of each device, after its name where there are several."""
    for device, outcome in fleet.outcomes:
        for line in lines(outcome):
            yield f"{device.name}: {line}" if len(fleet.parts) > 1 else line


def _faults(part: Part, fleet: Fleet) -> Iterator[Fault]:
    for row in part.outcome.measured if part.outcome else ():
        if row.samples.fault:
            where = f" on {part.device.name}" if len(fleet.parts) > 1 else ""
            yield Fault(
                row.candidate.name + where,
                row.samples.fault,
                row.samples.unsound,
                row.samples.out_of_memory,
                part.device.name if len(fleet.parts) > 1 else "",
            )


def _judged(part: Part, rows: Rows) -> Iterator[Verdict]:
    for verdict in part.verdicts:
        here = part.outcome is not None and part.device.job.here
        yield _explained(part.outcome, rows, verdict) if here and part.outcome else verdict


def _device(part: Part) -> GatedDevice:
    outcome = part.outcome
    return GatedDevice(
        name=part.device.name,
        transport=part.device.transport,
        profiles=part.device.profile_names,
        machine=outcome.facts.to_json() if outcome else {},
        models=tuple(gated_model(row) for row in reversed(outcome.measured)) if outcome else (),
        looks=outcome.looks if outcome else 0,
        seconds=outcome.seconds if outcome else 0.0,
        lost=part.why_lost,
        probe_ms=usual_probe_ms(outcome.of(CANDIDATE).samples) if outcome else None,
    )


def _explained(outcome: Outcome, rows: Rows, verdict: Verdict) -> Verdict:
    """Explain each broken budget beside its figure, where that takes seconds."""
    row = outcome.of(CANDIDATE)
    if row.samples.fault:
        return verdict
    said: dict[str, str] = {}
    for check in verdict.checks:
        family = check.budget.metric.split("_")[0]
        if check.status is Status.FAIL and check.counts and not check.why and family not in said:
            said[family] = headline(
                check.budget.metric,
                row.candidate.artifact,
                rows.inputs[:_EXPLAINED_ROWS],
                threads=row.samples.threads,
            )
    checks = (
        replace(check, why=said.get(check.budget.metric.split("_")[0], ""))
        if check.status is Status.FAIL and not check.why
        else check
        for check in verdict.checks
    )
    return replace(verdict, checks=tuple(checks))


def gated_model(row: Measured, role: str = "") -> GatedModel:
    """Return a measured model as a report names it; its role is its candidate's name by default."""
    artifact = row.candidate.artifact
    return GatedModel(
        role=role or row.candidate.name,
        name=artifact.path.name,
        digest=artifact.digest,
        format=artifact.format,
        runtime=row.candidate.runtime,
        runtime_version=row.samples.runtime_version,
        figures=tuple(row.measurements.values()),
        threads=row.samples.threads,
        memory_limit=row.samples.memory_limit,
    )


def _warnings(outcome: Outcome, rows: Rows, stored: Baseline | None) -> tuple[str, ...]:
    row = outcome.of(CANDIDATE)
    if stored is None or not row.samples.blocks:
        return ()
    return tuple(remarks(as_baseline(row, rows, outcome.facts), stored))
