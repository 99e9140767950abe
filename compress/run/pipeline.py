"""Carry out a plan: run its steps or take them from the cache, measure, judge, report."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from compress.judge import evidence
from compress.judge.evaluation import REFERENCE, Candidate, Evaluation, Measured, Outcome
from compress.judge.fleet import Fleet, devices_of, measure_on_each
from compress.judge.judging import measure_and_judge
from compress.judge.rivals import rival_rows
from compress.judge.trace import trace
from compress.progress import Progress
from compress.report.schema import Report, Search, StageRow
from compress.report.stored import write_report
from compress.run.bundle import check_bundle, write_bundle
from compress.run.cache import Cache
from compress.run.maker import Maker
from compress.run.plan import Plan
from compress.run.run_folder import RunFolder
from compress.run.steps import TEACHER, Step
from compress.run.validation import Validation
from compress.tasks import task_of
from profiles.gate import Status
from profiles.job import Job
from runtimes.artifact import Artifact
from runtimes.runtime import formats_of, runs_in


@dataclass(slots=True)
class Run:
    """Hold one plan under way: what is made so far, and the report of it.

    `search` is what chose the plan's stages, for the report. `rivals` are measured beside the
    steps, by their names, and compared with the chosen one.
    """

    plan: Plan
    cache: Cache
    folder: RunFolder
    progress: Progress
    command: str
    fresh: bool = False
    tier: str = "ci"
    search: Search | None = None
    rivals: Mapping[str, Artifact] = field(default_factory=dict)
    made: dict[str, Artifact] = field(default_factory=dict)
    cached: dict[str, bool] = field(default_factory=dict)
    validation: Validation = field(init=False)

    def __post_init__(self) -> None:
        task = task_of(self.plan.teacher.task)
        self.validation = Validation(self.plan.data.validation, self.cache.shared, task)

    def execute(self) -> tuple[Report, Status]:
        """Run every step, judge the result, and write the report and the bundle."""
        recipe = self.plan.recipe
        self.folder.claim(recipe.name, fresh=self.fresh)
        for warning in self.plan.warnings:
            self.progress.warn(warning)
        self._import_teacher()
        steps = self.plan.steps
        for number, step in enumerate(steps, start=1):
            self._make(step, f"{number}/{len(steps)}")
            self._write(self._report())
        measured = self._measure()
        report, status = self._judged(measured)
        self._render(report)
        return report, status

    @property
    def _maker(self) -> Maker:
        return Maker(self.plan, self.cache, self.progress, self.fresh)

    def _import_teacher(self) -> None:
        self.made[TEACHER] = self.folder.keep(self._maker.imported(), TEACHER)
        if self.plan.teacher_step == TEACHER:
            said = self.validation.line(self.made[TEACHER], teacher=True)
            self.progress.note(f"teacher: {said}")

    def _make(self, step: Step, place: str) -> None:
        self.progress.note(f"{place} {step.name}")
        artifact, cached = self._maker.make(
            step.stage,
            self.made[step.source],
            data=self.plan.rows_for(step.stage),
            teacher=self.made.get(self.plan.teacher_step),
        )
        if cached:
            self.progress.note(f"  taken from the cache ({artifact.digest[:12]})")
        self.made[step.name] = self.folder.keep(artifact, step.name)
        self.cached[step.name] = cached
        self._say(step)

    def _say(self, step: Step) -> None:
        """Print what a stage's model scores; an export for a measurement is its source again."""
        if step.stands_for is not None:
            return
        teaches = step.name == self.plan.teacher_step
        if said := self.validation.line(self.made[step.name], teacher=teaches):
            self.progress.note(f"  {said}")

    def _measure(self) -> Fleet:
        """Measure the reference first, then every other runnable step, and judge the chosen one."""
        steps = sorted(
            (step for step in self.plan.steps if step.measured),
            key=lambda step: step.name != REFERENCE,
        )
        candidates = [
            Candidate(
                name=step.name,
                artifact=self.made[step.name],
                runtime=self._runtime(step.name),
                deployable=step.final or step.name == REFERENCE,
            )
            for step in steps
        ]
        candidates += [Candidate(name, r, runs_in(r.format)) for name, r in self.rivals.items()]
        stream = self.folder.path / "samples.jsonl"
        stream.unlink(missing_ok=True)
        asked = Evaluation(
            candidates=candidates,
            judged=self._chosen(),
            reference=REFERENCE,
            rows=self.plan.data.test,
            profiles=self.plan.profiles,
            tier=self.tier,
            seed=self.plan.recipe.seed,
        )
        fleet = measure_on_each(
            asked,
            devices_of(self.plan.profiles, near=self.plan.device),
            self._measured_on,
            progress=self.progress,
            stream=stream,
        )
        fleet.accept(self.progress, optional=self.rivals)
        return fleet

    def _measured_on(
        self, asked: Evaluation, device: Job, progress: Progress, stream: Path | None
    ) -> Outcome:
        return measure_and_judge(
            asked, device=device, progress=progress, shared=self.cache.shared, stream=stream
        )

    def _judged(self, fleet: Fleet) -> tuple[Report, Status]:
        outcome = fleet.first
        reference, chosen = outcome.of(REFERENCE), outcome.of(self._chosen())
        assert chosen.answers is not None  # the test rows are labeled
        bundle = write_bundle(
            chosen.candidate.artifact, self.folder.path / "bundle", recipe=self.plan.recipe.identity
        )
        test = self.plan.data.test
        self.progress.note("bundle/predict.py on every test row")
        check_bundle(bundle, chosen.candidate.runtime, test.inputs, chosen.answers)
        steps = [row for row in outcome.measured if row.candidate.name not in self.rivals]
        report = replace(
            self._report(),
            complete=True,
            summary=evidence.summary(reference, chosen),
            stages=self._rows(steps, chosen),
            search=self._beside(outcome, chosen),
            verdicts=tuple(evidence.verdict(verdict) for verdict in fleet.verdicts),
            devices=evidence.devices(fleet, self._chosen()),
            measurement=evidence.measurement(outcome.measured, len(test)),
            artifacts=self._artifacts(),
            classes=evidence.worst_classes(reference, chosen, test.targets),
            trace=trace(outcome),
        )
        return report, fleet.status

    def _beside(self, outcome: Outcome, chosen: Measured) -> Search | None:
        """Return the report's part about the search, with the rivals."""
        if self.search is None:
            return None
        rivals = map(outcome.of, self.rivals)
        targets, seed = self.plan.data.test.targets, self.plan.recipe.seed
        return replace(self.search, rivals=tuple(rival_rows(rivals, chosen, targets, seed)))

    def _runtime(self, name: str) -> str:
        """Return what runs a step's model: the profile's runtime runs the one that is judged."""
        wanted = self.plan.target.runtime if name == self._chosen() else ""
        return runs_in(self.made[name].format, wanted)

    def _chosen(self) -> str:
        """Return the final model of the first profile's runtime, else of the first format.

        What is chosen never depends on the test split.
        """
        final = [step.name for step in self.plan.steps if step.final and step.measured]
        forms = [self.made[name].format for name in final]
        wanted = formats_of(self.plan.target.runtime, forms)
        return final[forms.index(wanted[0])] if wanted else final[0]

    def _rows(self, measured: Sequence[Measured], chosen: Measured) -> tuple[StageRow, ...]:
        steps = {step.name: step for step in self.plan.steps}
        rows = []
        for row in sorted(measured, key=lambda row: _order(steps[row.candidate.name])):
            step = steps[row.candidate.name]
            trunk = step.stands_for or step.name
            shown, made = steps.get(trunk, step), self.made[trunk]
            rows.append(
                evidence.stage_row(
                    row,
                    name="teacher" if trunk == TEACHER else shown.stage.title(made.format),
                    kind="teacher" if trunk == TEACHER else shown.stage.kind,
                    cached=self.cached.get(trunk, False),
                    teacher=step.name == REFERENCE,
                    selected=row is chosen,
                    made=made,
                )
            )
        return tuple(rows)

    def _artifacts(self) -> dict[str, str]:
        names = {step.name: step.name for step in self.plan.steps}
        return {"bundle": "bundle", "samples": "samples.jsonl", **names}

    def _report(self) -> Report:
        recipe = self.plan.recipe
        return Report(
            name=recipe.name,
            created=evidence.now(),
            seed=recipe.seed,
            command=self.command,
            complete=False,
            rows=evidence.row_counts(self.plan.data, self.plan.teacher.task),
            warnings=tuple(dict.fromkeys((*self.plan.warnings, *self.progress.warnings))),
            environment=evidence.environment(self.plan.facts),
            tools=evidence.tools(),
            artifacts={name: name for name in self.made},
            search=self.search,
        )

    def _write(self, report: Report) -> None:
        write_report(self.folder.path / "report.json", report)

    def _render(self, report: Report) -> None:
        from compress.report.files import render_files

        self._write(report)
        render_files(report, self.folder.path)


def _order(step: Step) -> tuple[bool, str]:
    """Sort rows as the work went: the trunk's stages, then the branches to be deployed."""
    return (step.name != REFERENCE, step.name)
