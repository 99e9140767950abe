"""Measure a teacher and its rows for minutes, and answer what to do with them."""

from __future__ import annotations

import dataclasses
import tempfile
import time
import tomllib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from scipy.special import softmax

from compress.advising.bags import out_of_fold
from compress.advising.facts import Facts, Option
from compress.advising.measure import Bench, limits, retention, title_of
from compress.advising.money import Money, Prices, money_of
from compress.advising.order import shuffled
from compress.advising.recorded import Range, recorded
from compress.advising.rows import line_numbers, look_at
from compress.advising.rules import Answer, decide
from compress.advising.suspects import Suspect, disputed, suspects
from compress.advising.write_recipe import recipe_of
from compress.answers.trained import trained_answers
from compress.data.rows import Rows
from compress.judge.evaluation import REFERENCE
from compress.places import Place, check_separate
from compress.progress import Progress
from compress.recipe import parse_recipe
from compress.run.cache import default_cache
from compress.run.plan import make_plan
from compress.search.rivals import RIVALS
from compress.search.shape import Shape
from compress.search.workshop import Workshop
from compress.setup.survey import Given, Survey, survey
from compress.tasks import DEFAULT_TASK
from profiles.emulated import require_times
from profiles.scores import RowScores
from runtimes.artifact import Artifact
from runtimes.errors import UnsupportedError

_HELD = 1_500
"""Rows that accuracy is judged on, at most: enough to know a retention to about a point."""
_SHUFFLED = 500
_ASKED = 2_500
"""Disputed labels that the teacher is asked about, at most."""


@dataclass(frozen=True, slots=True)
class Question:
    """Say what advice is asked for, and where the recipe is written."""

    given: Given
    profile: str
    out: Path
    goal: float
    prices: Prices | None = None


@dataclass(frozen=True, slots=True)
class Advice:
    """Hold the answer and its evidence. `lines` are those of --data for each suspect."""

    question: Question
    survey: Survey
    facts: Facts
    answer: Answer
    suspects: tuple[Suspect, ...]
    lines: tuple[tuple[int, ...], ...]
    range: Range | None
    money: Money | None
    recipe: str
    held: str
    warnings: tuple[str, ...]
    seconds: float


def advise(question: Question, board: Progress) -> Advice:
    """Measure for minutes and decide; nothing is trained but linear models.

    Raises UnsupportedError for a teacher without a trained head or of another task than text
    classification, and what `survey` and `make_plan` raise.
    """
    begun = time.monotonic()
    found = survey(question.given)
    _check(found, question.out)
    bench, warnings, held = _bench(question, found, board)
    facts, named, lines = _facts(question, found, bench, board)
    answer = decide(facts)
    once = None if question.prices is None else _money(question.prices, facts, answer)
    text = recipe_of(found, question.out, question.profile, answer, facts.cuts, bench.bag)
    parse_recipe(tomllib.loads(text), question.out.absolute().parent, question.out.name)
    return Advice(
        question=question,
        survey=found,
        facts=facts,
        answer=answer,
        suspects=named,
        lines=lines,
        range=_range(facts, answer),
        money=once,
        recipe=text,
        held=held,
        warnings=warnings,
        seconds=time.monotonic() - begun,
    )


def _check(found: Survey, out: Path) -> None:
    inputs = [Place(f"the {name} rows", path) for name, path in found.splits.items()]
    check_separate(Place("--out", out), inputs)
    if found.teacher.task != DEFAULT_TASK:
        raise UnsupportedError(
            f"advice for the task {found.teacher.task!r}",
            expected=DEFAULT_TASK,
            action="use `edgepress search`, which trains and measures",
        )
    if found.finetune:
        raise UnsupportedError(
            "a model without a head for these classes",
            expected="a fine-tuned teacher, whose answers the advice rests on",
            action="run `edgepress finetune` first",
        )


def _bench(
    question: Question, found: Survey, board: Progress
) -> tuple[Bench, tuple[str, ...], str]:
    """Return the bench, the plan's warnings, and which rows accuracy is judged on."""
    place = question.out.absolute()
    text = recipe_of(found, place, question.profile, None, cuts=False)
    recipe = parse_recipe(tomllib.loads(text), place.parent, "edgepress advise")
    with tempfile.TemporaryDirectory(prefix="edgepress-advise-") as folder:
        plan = make_plan(dataclasses.replace(recipe, stages=()), Path(folder) / "run")
    require_times(plan.facts, "advice")
    shop = Workshop(plan, {}, default_cache(), board)
    data, warnings = plan.data, list(plan.warnings)
    if "test" in found.splits:
        rows, said = data.test, "the test rows"
    elif "validation" in found.splits:
        rows, said = data.validation, "the validation rows"
    else:
        rows, said = data.test, "rows split off --data"
        warnings.append(
            "accuracy is judged on rows that are split off --data, which the teacher has probably"
            " learned: a linear model looks worse beside it than it is; give --test"
        )
    bench = Bench(shop, _some(rows, _HELD, plan.recipe.seed), refit="test" in found.splits)
    return bench, tuple(dict.fromkeys(warnings)), f"{len(bench.held)} of {said}"


def _some(rows: Rows, most: int, seed: int) -> Rows:
    picked = np.sort(np.random.default_rng(seed).permutation(len(rows))[:most])
    return Rows(tuple(rows.inputs[i] for i in picked), tuple(rows.targets[i] for i in picked))


def _facts(
    question: Question, found: Survey, bench: Bench, board: Progress
) -> tuple[Facts, tuple[Suspect, ...], tuple[tuple[int, ...], ...]]:
    shop, seed = bench.shop, bench.shop.plan.recipe.seed
    labels = shop.data.labels
    board.note("rows: classes, repetitions, doubtful labels")
    rows = _all_rows(shop)
    linear, curve = out_of_fold(rows, len(labels), seed)
    teacher = bench.scores(shop.teacher)
    named = _suspects(shop.teacher, rows, linear, seed, 1 - teacher.metric)
    board.note("models: the linear rivals, the quantized teacher, untrained students")
    answering = {"quantized": bench.quantized(), **bench.rivals()}
    shapes = {title_of(shape): shape for shape in bench.shapes()}
    models = answering | {name: bench.untrained(shape) for name, shape in shapes.items()}
    board.note("accuracy, speed and size")
    scores = {name: bench.scores(model) for name, model in answering.items()}
    mixed = bench.scores(shop.teacher, shuffled(bench.held.inputs[:_SHUFFLED], seed))
    plain = teacher.of(np.arange(len(mixed)))
    facts = Facts(
        goal=question.goal,
        look=look_at(rows, labels),
        curve=curve,
        suspects=len(named),
        options=_options(bench, models, shapes, scores, teacher),
        order=retention(mixed, plain, seed),
        held_rows=len(teacher),
        enough_is_said=any("latency" in one.metric for one in limits(shop.plan.profiles[0])),
        cuts=bench.cuts,
        recorded=recorded(),
    )
    return facts, named, _lines(found, rows, named, labels)


def _all_rows(shop: Workshop) -> Rows:
    """Return the rows of --data that are learned from, those kept to choose by among them."""
    train, data = shop.data.train, shop.plan.data
    if shop.plan.recipe.data.validation:
        return train
    held = data.validation
    return Rows(train.inputs + held.inputs, train.targets + held.targets)


def _suspects(
    teacher: Artifact, rows: Rows, linear: Any, seed: int, errors: float
) -> tuple[Suspect, ...]:
    """Ask the teacher about the labels that linear models dispute, and return the suspects."""
    labels = np.array(rows.targets)
    asked = disputed(linear, labels)
    asked = np.sort(np.random.default_rng(seed).permutation(asked)[:_ASKED])
    if not len(asked):
        return ()
    given = trained_answers(teacher, [rows.inputs[place] for place in asked])
    return tuple(suspects(linear, labels, asked, softmax(np.stack(given), axis=1), errors))


def _options(
    bench: Bench,
    models: dict[str, Artifact],
    shapes: dict[str, Shape],
    scores: dict[str, RowScores],
    teacher: RowScores,
) -> tuple[Option, ...]:
    seed, times = bench.shop.plan.recipe.seed, bench.timed(models)
    precision = models["quantized"].precision
    heads = {
        REFERENCE: ("teacher", "the teacher, fp32"),
        "quantized": ("quantize", f"the teacher, {precision}"),
        **{name: ("linear", name) for name in RIVALS},
        **{name: ("distil", name) for name in shapes},
    }
    options = []
    for name, (kind, title) in heads.items():
        mine = teacher if kind == "teacher" else scores.get(name)
        shape = shapes.get(name)
        options.append(
            Option(
                kind,
                title,
                **dataclasses.asdict(times[name]),
                layers=shape.layers if shape else None,
                positions=shape.positions if shape else True,
                accuracy=mine.metric if mine else None,
                retention=retention(mine, teacher, seed) if mine else None,
            )
        )
    return tuple(options)


def _lines(
    found: Survey, rows: Rows, named: Sequence[Suspect], labels: Sequence[str]
) -> tuple[tuple[int, ...], ...]:
    """Return the lines of --data on which each suspect stands with its label."""
    places = line_numbers(found.given.data, found.text.column, found.label.column)
    lines = []
    for one in named:
        target = rows.targets[one.row]
        given = (labels[target], str(target))
        here = [line for line, label in places[rows.inputs[one.row]] if label in given]
        lines.append(tuple(here))
    return tuple(lines)


def _range(facts: Facts, answer: Answer) -> Range | None:
    kind, layers = answer.option.kind, answer.option.layers
    return facts.recorded_range(kind, layers)


def _money(prices: Prices, facts: Facts, answer: Answer) -> Money:
    return money_of(prices, facts.option("teacher").p50_ms, answer.option.p50_ms)
