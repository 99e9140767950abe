"""The expected time of a training, estimated from a training on a few of its rows."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, replace

from compress.data.dataset import Dataset
from compress.data.rows import Rows
from compress.distill.rows import TrainingRows
from compress.finetune.stage import Finetune
from compress.progress import Progress, Silence
from compress.run.cache import Cache
from compress.run.maker import Maker
from compress.run.plan import Plan
from compress.search.selection import TUNING, base_of
from compress.search.shape import Shape
from compress.search.workshop import Workshop
from runtimes.digest import stable_hash

_ROWS = (64, 576)
"""Both times include the start; their difference is the time of the rows."""
_VALIDATION_ROWS = 64
_BASE_SHARE = 0.4
"""The share of a search's time that fine-tuning the teacher's base may take."""
_LEAST_SHARE = 0.1
"""The least share of the longer time that is the difference: a busy machine's times vary."""


@dataclass(frozen=True, slots=True)
class Pace:
    """Hold seconds: of the teacher's answers to all training rows, and of a student's epoch."""

    answering_s: float
    epoch_s: float


def finetune_pace(plan: Plan, cache: Cache) -> float:
    """Return the seconds that an epoch of fine-tuning takes."""
    maker = Maker(plan, cache, Silence())
    probe = Finetune(epochs=1, class_weights="none")

    def seconds(few: Dataset) -> float:
        made, _ = maker.make(probe, maker.imported(), data=few, teacher=None)
        return made.history[-1].seconds

    return _of_all(plan.data, seconds)


def student_pace(shop: Workshop, shape: Shape) -> Pace:
    """Return the pace of the shape's training on the rows alone, without copies of them."""
    quiet = replace(shop, kept={**shop.kept, "distill": {}}, progress=Silence())
    maker = Maker(shop.plan, shop.cache, Silence())

    def answering(few: Dataset) -> float:
        begun = time.monotonic()
        context = maker.context(few, shop.teacher)
        TrainingRows.of(few, 0, shop.teacher).teacher_answers(shop.teacher, context)
        return time.monotonic() - begun

    def training(few: Dataset) -> float:
        return quiet.student(shape, 1, data=few).history[-1].seconds

    return Pace(_of_all(shop.data, answering), _of_all(shop.data, training))


def _of_all(data: Dataset, seconds: Callable[[Dataset], float]) -> float:
    """Return the time for all training rows, given the time for a few of them."""
    less, more = (_few(data, count) for count in _ROWS)
    short_s, long_s = seconds(less), seconds(more)
    rows = len(data.train) + len(data.unlabeled)
    if len(more.train) == len(less.train):
        return long_s
    difference_s = max(long_s - short_s, _LEAST_SHARE * long_s)
    return difference_s * rows / (len(more.train) - len(less.train))


def _few(data: Dataset, count: int) -> Dataset:
    """Return rows from all of the training part, and few validation rows: they cost time."""
    train, validation = _spread(data.train, count), _spread(data.validation, _VALIDATION_ROWS)
    digest = stable_hash([data.digest, "pace", len(train), len(validation)])
    return replace(data, train=train, validation=validation, unlabeled=(), digest=digest)


def _spread(rows: Rows, count: int) -> Rows:
    step = max(1, len(rows) // count)
    return Rows(rows.inputs[::step][:count], rows.targets[::step][:count])


def with_time_for_base(plan: Plan, cache: Cache, limit_s: float | None, said: Progress) -> Plan:
    """Return the plan, without its base where fine-tuning that takes too much of the time."""
    base = base_of(plan)
    if base is None or limit_s is None:
        return plan
    needed_s = TUNING.epochs * finetune_pace(replace(plan, teacher=base), cache)
    if needed_s <= _BASE_SHARE * limit_s:
        return plan
    said.warn(
        f"[teacher] base: to fine-tune it without the validation rows takes {needed_s / 60:.0f}"
        f" minutes, more than {_BASE_SHARE:.0%} of the time: a student is the control instead; give"
        f" at least --time {needed_s / _BASE_SHARE / 60:.0f}m"
    )
    teacher = plan.recipe.teacher.model_copy(update={"base": None})
    return replace(plan, recipe=replace(plan.recipe, teacher=teacher))
