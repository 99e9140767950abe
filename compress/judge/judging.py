"""Measure models side by side until the budgets are decided, and judge one of them."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

from compress.answers import Answers
from compress.answers.deployed import answers
from compress.judge.evaluation import Evaluation, Measured, Outcome, as_baseline
from compress.judge.tiers import MOST_PROCESSES, TIERS, Demand, Tier, demand_of
from compress.progress import Progress
from compress.report.advice import Measuring, advised
from compress.tasks import task_of
from profiles.baseline import compare, strangeness
from profiles.budget import METRICS
from profiles.device import DeviceProfile
from profiles.gate import Circumstances, Verdict, judge
from profiles.job import Job
from profiles.measurement import Figures, Provenance, conditions, summarize
from profiles.noise import Noise
from profiles.statistics import Interval
from runtimes.errors import BackendError
from runtimes.measure import MeasurePlan, Samples, Variant, expected_runs, joined


def measure_and_judge(
    evaluation: Evaluation,
    *,
    device: Job,
    progress: Progress,
    shared: Path | None = None,
    stream: Path | None = None,
) -> Outcome:
    """Measure every candidate, then measure the judged one until its verdicts are decided.

    Latencies are interleaved in one session on the same rows at their real lengths. After a look
    that leaves a machine-bound budget undecided, the judged model and the reference are measured
    again, up to the tier's number of looks. A model whose process fails keeps its samples
    (`Samples.fault`), and the others go on.
    """
    return _SequentialTest(evaluation, device, progress, shared, stream).outcome()


class _SequentialTest:
    """Collect samples look by look until the verdicts are decided."""

    def __init__(
        self,
        evaluation: Evaluation,
        device: Job,
        progress: Progress,
        shared: Path | None,
        stream: Path | None,
    ) -> None:
        self._evaluation = evaluation
        self._device = device
        self._progress = progress
        self._shared = shared
        self._stream = stream
        self._tier: Tier = TIERS[evaluation.tier]
        self._demand: Demand = demand_of(
            evaluation.profiles, self._tier, device, evaluation.threads
        )
        self._candidates = {candidate.name: candidate for candidate in evaluation.candidates}
        self._samples: dict[str, Samples] = {}
        self._found: dict[str, Answers] = {}
        self._answering_s = 0.0

    def outcome(self) -> Outcome:
        """Measure and judge; repeat while more samples may decide something."""
        started = time.perf_counter()
        seen = self._device.noise(self._demand.threads)
        self._look(0, list(self._candidates))
        self._start_cold([name for name, one in self._candidates.items() if one.deployable])
        self._answer()
        taken, verdicts = 1, self._verdicts(0, seen)
        while taken < len(self._tier.looks) and self._undecided(verdicts):
            self._progress.note(f"undecided: look {taken + 1} of at most {len(self._tier.looks)}")
            self._look(taken, self._pair())
            taken, verdicts = taken + 1, self._verdicts(taken, seen)
        seconds = time.perf_counter() - started
        measuring = Measuring(self._tier.looks[taken - 1], MOST_PROCESSES, seen.reasons)
        return Outcome(
            measured=tuple(self._measured(name, taken - 1) for name in self._candidates),
            verdicts=tuple(self._advised(verdict, measuring) for verdict in verdicts),
            noise=seen,
            looks=taken,
            looks_most=len(self._tier.looks),
            seconds=seconds,
            overhead=max(0.0, 1 - self._worked_s() / seconds),
        )

    def _advised(self, verdict: Verdict, measuring: Measuring) -> Verdict:
        history = self._candidates[self._evaluation.judged].artifact.history
        return advised(verdict, measuring, {record.kind: record.settings for record in history})

    def _look(self, number: int, names: Sequence[str]) -> None:
        before = self._tier.looks[number - 1] if number else 0
        processes = self._tier.looks[number] - before
        plan = self._demand.plan(self._tier, self._evaluation.seed)
        self._measure("latency", names, replace(plan, processes=processes, first_process=before))

    def _start_cold(self, names: Sequence[str]) -> None:
        """Run the cold starts that are missing beyond those of the latency processes."""
        plan = self._demand.plan(self._tier, self._evaluation.seed)
        seen = min((len(self._samples[name].cold_starts) for name in names), default=0)
        more = max(self._demand.cold_starts - seen, 0)
        if more or self._demand.uncached_starts:
            uncached = self._demand.uncached_starts
            cold = replace(plan, cold_starts=more, uncached_starts=uncached, loads=())
            self._measure("cold start", names, cold)

    def _measure(self, what: str, names: Sequence[str], plan: MeasurePlan) -> None:
        variants = [self._variant(name) for name in names if not self._fault(name)]
        if not variants:
            return
        with self._progress.task(what, expected_runs(len(variants), plan)) as advance:
            measured = self._device.measure(
                variants, self._evaluation.rows.inputs, plan, advance=advance, stream=self._stream
            )
        for name, samples in measured.items():
            earlier = self._samples.get(name)
            self._samples[name] = joined(earlier, samples) if earlier else samples

    def _variant(self, name: str) -> Variant:
        candidate = self._candidates[name]
        return Variant(name, candidate.artifact, candidate.runtime, self._demand.threads)

    def _fault(self, name: str) -> str:
        return self._samples[name].fault if name in self._samples else ""

    def _answer(self) -> None:
        """Compute the answers to labeled rows of every model whose process did not fail."""
        started = time.perf_counter()
        for name in self._candidates:
            if self._evaluation.rows.targets and not self._fault(name):
                try:
                    self._found[name] = self._answers(name)
                except BackendError as error:
                    self._samples[name] = replace(self._samples[name], fault=str(error))
        self._answering_s = time.perf_counter() - started

    def _answers(self, name: str) -> Answers:
        candidate = self._candidates[name]
        return answers(
            candidate.artifact,
            candidate.runtime,
            self._evaluation.rows.inputs,
            threads=self._demand.threads,
            progress=self._progress,
            name=name,
            shared=self._shared,
            device=self._device,
        )

    def _pair(self) -> list[str]:
        evaluation = self._evaluation
        return list(dict.fromkeys(filter(None, (evaluation.reference, evaluation.judged))))

    def _undecided(self, verdicts: Sequence[Verdict]) -> bool:
        """Tell whether more samples could decide a budget that counts."""
        if any(self._fault(name) for name in self._pair()):
            return False
        return any(verdict.open for verdict in verdicts)

    def _verdicts(self, number: int, seen: Noise) -> list[Verdict]:
        row = self._measured(self._evaluation.judged, number)
        figures, at = row.figures, self._circumstances(number, seen)
        if self._evaluation.baseline and row.samples.blocks:
            fresh = as_baseline(row, self._evaluation.rows, self._device.facts())
            figures |= compare(fresh, self._evaluation.baseline, self._evaluation.seed)
            at = replace(at, foreign=strangeness(fresh, self._evaluation.baseline))
        return [
            judge(profile, figures, self._device.facts(), self._seen_by(profile, at))
            for profile in self._evaluation.profiles
        ]

    def _seen_by(self, profile: DeviceProfile, at: Circumstances) -> Circumstances:
        return replace(at, elsewhere=self._device.why_elsewhere(profile))

    def _circumstances(self, number: int, seen: Noise) -> Circumstances:
        name, reference = self._evaluation.judged, self._evaluation.reference
        beside = self._samples[reference] if reference else None
        return Circumstances(
            share=self._tier.shares[number],
            today=datetime.now(UTC).date(),
            noise="; ".join(seen.reasons),
            missing=self._evaluation.missing,
            conditions=conditions(self._samples[name], beside),
        )

    def _measured(self, name: str, number: int) -> Measured:
        figures, demand = self._figures(name), self._demand
        return Measured(
            candidate=self._candidates[name],
            figures=figures,
            measurements=figures.all(demand.confidence, self._tier.shares[number]),
            samples=self._samples[name],
            answers=self._found.get(name),
        )

    def _figures(self, name: str) -> Figures:
        reference = self._evaluation.reference
        source = self._source(name)
        figures = Figures({}, source)
        beside = self._samples[reference] if reference else None
        own = summarize(self._samples[name], beside, source=source)
        figures |= own if self._samples[name].blocks else _exact(own)
        if name in self._found:
            artifact = self._candidates[name].artifact
            figures |= task_of(artifact.task).figures(
                self._found[name],
                self._evaluation.rows.targets,
                artifact.labels,
                self._found.get(reference) if reference else None,
                seed=self._evaluation.seed,
                source=source,
            )
        if fault := self._samples[name].fault:
            why = f"the process failed: {fault.splitlines()[0]}"
            figures |= Figures({}, source, dict.fromkeys(METRICS, why))
        return figures

    def _source(self, name: str) -> Provenance:
        candidate = self._candidates[name]
        return Provenance(
            fingerprint=self._device.facts().fingerprint(),
            runtime=candidate.runtime,
            runtime_version=self._samples[name].runtime_version,
            artifact_digest=candidate.artifact.digest,
        )

    def _worked_s(self) -> float:
        """Return the seconds of inference and of starting models."""
        efforts = [samples.effort for samples in self._samples.values()]
        return self._answering_s + sum(one.inference_s + one.starting_s for one in efforts)


def _exact(figures: Figures) -> Figures:
    """Keep the figures that need no process, such as sizes."""
    kept = {name: known for name, known in figures.sums.items() if isinstance(known, Interval)}
    return Figures(kept, figures.source)
