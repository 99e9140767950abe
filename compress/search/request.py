"""The input and the result of a search."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Protocol

from compress.progress import Progress, Silence
from compress.recipe import Recipe, TargetSettings
from compress.run.cache import Cache, default_cache
from compress.run.plan import Plan, make_plan
from compress.run.side_by_side import LONG_S
from compress.search.choice import Goal, Standing, nearest
from compress.search.control import unseen_rows_wanted
from compress.search.selection import base_of
from compress.search.shape import DECIDED, settings_kept, stages_of
from compress.search.trial import Control
from compress.search.workshop import Workshop, refit_rows
from compress.stage import Stage
from profiles.emulated import require_times
from profiles.gate import Status
from runtimes.artifact import Artifact
from runtimes.errors import QualityError


class Board(Progress, Protocol):
    """Show the progress of a search: its trainings and its shapes."""

    def show(self, rows: Sequence[Standing], goal: Goal) -> None:
        """Show every shape's longest training."""


class NoBoard(Silence):
    """Show nothing, and keep the warnings."""

    def show(self, rows: Sequence[Standing], goal: Goal) -> None:
        """Do nothing."""


@dataclass(frozen=True, slots=True)
class SearchRequest:
    """Describe a search: `plan` has no stage but fine-tuning, `stages` are the recipe's own.

    Settings of `stages` that shapes do not decide are kept. `limit_s` limits the whole search with
    its `refits` and the last measurement, `max_trials` the number of trainings. `rungs` are the
    epochs of the successive halving. `fresh` starts a new study; finished stages still come from
    the cache.
    """

    plan: Plan
    cache: Cache
    out: Path
    goal: Goal
    stages: tuple[Stage, ...] = ()
    limit_s: float | None = 3600.0
    max_trials: int | None = None
    rungs: tuple[int, ...] = (3, 8, 20)
    refits: int = 1
    fresh: bool = False
    board: Board = field(default_factory=NoBoard)

    def lines(self) -> list[str]:
        """Describe the search in a few lines."""
        trials = f", at most {self.max_trials} trainings" if self.max_trials else ""
        time = "no limit" if self.limit_s is None else f"{self.limit_s / 60:g} minutes"
        return [
            *self.plan.lines(),
            f"goal      {self.goal.text()}",
            f"search    {time}{trials}, {'/'.join(map(str, self.rungs))} epochs",
        ]

    @property
    def warnings(self) -> tuple[str, ...]:
        """Return the warnings of the plan."""
        return self.plan.warnings

    def to_json(self) -> dict[str, Any]:
        """Return the plan and the search's own limits as JSON values."""
        search = {
            "goal": self.goal.text(),
            "limit_s": self.limit_s,
            "max_trials": self.max_trials,
            "epochs": list(self.rungs),
            "seeds": self.refits,
        }
        return {**self.plan.to_json(), "search": search}

    def workshop(self) -> Workshop:
        """Return the workshop that makes this search's models."""
        return Workshop(self.plan, settings_kept(self.stages), self.cache, self.board)


@dataclass(frozen=True, slots=True)
class SearchResult:
    """Hold what a search found on the validation rows; `rows` are the fastest first.

    `answer` is the fastest one that meets the goal, None if none does. `models` are the deployed
    models of the front, by the trial's name, trained without the validation rows. `advice` says
    what would help where there is no answer; with `time_is_up` a training that could have given one
    did not fit the time.
    """

    request: SearchRequest
    control: Control
    rows: tuple[Standing, ...]
    answer: Standing | None
    smallest: Standing | None
    pareto: tuple[Standing, ...]
    models: dict[str, Path]
    seconds: float
    rss_peak_mb: float | None
    advice: tuple[str, ...] = ()
    time_is_up: bool = False

    @property
    def unmet(self) -> Status:
        """Return the status without an answer: out of time, nothing is decided."""
        return Status.INCONCLUSIVE if self.time_is_up else Status.FAIL

    @property
    def chosen(self) -> Standing:
        """Return the answer, or else the shape that comes nearest to the goal.

        Raises QualityError where no student was trained.
        """
        chosen = self.answer or nearest(self.rows)
        if chosen is None:
            raise QualityError(
                "the search ended before any student was trained",
                expected="time for at least one training",
                action="give more time",
            )
        return chosen

    def stages(self, row: Standing) -> tuple[Stage, ...]:
        """Return the stages that make a shape, in a recipe's form."""
        kept = settings_kept(self.request.stages)
        return stages_of(row.trial.shape, row.trial.epochs, kept)

    def prepare_refits(self, row: Standing, seeds: Sequence[int]) -> None:
        """Make what `refit` returns for these seeds side by side, where that is faster."""
        shop, trial = self.request.workshop(), row.trial
        if trial.seconds >= LONG_S:
            data = refit_rows(self.request.plan.data)
            shop.make_deployed(trial.shape, trial.epochs, data=data, seeds=seeds)

    def refit(self, row: Standing, seed: int) -> Artifact:
        """Train a shape again on training and validation rows; return the deployed model."""
        shape, epochs = row.trial.shape, row.trial.epochs
        shop, data = self.request.workshop(), refit_rows(self.request.plan.data)
        student = shop.student(shape, epochs, data=data, seed=seed)
        return shop.deployed(student, shape, data=data, seed=seed)


def request_of(
    recipe: Recipe,
    target: TargetSettings,
    out: Path,
    *,
    profiles: tuple[str, ...] = (),
    fresh: bool = False,
    board: Board | None = None,
) -> SearchRequest:
    """Check a recipe and return the search for its target.

    Raises what `make_plan` does, and UnsupportedError for an emulated device.
    """
    tuning = tuple(stage for stage in recipe.stages if stage.teaches)
    goal = Goal(target.retention, target.latency_p90_ms, target.artifact_mb)
    plan = make_plan(replace(recipe, stages=tuning), out, profiles=profiles)
    require_times(plan.facts, "a search")
    left_out = _left_out(recipe.stages)
    base_of(plan)  # refuses a base that does not fit before any work
    return SearchRequest(
        plan=replace(plan, warnings=(*plan.warnings, *unseen_rows_wanted(plan), *left_out)),
        cache=default_cache(),
        out=out,
        goal=goal,
        stages=recipe.stages,
        limit_s=target.minutes * 60,
        max_trials=target.max_trials,
        rungs=tuple(sorted(set(target.rungs))),
        refits=target.seeds,
        fresh=fresh,
        board=board or NoBoard(),
    )


def _left_out(stages: Sequence[Stage]) -> list[str]:
    """Warn of a recipe's stages that a search does not run."""
    kinds = [stage.kind for stage in stages if not stage.teaches and stage.kind not in DECIDED]
    return [
        f"{kind}: a search leaves this stage out; `edgepress run` without [target] runs it"
        for kind in kinds
    ]
