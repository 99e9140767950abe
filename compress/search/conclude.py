"""Train the answer of a search on all rows, judge it on the test rows, and report it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from statistics import mean, stdev
from types import MappingProxyType

from compress.answers.deployed import answers
from compress.data.dataset import Dataset
from compress.judge import evidence
from compress.models.outline import outline_of
from compress.recipe import Recipe
from compress.report.schema import (
    Estimate,
    Report,
    Search,
    SearchTrial,
    SeedRow,
    SeedSpread,
)
from compress.run.pipeline import Run
from compress.run.plan import Plan
from compress.run.run_folder import RunFolder
from compress.run.steps import lay_out
from compress.search.choice import Goal, Standing
from compress.search.evidence import RISK
from compress.search.request import SearchRequest, SearchResult
from compress.search.rivals import made_rivals
from compress.search.workshop import refit_rows
from compress.stage import Stage
from compress.tasks import task_of
from profiles.budget import Budget
from profiles.gate import Status
from profiles.paired import paired_retention
from profiles.scores import RowScores
from runtimes.artifact import Artifact
from runtimes.errors import InputError, first_line
from runtimes.runtime import runs_in

_CONFIDENCE = 0.95
"""What each bound of a seed's retention holds with."""


def conclude(result: SearchResult, *, command: str, tier: str = "ci") -> tuple[Report, Status]:
    """Train the answer again on training and validation rows, judge it, and write the report.

    The goal's limits replace the profiles' own. If nothing met the goal, the report shows the best
    shapes and the status is FAIL, or INCONCLUSIVE where the time was up.
    """
    if result.answer is None:
        return _unmet(result, command), result.unmet
    seeds = _seeds(result, result.answer)
    return judge(
        result.request,
        result.stages(result.answer),
        refit=refit_rows(result.request.plan.data),
        search=section(result, seeds),
        rivals=dict(made_rivals(result.request.workshop())),
        command=command,
        tier=tier,
    )


def judge(
    request: SearchRequest,
    stages: Sequence[Stage],
    *,
    search: Search | None,
    command: str,
    tier: str,
    refit: Dataset | None = None,
    rivals: Mapping[str, Artifact] = MappingProxyType({}),
) -> tuple[Report, Status]:
    """Carry out stages on the request's teacher as a recipe's, and judge them by the goal.

    `rivals` are measured beside them.
    """
    plan = _planned(request, stages, refit)
    folder = RunFolder(request.out)
    run = Run(
        *(plan, request.cache, folder, request.board, command),
        tier=tier,
        search=search,
        rivals=rivals,
    )
    return run.execute()


def _planned(request: SearchRequest, stages: Sequence[Stage], refit: Dataset | None) -> Plan:
    plan = request.plan
    recipe = replace(plan.recipe, stages=(*plan.recipe.stages, *stages))
    recipe = _in_formats_that_take_it(recipe, request)
    budgets = _budgets(request.goal)
    return replace(
        plan,
        recipe=recipe,
        steps=tuple(lay_out(recipe, outline_of(plan.teacher)).steps),
        refit=refit,
        profiles=tuple(
            profile.model_copy(update={"budgets": profile.budgets | budgets})
            for profile in plan.profiles
        ),
    )


def _in_formats_that_take_it(recipe: Recipe, request: SearchRequest) -> Recipe:
    """Return the recipe without the formats that refuse the answer's stages; the chosen one stays.

    A search chooses in one format, whose choices of precision another one may not have.
    """
    if len(recipe.export.formats) == 1:
        return recipe
    teacher, chosen = outline_of(request.plan.teacher), request.workshop().form
    kept = []
    for form in recipe.export.formats:
        alone = replace(recipe, export=recipe.export.model_copy(update={"formats": (form,)}))
        try:
            lay_out(alone, teacher)
        except InputError as error:
            if form == chosen:
                raise
            request.board.warn(f"the answer is not made in format {form!r}: {first_line(error)}")
            continue
        kept.append(form)
    if len(kept) == len(recipe.export.formats):
        return recipe
    return replace(recipe, export=recipe.export.model_copy(update={"formats": tuple(kept)}))


def _budgets(goal: Goal) -> dict[str, Budget]:
    limits = {
        "accuracy_retention": ("min", goal.retention),
        "latency_p90_ms": ("max", goal.latency_p90_ms),
        "artifact_mb": ("max", goal.artifact_mb),
    }
    return {
        metric: Budget.model_validate({"metric": metric, side: limit})
        for metric, (side, limit) in limits.items()
        if limit is not None
    }


def _seeds(result: SearchResult, row: Standing) -> tuple[SeedRow, ...]:
    """Refit the answer with each further seed, and measure each on the test rows.

    One seed is the report's own model and needs no table.
    """
    request = result.request
    seeds = range(request.plan.recipe.seed, request.plan.recipe.seed + request.refits)
    if len(seeds) < 2:
        return ()
    reference = _scores(result, request.workshop().reference)
    request.board.note(f"refit with {len(seeds)} seeds")
    result.prepare_refits(row, seeds)
    rows = []
    for seed in seeds:
        model = result.refit(row, seed)
        scores = _scores(result, model)
        kept = paired_retention(scores, reference, _CONFIDENCE, seed)
        retention = Estimate(kept.value, kept.lower, kept.upper, _CONFIDENCE, "each")
        size_mb = round(model.size_mb, 4)
        rows.append(
            SeedRow(seed=seed, accuracy=scores.metric, retention=retention, size_mb=size_mb)
        )
    return tuple(rows)


def _scores(result: SearchResult, model: Artifact) -> RowScores:
    request = result.request
    test = request.plan.data.test
    given = answers(
        model,
        runs_in(model.format),
        test.inputs,
        threads=request.plan.target.threads,
        progress=request.board,
        name="test",
        shared=request.cache.shared,
        device=request.plan.device,
    )
    return task_of(model.task).score(given, test.targets, model.labels)


def _unmet(result: SearchResult, command: str) -> Report:
    from compress.report.files import render_files
    from compress.report.stored import write_report

    plan, folder = result.request.plan, result.request.out
    report = Report(
        name=plan.recipe.name,
        created=evidence.now(),
        seed=plan.recipe.seed,
        command=command,
        rows=evidence.row_counts(plan.data, plan.teacher.task),
        warnings=tuple(dict.fromkeys((*plan.warnings, *result.request.board.warnings))),
        environment=evidence.environment(plan.facts),
        tools=evidence.tools(),
        artifacts={name: f"search/{path.name}" for name, path in result.models.items()},
        search=section(result, ()),
    )
    write_report(folder / "report.json", report)
    render_files(report, folder)
    return report


def section(result: SearchResult, seeds: tuple[SeedRow, ...]) -> Search:
    """Return the report's part about the search; rivals are added when they are measured."""
    front = {row.trial.name for row in result.pareto}
    return Search(
        goal=result.request.goal.text(),
        control=result.control.name,
        why=result.control.why,
        answer=result.answer.trial.name if result.answer else None,
        smallest=result.smallest.trial.name if result.smallest else None,
        trials=tuple(_trial(row, row.trial.name in front) for row in result.rows),
        seconds=round(result.seconds, 1),
        rss_peak_mb=result.rss_peak_mb,
        seeds=seeds,
        spread=_spread(seeds),
        advice=result.advice,
        score_name=task_of(result.request.plan.teacher.task).score_name,
    )


def _spread(seeds: Sequence[SeedRow]) -> SeedSpread | None:
    """Return the mean and the spread of the seeds' retention; None for less than two."""
    kept = [row.retention.value for row in seeds if row.retention.value is not None]
    if len(kept) < 2:
        return None
    return SeedSpread(mean=mean(kept), deviation=stdev(kept), least=min(kept), most=max(kept))


def _trial(row: Standing, front: bool) -> SearchTrial:
    trial = row.trial
    return SearchTrial(
        name=trial.name,
        epochs=trial.epochs,
        deployed=trial.deployed,
        front=front,
        accuracy=trial.accuracy,
        retention=Estimate(row.retention, row.lower, None, 1 - RISK, "together"),
        speedup=trial.latency.speedup,
        latency_p50_ms=trial.latency.p50_ms,
        latency_p90_ms=trial.latency.p90_ms,
        size_mb=trial.size_mb,
        seconds=trial.seconds,
        seeds=row.seeds,
    )
