"""One gate and, in the same minute, the other tools' verdicts: a trial, and a journal's line."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.labeled_rows import write_labeled
from benchmarks.other_gates import METHODS, judgments, sequential_samples
from compress.data.dataset import DataSettings
from compress.data.reading import read_table
from compress.judge.gating import GateRequest, gate
from compress.progress import Silence
from compress.report.gate_report import GateReport
from profiles.gate import Status
from runtimes.artifact import Artifact, read_artifact
from runtimes.errors import InputError, UnsupportedError

OURS = "edgepress"
JUDGED = "latency_p50_ratio"
"""The budget whose limit the trials set; the other tools judge the same question."""

# It ends with its parent, also if the parent was killed before this starts.
_SPIN = """
import os, sys
while os.getppid() == int(sys.argv[1]):
    for _ in range(1_000_000):
        pass
"""


@dataclass(frozen=True, slots=True)
class Terms:
    """Hold how each trial gates: by which profile, tier and limit."""

    profile: str
    tier: str
    limit: float


@dataclass(frozen=True, slots=True)
class FewRows:
    """Name a file of a few labeled rows, and hold its texts."""

    file: Path
    texts: tuple[str, ...]

    @property
    def settings(self) -> DataSettings:
        """Return the rows as a gate takes them."""
        return DataSettings(train=(), test=(str(self.file),), text="text", label="label")


def few_rows(data: str, text: str, label: str, rows: int, seed: int, folder: Path) -> FewRows:
    """Draw so many rows of a file and write them below `folder`; all rows if it has fewer."""
    known = read_table(data, Path(), (text, label), None).rows
    drawn = np.random.default_rng(seed).permutation(len(known))[:rows]
    kept = [known[index] for index in drawn]
    file = folder / "rows.csv"
    write_labeled(file, kept)
    return FewRows(file, tuple(row[0] for row in kept))


def gated_artifact(folder: Path) -> Artifact:
    """Read and check an artifact that a gate can run.

    Raises ArtifactError for a folder that is not an artifact, UnsupportedError for a format that is
    not deployed.
    """
    artifact = read_artifact(folder)
    if artifact.format not in ("onnx", "openvino"):
        raise UnsupportedError(
            f"{folder}: format {artifact.format!r} is not gated",
            expected="an artifact of format 'onnx' or 'openvino'",
            action="run `edgepress export` first",
        )
    artifact.verify()
    return artifact


def trial(
    reference: Artifact,
    candidate: Artifact,
    rows: FewRows,
    terms: Terms,
    *,
    seed: int,
    loaded: bool = False,
    others_first: bool = False,
) -> dict[str, Any]:
    """Gate a candidate against a reference, and judge the two as the other tools do.

    With `loaded`, another process keeps a core busy meanwhile.
    """
    content: dict[str, Any] = {"seed": seed, "loaded": loaded, "others_first": others_first}
    with loaded_core(loaded):
        if others_first:
            content["others"] = _others(reference, candidate, rows, terms)
        content["gate"] = _gated(reference, candidate, rows, terms, seed)
        if not others_first:
            content["others"] = _others(reference, candidate, rows, terms)
    return content


@contextmanager
def loaded_core(wanted: bool = True) -> Iterator[int | None]:
    """Keep a core busy with a child process, which always ends; yield its id."""
    if not wanted:
        yield None
        return
    process = subprocess.Popen(
        [sys.executable, "-c", _SPIN, str(os.getpid())], stdout=subprocess.DEVNULL
    )
    try:
        yield process.pid
    finally:
        process.kill()
        process.wait()


def _gated(
    reference: Artifact, candidate: Artifact, rows: FewRows, terms: Terms, seed: int
) -> dict[str, Any]:
    request = GateRequest(
        candidate=candidate.path,
        data=rows.settings,
        profiles=(terms.profile,),
        reference=str(reference.path),
        baseline=None,
        budgets={JUDGED: terms.limit},
        tier=terms.tier,
        seed=seed,
        samples=None,
    )
    started = time.monotonic()
    report = gate(request, Silence())
    return {"wall_s": round(time.monotonic() - started, 2), **_gate_row(report)}


def _gate_row(report: GateReport) -> dict[str, Any]:
    checks = {
        check.budget.metric: {
            "status": check.status.value,
            "counts": check.counts,
            **{
                name: None if check.measurement is None else getattr(check.measurement, name)
                for name in ("value", "lower", "upper", "samples")
            },
            "why": check.why,
        }
        for verdict in report.verdicts
        for check in verdict.checks
    }
    return {
        "status": report.status.value,
        "looks": report.looks,
        "seconds": round(report.seconds, 2),
        "overhead": round(report.overhead, 4),
        "noise": list(report.noise),
        "conditions": [verdict.conditions for verdict in report.verdicts],
        "faults": [fault.said for fault in report.faults],
        "checks": checks,
    }


def _others(
    reference: Artifact, candidate: Artifact, rows: FewRows, terms: Terms
) -> dict[str, Any]:
    return judgments(sequential_samples(reference, candidate, rows.texts), terms.limit)


# --- the journal ---------------------------------------------------------------------------------


class Journal:
    """Keep each trial as a line beside the figures, so that a killed benchmark can resume.

    Without `resume` an earlier journal is refused, and so is one of other settings.
    """

    def __init__(self, json_file: Path | None, head: Mapping[str, Any], resume: bool) -> None:
        self.path = None if json_file is None else json_file.with_suffix(".trials.jsonl")
        self.trials: list[dict[str, Any]] = []
        if self.path is None:
            if resume:
                raise InputError("--resume without --json FILE", action="name the file to go on")
            return
        if not self.path.parent.is_dir():
            raise InputError(f"--json {json_file}: no such folder", action="make the folder first")
        if self.path.exists():
            self.trials = _earlier(self.path, head, resume)
        _write(self.path, [dict(head), *self.trials])

    def add(self, gate: dict[str, Any]) -> None:
        """Keep one more trial."""
        self.trials.append(gate)
        if self.path is not None:
            with self.path.open("a", encoding="utf-8") as lines:
                lines.write(json.dumps(gate) + "\n")


def _earlier(path: Path, head: Mapping[str, Any], resume: bool) -> list[dict[str, Any]]:
    if not resume:
        raise InputError(
            f"{path}: trials of an earlier run",
            action="--resume continues with them; remove the file to start again",
        )
    lines = list(_whole_lines(path))
    if not lines or lines[0] != json.loads(json.dumps(head)):
        raise InputError(
            f"{path}: trials with other settings, or of another model or machine",
            expected=json.dumps(head),
            available=json.dumps(lines[0]) if lines else "nothing",
            action="give the same settings, or remove the file to start again",
        )
    return lines[1:]


def _whole_lines(path: Path) -> Iterator[dict[str, Any]]:
    """Yield the lines up to the one that was being written when the benchmark was killed."""
    for line in path.read_text(encoding="utf-8").splitlines():
        try:
            yield dict(json.loads(line))
        except ValueError:
            return


def _write(path: Path, rows: Sequence[Mapping[str, Any]]) -> None:
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    temporary.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    temporary.replace(path)


# --- what it comes to ----------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Tally:
    """Count the verdicts of one method on the same question, asked many times."""

    failed: int
    undecided: int
    passed: int

    @property
    def trials(self) -> int:
        """Return how often the question was asked."""
        return self.failed + self.undecided + self.passed

    def to_json(self) -> dict[str, Any]:
        """Return the counts, and the share that failed with its one-sided 95 % bounds."""
        lower, upper = share_bounds(self.failed, self.trials)
        return {
            "trials": self.trials,
            "fail": self.failed,
            "inconclusive": self.undecided,
            "pass": self.passed,
            "fail_share": {"value": self.failed / self.trials, "lower": lower, "upper": upper},
        }


def share_bounds(hits: int, trials: int, confidence: float = 0.95) -> tuple[float, float]:
    """Bound a share exactly, each side by itself (Clopper & Pearson 1934, Biometrika 26)."""
    from scipy.stats import binomtest

    bounds = binomtest(hits, trials).proportion_ci(2 * confidence - 1, method="exact")
    return float(bounds.low), float(bounds.high)


def tallies(trials: Sequence[Mapping[str, Any]]) -> dict[str, Tally]:
    """Count the verdicts of every method over some trials, ours first."""
    by_method = {OURS: tally(row["gate"]["status"] for row in trials)}
    for method in METHODS:
        calls = [bool(row["others"][method.name]["regressed"]) for row in trials]
        by_method[method.name] = Tally(sum(calls), 0, len(calls) - sum(calls))
    return by_method


def tally(statuses: Iterator[str] | Sequence[str]) -> Tally:
    """Count statuses; all but PASS and FAIL are undecided."""
    seen = list(statuses)
    failed, passed = (seen.count(status.value) for status in (Status.FAIL, Status.PASS))
    return Tally(failed, len(seen) - failed - passed, passed)


def metric_tallies(trials: Sequence[Mapping[str, Any]]) -> dict[str, Tally]:
    """Count the outcomes of each budget of ours over some trials."""
    names = dict.fromkeys(name for row in trials for name in row["gate"]["checks"])
    return {
        name: tally([row["gate"]["checks"][name]["status"] for row in trials]) for name in names
    }


def costs(trials: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Return the gates' costs: seconds of wall time, looks, and the engine's own share."""
    gates = [row["gate"] for row in trials]
    looks = [row["looks"] for row in gates]
    seconds = [row["wall_s"] for row in gates]
    return {
        "gate_s": {"median": float(np.median(seconds)), "most": max(seconds)},
        "looks": {str(count): looks.count(count) for count in sorted(set(looks))},
        "overhead": {
            "median": float(np.median([row["overhead"] for row in gates])),
            "most": max(row["overhead"] for row in gates),
        },
    }


def aligned(lines: Sequence[Sequence[str]]) -> str:
    """Return rows of cells as an aligned table, the first column on the left."""
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    return "\n".join(
        "  ".join(
            cell.ljust(width) if place == 0 else cell.rjust(width)
            for place, (cell, width) in enumerate(zip(line, widths, strict=True))
        ).rstrip()
        for line in lines
    )


def percent(share: float) -> str:
    """Format a share as percent, with a decimal digit if it has one."""
    return f"{100 * share:.1f} %"
