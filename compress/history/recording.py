"""Make entries of a history from a gate's report or a stored baseline."""

from __future__ import annotations

from pathlib import Path

from compress.history.commit import Commit
from compress.history.series import Entry, Figure, Model, append
from compress.report.gate_report import GatedDevice, GatedModel, GateReport
from profiles.baseline import Baseline
from profiles.gate import Status
from profiles.paired import metric_interval
from profiles.statistics import Interval, mean_interval, share_interval

CONFIDENCE = 0.95
_SEED = 7


def record_gate(report: GateReport, folder: Path, commit: Commit) -> tuple[list[Path], list[str]]:
    """Add a gate's figures to the histories of its profiles; return the files, and what was not.

    A failed verdict is kept like any other. Another device's and a broken measurement's are not.
    """
    files: list[Path] = []
    refused = [f"nothing of {fault.model} is kept: it failed" for fault in report.faults]
    failed = {fault.device for fault in report.faults}
    for verdict in report.verdicts:
        device = report.device_of(verdict.profile)
        if (device.name if device else "") in failed:
            continue
        if verdict.status is Status.WRONG_DEVICE:
            refused.append(f"nothing is kept for {verdict.profile}: it is another device")
            continue
        entry = _entry(report, device or report, commit, verdict.status)
        files.append(append(folder, verdict.profile, commit.branch, entry))
    return files, refused


def _entry(
    report: GateReport, measured: GateReport | GatedDevice, commit: Commit, status: Status
) -> Entry:
    """Return the entry of a profile; `measured` is its device, or a report of one alone."""
    by_role = {model.role: model for model in measured.models}
    candidate, reference = by_role["candidate"], by_role.get("reference")
    return Entry(
        commit=commit.sha,
        committed=commit.committed,
        created=report.created,
        source="gate",
        status=status.value,
        model=_model(candidate),
        reference=None if reference is None else _model(reference),
        machine=str(measured.machine["fingerprint"]),
        cpu_model=str(measured.machine["cpu_model"]),
        probe_ms=measured.probe_ms,
        rows_digest=report.rows_digest,
        figures={
            row.metric: Figure(
                value=row.value, lower=row.lower, upper=row.upper, confidence=row.confidence
            )
            for row in candidate.figures
            if row.value is not None
        },
    )


def _model(model: GatedModel) -> Model:
    return Model(
        name=model.name,
        digest=model.digest,
        format=model.format,
        runtime=model.runtime,
        runtime_version=model.runtime_version,
        threads=model.threads,
    )


def record_baseline(stored: Baseline, profile: str, folder: Path, commit: Commit) -> Path:
    """Add a stored baseline's figures to the history of a profile, and return the file."""
    entry = Entry(
        commit=commit.sha,
        committed=commit.committed,
        created=stored.created,
        source="baseline",
        model=Model(**stored.model.model_dump()),
        machine=stored.machine.fingerprint,
        cpu_model=stored.machine.cpu_model,
        probe_ms=stored.machine.probe_ms,
        rows_digest=stored.rows_digest,
        figures=_figures(stored),
    )
    return append(folder, profile, commit.branch, entry)


def _figures(stored: Baseline) -> dict[str, Figure]:
    """Return a baseline's figures; those of its processes as their geometric mean."""
    means = {
        "latency_p50_ms": stored.latency_p50_ms,
        "latency_p90_ms": stored.latency_p90_ms,
        "cold_start_p50_ms": stored.cold_start_ms,
        "rss_peak_mb": stored.rss_peak_mb,
    }
    figures = {
        name: _figure(mean_interval(values, CONFIDENCE))
        for name, values in means.items()
        if len(values) > 1
    }
    figures["artifact_mb"] = Figure(value=stored.artifact_mb)
    scores = stored.scores()
    if scores is not None and scores.binary:
        right = int(scores.value.sum())
        figures[stored.metric] = _figure(share_interval(right, len(scores), CONFIDENCE))
    elif scores is not None:
        figures[stored.metric] = _figure(metric_interval(scores, CONFIDENCE, _SEED))
    return figures


def _figure(bound: Interval) -> Figure:
    assert bound.value is not None  # several processes, or rows
    return Figure(value=bound.value, lower=bound.lower, upper=bound.upper, confidence=CONFIDENCE)
