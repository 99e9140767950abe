"""Compression without a recipe: from a teacher and a file of rows to a judged bundle."""

from __future__ import annotations

import math
import time
import tomllib
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from compress.finetune.stage import Finetune
from compress.models.architectures import supports
from compress.recipe import TargetSettings, parse_recipe, parse_stage, recipe_error
from compress.report.schema import Report
from compress.run.run_folder import RunFolder
from compress.search.clock import CLOSING_S
from compress.search.conclude import judge, section
from compress.search.ladder import EPOCHS, Ladder, words
from compress.search.pace import finetune_pace, student_pace
from compress.search.request import Board, NoBoard, SearchRequest, SearchResult, request_of
from compress.search.rivals import made_rivals
from compress.search.shape import Shape
from compress.search.space import space_of
from compress.setup.draft import recipe_tables, stage_table
from compress.setup.survey import Given, Survey, survey
from compress.setup.toml import to_toml
from compress.stage import Stage
from profiles.gate import Status
from runtimes.artifact import Artifact
from runtimes.errors import InputError
from runtimes.files import write_text

RECIPE = "recipe.toml"
"""The file in the run's folder that describes the choice: `edgepress run` makes the same model from
it."""
_COPIES = 4
_ANSWERS = 3
"""The test rows' answers cost so many times the teacher's: its own, the model's, the bundle's."""
_FINETUNE_EPOCHS = 8
_LEAST_EPOCHS = 2
_FINETUNE_SHARE = 0.4
_ANSWERING_SHARE = 0.2
"""Of the whole time, what fine-tuning and the teacher's answers may take."""
_RIVALS_S = 180.0
"""What the linear rivals of some ten thousand rows may take."""


@dataclass(frozen=True, slots=True)
class Asked:
    """Say what is compressed, for which devices, what it must keep and how long it may take."""

    given: Given
    out: Path
    profiles: tuple[str, ...] = ("local",)
    retention: float = 0.98
    limit_s: float = 1800.0
    fresh: bool = False
    tier: str = "ci"
    command: str = ""
    board: Board = field(default_factory=NoBoard)


@dataclass(frozen=True, slots=True)
class Prepared:
    """Hold what was checked before any training, and when that began."""

    asked: Asked
    survey: Survey
    request: SearchRequest
    begun: float

    @property
    def cuts(self) -> bool:
        """Tell whether the teacher's architecture can be pruned."""
        return _cuts(self.survey)

    @property
    def tries(self) -> list[str]:
        """Name the students that are tried, the fastest first."""
        shapes = _shapes(self.request) if self.cuts else []
        return [*map(words, shapes), f"the whole teacher, {_scheme(self.request)}"]

    @property
    def warnings(self) -> tuple[str, ...]:
        """Return the warnings."""
        return self.request.plan.warnings

    def to_json(self) -> dict[str, Any]:
        """Return the plan as JSON values."""
        compression = {
            "finetune": self.survey.finetune,
            "text": self.survey.text.column,
            **({"text_pair": pair.column} if (pair := self.survey.text_pair) else {}),
            "label": self.survey.label.column,
            "goal": self.request.goal.text(),
            "tries": self.tries,
            "limit_s": self.asked.limit_s,
        }
        return {**self.request.plan.to_json(), "compression": compression}

    def lines(self) -> list[str]:
        """Describe the plan, and its maximum time."""
        goal = self.request.goal
        return [
            *self.survey.lines(),
            f"profiles  {', '.join(profile.name for profile in self.request.plan.profiles)}",
            f"goal      {goal.text()}",
            "tries     in this order, until one meets the goal on the validation rows:",
            *(f"{'':10}{tried}" for tried in self.tries),
            f"time      at most {self.asked.limit_s / 60:g} minutes",
        ]


def prepare(asked: Asked) -> Prepared:
    """Survey the teacher and its rows, and check everything; nothing is trained or written.

    Raises InputError's kinds for the first thing that cannot work.
    """
    begun = time.monotonic()
    found = survey(asked.given)
    stages = [*_finetune(found, _FINETUNE_EPOCHS), *_student(found, _COPIES)]
    request = _request(asked, found, stages)
    return Prepared(asked, found, request, begun)


def compress(prepared: Prepared) -> tuple[Report, Status]:
    """Find the fastest student that keeps enough, or else quantize the teacher; judge it.

    Choices are made on validation rows; the test rows judge once. Raises InputError where the
    time is too short to fine-tune the teacher.
    """
    asked = prepared.asked
    RunFolder(asked.out).claim(prepared.request.plan.recipe.name, fresh=asked.fresh)
    request = _with_finetuning(prepared)
    result = _climbed(prepared, request) if prepared.cuts else None
    if result is not None and result.answer is not None:
        stages = result.stages(result.answer)
    else:
        row = {"kind": "quantize", "scheme": _scheme(request)}
        stages = (parse_stage(row, "compress"),)
        request.board.note(f"take      {prepared.tries[-1]}")
    place = asked.out / RECIPE
    chosen = [*request.plan.recipe.stages, *stages]
    write_text(place, _recipe(asked, prepared.survey, chosen, place))
    shown = None if result is None else section(result, ())
    rivals = {} if result is None else _rivals(prepared, request)
    return judge(
        request, stages, search=shown, rivals=rivals, command=asked.command, tier=asked.tier
    )


def _rivals(prepared: Prepared, request: SearchRequest) -> dict[str, Artifact]:
    """Return the linear models of the rows that the choice learned; none where time is short."""
    if prepared.asked.limit_s - (time.monotonic() - prepared.begun) < _RIVALS_S + CLOSING_S:
        request.board.note("no time for the linear rivals: give more --time")
        return {}
    return dict(made_rivals(request.workshop(), refit=False))


def _climbed(prepared: Prepared, request: SearchRequest) -> SearchResult | None:
    """Return the ladder's result, None where there is no time to begin."""
    asked, shop = prepared.asked, request.workshop()
    pace = student_pace(shop, _shapes(request)[0])
    most = _ANSWERING_SHARE * asked.limit_s
    copies = min(_COPIES, int(most / max(pace.answering_s, 1e-9)) - 1)
    if copies < 0:
        request.board.warn(
            f"the teacher's answers to the training rows take {_minutes(pace.answering_s)}: no"
            " student fits the time; give more --time"
        )
        return None
    stages = (*request.plan.recipe.stages, *_student(prepared.survey, copies))
    left = asked.limit_s - (time.monotonic() - prepared.begun)
    epoch_s = pace.epoch_s * (1 + bool(copies))  # an epoch takes the rows and one of the copies
    rows = len(request.plan.data.test) / len(request.plan.data.train)
    judging_s = _ANSWERS * pace.answering_s * rows
    request = replace(request, stages=stages, limit_s=left)
    result = Ladder(request, epoch_s, judging_s).result()
    if not result.rows:
        request.board.warn(
            f"no student's training fits the time (an epoch of the fastest takes"
            f" {_minutes(epoch_s)}); give more --time"
        )
    return result


def _with_finetuning(prepared: Prepared) -> SearchRequest:
    """Return the request with as many epochs of fine-tuning as fit the time."""
    asked, request = prepared.asked, prepared.request
    if not prepared.survey.finetune:
        return request
    epoch_s = finetune_pace(request.plan, request.cache)
    epochs = int(_FINETUNE_SHARE * asked.limit_s / max(epoch_s, 1e-9))
    if epochs < _LEAST_EPOCHS:
        needed = math.ceil(_LEAST_EPOCHS * epoch_s / _FINETUNE_SHARE / 60)
        raise InputError(
            f"--time of {_minutes(asked.limit_s)}: an epoch of fine-tuning takes"
            f" {_minutes(epoch_s)} here",
            expected=f"at least {needed} minutes",
            action=f"give --time {needed}m, or a teacher that is fine-tuned already",
        )
    epochs = min(epochs, _FINETUNE_EPOCHS)
    request.board.note(f"teacher   {epochs} epochs of fine-tuning, {_minutes(epoch_s)} each")
    stages = [*_finetune(prepared.survey, epochs), *_student(prepared.survey, _COPIES)]
    return _request(asked, prepared.survey, stages)


def _request(asked: Asked, found: Survey, stages: Sequence[Stage]) -> SearchRequest:
    content = tomllib.loads(_recipe(asked, found, stages, Path(RECIPE)))
    recipe = parse_recipe(content, Path.cwd(), "edgepress compress")
    request = request_of(recipe, _target(asked), asked.out, fresh=asked.fresh, board=asked.board)
    return replace(request, refits=0)


def _target(asked: Asked) -> TargetSettings:
    try:
        return TargetSettings(retention=asked.retention, minutes=asked.limit_s / 60, rungs=EPOCHS)
    except ValidationError as error:
        raise recipe_error(error, "compress", list(TargetSettings.model_fields)) from error


def _recipe(asked: Asked, found: Survey, stages: Sequence[Stage], place: Path) -> str:
    """Return the text of a recipe at `place`."""
    head = (
        "What `edgepress compress` chose; this makes the same model again:",
        f"  edgepress run {place} --out DIR",
    )
    tables = [stage_table(stage) for stage in stages]
    return to_toml(recipe_tables(found, place, asked.profiles, tables, head))


def _scheme(request: SearchRequest) -> str:
    return request.plan.profiles[0].quantization.scheme


def _shapes(request: SearchRequest) -> list[Shape]:
    """Return the students that are tried, the fastest first."""
    plan = request.plan
    return space_of(plan.teacher, _scheme(request), plan.recipe.export.formats[0]).first()


def _cuts(found: Survey) -> bool:
    return all(supports(found.teacher.model_type, kind) for kind in ("prune", "distill"))


def _finetune(found: Survey, epochs: int) -> list[Stage]:
    return [Finetune(epochs=epochs)] if found.finetune else []


def _student(found: Survey, copies: int) -> list[Stage]:
    """Return the students' settings that a search does not decide."""
    row = {"kind": "distill", "layers": 1, "augment": copies}
    return [parse_stage(row, "compress")] if _cuts(found) else []


def _minutes(seconds: float) -> str:
    return f"{seconds / 60:.1f} minutes" if seconds >= 60 else f"{seconds:.0f} seconds"
