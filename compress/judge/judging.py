"""Measure models side by side until the budgets are decided, and judge one of them."""

from __future__ import annotations

import time
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import replace
from datetime import UTC, datetime
from itertools import filterfalse
from pathlib import Path

from compress.answers import Answers
from compress.answers.deployed import answers
from compress.judge.evaluation import Evaluation, Measured, Outcome, as_baseline
from compress.judge.figures import Answered, faults_of, for_task, model_figures
from compress.judge.interrupted import kept_samples
from compress.judge.session_file import SessionFile, heading, packed
from compress.judge.surroundings import Surroundings
from compress.judge.tiers import MOST_PROCESSES, Demand, Tier, demand_of, tier_on
from compress.progress import Progress
from compress.report.advice import Measuring, advised
from compress.tasks import task_of
from profiles.baseline import compare, strangeness
from profiles.device import DeviceProfile
from profiles.emulated import believed
from profiles.gate import Circumstances, Verdict, judge_all
from profiles.job import Job
from profiles.measurement import Figures, Provenance, conditions, exact
from profiles.plural import plural
from runtimes.errors import AnswerError, BackendError, OutOfMemoryError
from runtimes.measure import MeasurePlan, Samples, Variant, expected_runs, joined
from runtimes.soundness import different, require_sound

_OTHERS = 5
"""Processes of a model that no budget judges, such as an earlier stage's."""


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
    (`Samples.fault`), and the others go on. Raises ArtifactError for a model that is changed or
    replaced while it is measured, DeviceError for a device that another job holds or that
    vanishes.
    """
    with ExitStack() as still:
        for candidate in evaluation.candidates:
            still.enter_context(candidate.artifact.unchanged())
        if former := still.enter_context(device.lock()):
            progress.warn(f"the lock of {former} was stale, and is taken")
        kept = still.enter_context(kept_samples(device, stream))
        return _SequentialTest(evaluation, device, progress, shared, kept).outcome()


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
        self._session = SessionFile(stream)
        self._emulated = bool(device.facts().emulated)
        self._tier: Tier = tier_on(device, evaluation)
        self._demand: Demand = demand_of(
            evaluation.profiles, self._tier, device, evaluation.threads
        )
        if not self._emulated:
            least = max(self._demand.uncached_starts, evaluation.uncached_starts)
            self._demand = replace(self._demand, uncached_starts=least)
        self._candidates = {candidate.name: candidate for candidate in evaluation.candidates}
        self._samples: dict[str, Samples] = {}
        self._found: dict[str, Answers] = {}
        self._answering_s = 0.0

    def outcome(self) -> Outcome:
        """Measure and judge; repeat while more samples may decide something."""
        started = time.perf_counter()
        around = self._around = self._surroundings()
        threads = self._demand.threads
        self._session.begin(heading(self._evaluation, self._device, threads, self._tier.looks))
        self._session.add("noise", {"reasons": around.worst.reasons})
        self._soak()
        self._look(0)
        self._start_cold([name for name, one in self._candidates.items() if one.deployable])
        self._looked()
        self._answer()
        taken, verdicts = 1, self._verdicts(0)
        while taken < len(self._tier.looks) and self._undecided(verdicts):
            self._progress.note(f"undecided: look {taken + 1} of at most {len(self._tier.looks)}")
            self._look(taken)
            self._looked()
            taken, verdicts = taken + 1, self._verdicts(taken, verdicts)
        seconds = time.perf_counter() - started
        overhead = max(0.0, 1 - self._worked_s() / seconds)
        self._session.add("end", {"looks": taken, "seconds": seconds, "overhead": overhead})
        measuring = Measuring(self._tier.looks[taken - 1], MOST_PROCESSES, around.worst.reasons)
        return Outcome(
            measured=tuple(self._measured(name, taken - 1) for name in self._candidates),
            verdicts=tuple(self._advised(verdict, measuring) for verdict in verdicts),
            noise=around.worst,
            looks=taken,
            looks_most=len(self._tier.looks),
            seconds=seconds,
            overhead=overhead,
            facts=self._device.facts(),
        )

    def _surroundings(self) -> Surroundings:
        """Observe the noise; after each session too, where a budget is timed alone."""
        profiles = [one for one in self._evaluation.profiles if self._device.fits(one)]
        budgets = [budget for profile in profiles for budget in profile.budgets.values()]
        once = not any(budget.timed_alone for budget in budgets)
        return Surroundings(lambda: self._device.noise(self._demand.threads), once=once)

    def _looked(self) -> None:
        """Note the noise after a look."""
        if seen := self._around.after_session():
            self._session.add("noise", {"reasons": seen.reasons})

    def _advised(self, verdict: Verdict, measuring: Measuring) -> Verdict:
        artifact = self._candidates[self._evaluation.judged].artifact
        settings = {record.kind: record.settings for record in artifact.history}
        one_token = task_of(artifact.task).reads_first_token
        return advised(verdict, measuring, settings, one_token=one_token)

    def _look(self, number: int) -> None:
        """Measure the pair up to a look's processes; with the first look, the others beside it."""
        before = self._processes() if number else 0
        if not number and set(self._candidates) != set(self._repeated()):
            before = self._others()
            self._time(list(self._candidates), 0, before)
        self._time(self._repeated(), before, self._tier.looks[number])

    def _repeated(self) -> list[str]:
        """Return the models that every look measures; an emulator's have no time to compare."""
        return [self._evaluation.judged] if self._emulated else self._pair()

    def _processes(self) -> int:
        """Return the number of processes of the judged model so far."""
        blocks = self._samples[self._evaluation.judged].blocks
        return max((block.process for block in blocks), default=-1) + 1

    def _others(self) -> int:
        """Return the number of processes of models that no budget judges."""
        if self._emulated:
            return 1
        looks = self._tier.looks
        return min(_OTHERS, looks[0]) if self._evaluation.profiles else looks[0]

    def _time(self, names: Sequence[str], first: int, end: int) -> None:
        plan = self._demand.plan(self._tier, self._evaluation.seed)
        if first < end:
            whole = end == self._tier.looks[0]  # only then is nothing measured after it
            least_s = self._evaluation.least_s if whole and not self._emulated else 0.0
            plan = replace(plan, processes=end - first, first_process=first, least_s=least_s)
            self._measure("latency", names, plan)

    def _soak(self) -> None:
        """Keep one process of the judged model busy, first: the machine is still cool."""
        if self._tier.soak_s:
            plan = self._demand.plan(self._tier, self._evaluation.seed)
            plan = replace(plan, soak_s=self._tier.soak_s)
            self._measure("soak", [self._evaluation.judged], plan)

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
            if name == self._evaluation.judged:
                self._around.took(samples)

    def _variant(self, name: str) -> Variant:
        candidate = self._candidates[name]
        threads, cores = self._demand.threads, self._demand.cores
        # The reference is only compared with: a teacher need not fit into a board's memory.
        limit_mb = self._demand.memory_mb if name == self._evaluation.judged else None
        return Variant(name, candidate.artifact, candidate.runtime, threads, cores, limit_mb)

    def _fault(self, name: str) -> str:
        return self._samples[name].fault if name in self._samples else ""

    def _answer(self) -> None:
        """Compute the answers to labeled rows of every model whose process did not fail.

        Without labels, a few rows tell whether the judged model's answers are answers.
        """
        started = time.perf_counter()
        for name in filterfalse(self._fault, self._candidates):
            try:
                if self._evaluation.rows.targets:
                    self._found[name] = self._answers(name)
                    self._session.add("answers", {"variant": name, **packed(self._found[name])})
                elif self._evaluation.profiles and name in self._pair():
                    self._try_rows(name)
            except BackendError as error:
                failed = replace(
                    self._samples[name],
                    fault=str(error),
                    unsound=isinstance(error, AnswerError),
                    out_of_memory=isinstance(error, OutOfMemoryError),
                )
                self._samples[name] = failed
                kinds = {"unsound": failed.unsound, "out_of_memory": failed.out_of_memory}
                self._session.add("fault", {"variant": name, "fault": failed.fault, **kinds})
        self._answering_s = time.perf_counter() - started

    def _try_rows(self, name: str) -> None:
        """Raise AnswerError when the answers to the first few rows are none."""
        few = different(self._evaluation.rows.inputs)
        require_sound(few, self._device.answers(self._variant(name), few), name)

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

    def _verdicts(self, number: int, earlier: Sequence[Verdict] = ()) -> list[Verdict]:
        row = self._measured(self._evaluation.judged, number)
        at = self._circumstances(number)
        figures, foreign = self._beside_baseline(row)
        at = replace(at, foreign=foreign, calm=self._calm(row) if at.noise else None)
        cases = [
            (for_task(profile, row.candidate.artifact.task), self._seen_by(profile, at))
            for profile in self._evaluation.profiles
        ]
        return judge_all(cases, figures, self._device.facts(), earlier)

    def _beside_baseline(self, row: Measured) -> tuple[Figures, str]:
        """Return the figures, with those over a baseline's; and why that supports no FAIL."""
        baseline = self._evaluation.baseline
        if baseline is None or not row.samples.blocks:
            return row.figures, ""
        fresh = as_baseline(row, self._evaluation.rows, self._device.facts())
        compared = compare(fresh, baseline, self._evaluation.seed)
        return row.figures | compared, strangeness(fresh, baseline)

    def _calm(self, row: Measured) -> Figures | None:
        """Return the figures of the looks that nothing disturbed, None where there is none."""
        samples = self._around.quiet_samples()
        if samples is None:
            return None
        figures = model_figures(samples, None, None, source=row.figures.source, seed=0)
        return self._beside_baseline(replace(row, samples=samples, figures=figures))[0]

    def _seen_by(self, profile: DeviceProfile, at: Circumstances) -> Circumstances:
        return replace(at, elsewhere=self._device.why_elsewhere(profile))

    def _circumstances(self, number: int) -> Circumstances:
        name, reference = self._evaluation.judged, self._evaluation.reference
        beside = self._samples[reference] if reference else None
        return Circumstances(
            share=self._tier.shares[number],
            looks=self._tier.looks[: number + 1],
            today=datetime.now(UTC).date(),
            noise="; ".join(self._around.worst.reasons),
            missing=self._evaluation.missing,
            conditions=self._conditions(name, beside),
            **faults_of(self._samples[name], beside),
        )

    def _conditions(self, name: str, beside: Samples | None) -> str:
        if self._emulated:
            return f"{plural(self._processes(), 'process')} on an emulated device"
        return conditions(self._samples[name], beside)

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
        figures = model_figures(
            self._samples[name],
            self._samples[reference] if reference else None,
            self._answered(name),
            source=self._source(name),
            seed=self._evaluation.seed,
        )
        if name == self._evaluation.judged:
            sizes = self._evaluation.sizes_mb
            figures |= Figures({metric: exact(size) for metric, size in sizes.items()})
        return believed(figures, self._device.facts())

    def _answered(self, name: str) -> Answered | None:
        if name not in self._found:
            return None
        reference, artifact = self._evaluation.reference, self._candidates[name].artifact
        return Answered(
            artifact.task,
            artifact.labels,
            self._evaluation.rows.targets,
            self._found[name],
            self._found.get(reference) if reference else None,
        )

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
