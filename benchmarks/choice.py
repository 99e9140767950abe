"""The choice on planted truth: how often an answer that "keeps 99 %" truly keeps less.

python -m benchmarks.choice [--searches N] --json FILE

No model is trained: right and wrong rows are drawn for shapes whose true retention is known, and
the search's own rule chooses among them (`standings`, `confirm`, `fastest` of compress.search). The
teacher is right on 93 % of the rows, with another share in each class; a shape is wrong on some
rows that the teacher gets right, and right on some others; rows that are hard for one shape are
hard for the others too. Retention spreads by LUCK_SD from one training to the next. An answer is
true if the model that is delivered, another training of the shape, keeps the goal on unlimited
rows; `compress` delivers the very model that it judged.

Three populations of shapes, from the fastest (60 times the teacher's speed) to the slowest (6
times): `falling`: what is faster keeps less, from 96.5 % to 100.2 %; `near`: between 98 and 100 %,
whatever the speed; `none`: all keep 98.8 %, so that an answer is nearly always false.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from statistics import NormalDist
from typing import Any

import click
import numpy as np
from numpy.typing import NDArray

from compress.search import schedule
from compress.search.choice import Goal, fastest, standings
from compress.search.schedule import SearchState
from compress.search.shape import Shape
from compress.search.space import Space
from compress.search.trial import Control, Latency, Trial
from profiles.paired import paired_retention
from profiles.scores import RowScores
from runtimes.files import write_json

GOAL = Goal(0.99)
TEACHER = 0.93
CORRECTED = 0.35
"""The share of the teacher's wrong rows that a shape gets right."""
LUCK_SD = 0.003
SPEEDS = (60.0, 6.0)
SHARED = (0.5, 0.2, 0.3)
"""The parts of a row's difficulty: common to all shapes, to a shape's seeds, of one training."""
POPULATIONS = ("falling", "near", "none")
SIZES = (300, 1000, 3000, 10_000)
_FIVE = Space((4, 3, 2, 1), (None,), ("int8",), ("int8",), (True,), "int8-dynamic", 384, 1536)


def truths(kind: str, count: int, rng: np.random.Generator) -> NDArray[np.float64]:
    """Return each shape's true retention, the mean over its trainings, the fastest shape first."""
    if kind == "falling":
        line = np.linspace(0.965, 1.002, count)
        return np.asarray(line + rng.normal(0, 0.003, count))
    if kind == "near":
        return rng.uniform(0.98, 1.0, count)
    return np.full(count, 0.988)


@dataclass(slots=True)
class World:
    """Draw rows, and the models that shapes of known retention give on them."""

    rows: int
    classes: int
    truth: NDArray[np.float64]
    rng: np.random.Generator
    teacher: NDArray[np.bool_] = field(init=False)
    common: NDArray[np.float64] = field(init=False)
    own: list[NDArray[np.float64]] = field(init=False)
    accuracy: float = field(init=False)
    kept: dict[tuple[int, int], float] = field(init=False, default_factory=dict)

    def __post_init__(self) -> None:
        shares = np.clip(self.rng.beta(14 * TEACHER, 14 * (1 - TEACHER), self.classes), 0.3, 0.999)
        self.accuracy = float(shares.mean())
        of_row = shares[self.rng.integers(self.classes, size=self.rows)]
        self.teacher = self.rng.random(self.rows) < of_row
        self.common = self.rng.standard_normal(self.rows)
        self.own = [self.rng.standard_normal(self.rows) for _ in self.truth]

    def model(self, shape: int, seed: int) -> RowScores:
        """Train a shape once: return its right rows; `kept` then holds what it truly keeps."""
        kept = self.true(shape, seed)
        wrong = 1 - kept + (1 - self.accuracy) * CORRECTED / self.accuracy
        known = NormalDist().inv_cdf(min(max(1 - wrong, 1e-6), 1 - 1e-6))
        parts = (self.common, self.own[shape], self.rng.standard_normal(self.rows))
        hard = sum(math.sqrt(share) * part for share, part in zip(SHARED, parts, strict=True))
        limit = np.where(self.teacher, known, NormalDist().inv_cdf(CORRECTED))
        return RowScores.right(hard < limit)

    def true(self, shape: int, seed: int) -> float:
        """Return what a training truly keeps; each has its own luck."""
        if (shape, seed) not in self.kept:
            self.kept[shape, seed] = self.truth[shape] + self.rng.normal(0, LUCK_SD)
        return self.kept[shape, seed]

    @property
    def speeds(self) -> NDArray[np.float64]:
        """Return each shape's speed-up."""
        return np.geomspace(*SPEEDS, len(self.truth))

    def trial(self, shape: int, seed: int | None = None) -> Trial:
        """Return a training of a shape as a search keeps it."""
        speed = float(self.speeds[shape])
        rows = self.model(shape, seed or 0)
        latency = Latency(1 / speed, 1 / speed, speed)
        return Trial(Shape(shape + 1), 20, latency, 100 / speed, 1.0, rows, rows, seed)

    @property
    def control(self) -> Control:
        """Return the teacher."""
        return Control("teacher", RowScores.right(self.teacher), "its truth is known")

    @property
    def best(self) -> float | None:
        """Return the speed-up of the fastest shape that truly keeps the goal."""
        able = self.speeds[self.truth >= GOAL.retention]
        return float(able.max()) if len(able) else None


Answer = tuple[int, int] | None
"""The shape of the answer, and the training that is delivered; None without an answer."""
REFIT = 1000
"""The seed of a training that no choice has seen."""


def search_rule(world: World) -> Answer:
    """Return what a search answers: the delivered model is trained again."""
    state = _state(world)
    state.trials = [world.trial(shape) for shape in range(len(world.truth))]
    while (training := next(schedule.confirm(state), None)) is not None:
        state.trials.append(world.trial(training.shape.layers - 1, training.seed))
    row = fastest(state.rows, GOAL)
    return None if row is None else (row.trial.shape.layers - 1, REFIT)


def ladder_rule(world: World) -> Answer:
    """Return what `compress` takes: the first that meets the goal, delivered as it was judged."""
    state = _state(world)
    for shape in range(len(world.truth)):
        state.trials.append(world.trial(shape))
        rows = standings(state.trials, world.control, len(world.truth))
        if fastest(rows, GOAL) is not None:
            return shape, 0
    return None


def rule_before(world: World) -> Answer:
    """Return what the rule before took: value at the goal, 95 % bound within a point of it."""
    for shape in range(len(world.truth)):
        if _held_before(world.model(shape, 0), world):
            return shape, REFIT
    return None


def ladder_before(world: World) -> Answer:
    """Return what `compress` took by the rule before."""
    answer = rule_before(world)
    return None if answer is None else (answer[0], 0)


def _held_before(model: RowScores, world: World) -> bool:
    known = paired_retention(model, world.control.scores, 0.95, 7, resamples=1000)
    assert known.value is not None
    assert known.lower is not None
    return known.value >= GOAL.retention and known.lower >= GOAL.retention - 0.01


def _state(world: World) -> SearchState:
    return SearchState(_FIVE, GOAL, (20,), 7, world.control, Shape(1), "")


RULES: dict[str, dict[str, Callable[[World], Answer]]] = {
    "search": {"now": search_rule, "before": rule_before},
    "compress": {"now": ladder_rule, "before": ladder_before},
}


@dataclass(slots=True)
class Tally:
    """Count a rule's answers over many searches."""

    searches: int = 0
    answers: int = 0
    false: int = 0
    speeds: list[float] = field(default_factory=list)
    oracle: list[float] = field(default_factory=list)

    def add(self, world: World, answer: Answer) -> None:
        """Count one search."""
        self.searches += 1
        if answer is None:
            return
        shape, seed = answer
        self.answers += 1
        self.false += int(world.true(shape, seed) < GOAL.retention)
        self.speeds.append(float(world.speeds[shape]))
        if world.best is not None:
            self.oracle.append(world.best)

    def to_json(self) -> dict[str, Any]:
        """Return shares, and mean speed-ups of the answers and of the oracle in those searches."""
        return {
            "searches": self.searches,
            "answered": self.answers / max(self.searches, 1),
            "false_of_answers": self.false / self.answers if self.answers else None,
            "false_of_searches": self.false / max(self.searches, 1),
            "false": self.false,
            "answers": self.answers,
            "speedup": _mean(self.speeds),
            "oracle_speedup": _mean(self.oracle),
        }


def _mean(speeds: list[float]) -> float | None:
    """Return the geometric mean."""
    return math.exp(sum(map(math.log, speeds)) / len(speeds)) if speeds else None


@dataclass(frozen=True, slots=True)
class Cell:
    """Name one setting of the simulation."""

    command: str
    population: str
    shapes: int
    rows: int
    classes: int


def cells() -> Iterator[Cell]:
    """Yield every setting."""
    for command, shapes in (("search", 6), ("search", 20), ("compress", 5)):
        for population in POPULATIONS:
            for rows in SIZES:
                for classes in (2, 150):
                    yield Cell(command, population, shapes, rows, classes)


def simulate(cell: Cell, searches: int, seed: int = 7) -> dict[str, Tally]:
    """Search so many times by the rule now and by the one before, each in the same worlds."""
    tallies = {name: Tally() for name in RULES[cell.command]}
    for number in range(searches):
        for name, rule in RULES[cell.command].items():
            rng = np.random.default_rng([seed, number, cell.rows, cell.shapes])
            truth = truths(cell.population, cell.shapes, rng)
            world = World(cell.rows, cell.classes, truth, rng)
            tallies[name].add(world, rule(world))
    return tallies


def table(results: list[dict[str, Any]]) -> str:
    """Return the results as Markdown; shares of false answers with their counts."""
    heads = (
        *("command", "truth", "shapes", "rows", "classes", "false before", "false now"),
        *("answered before", "answered now", "speed-up before", "now", "oracle"),
    )
    lines = [f"| {' | '.join(heads)} |", f"| {' | '.join(['---'] * len(heads))} |"]
    for one in results:
        now, before = one["now"], one["before"]
        cells_ = [one[key] for key in ("command", "population", "shapes", "rows", "classes")]
        cells_ += [_false(before), _false(now)]
        cells_ += [f"{before['answered']:.0%}", f"{now['answered']:.0%}"]
        cells_ += [_times(before["speedup"]), _times(now["speedup"]), _times(now["oracle_speedup"])]
        lines.append(f"| {' | '.join(map(str, cells_))} |")
    return "\n".join(lines)


def _false(tally: dict[str, Any]) -> str:
    if tally["false_of_answers"] is None:
        return "–"
    return f"{tally['false_of_answers']:.0%} ({tally['false']} of {tally['answers']})"


def _times(speedup: float | None) -> str:
    return "–" if speedup is None else f"{speedup:.1f}×"


@click.command(context_settings={"show_default": True})
@click.option("--searches", default=400, type=click.IntRange(1), help="Of each setting.")
@click.option("--json", "json_file", required=True, type=click.Path(path_type=Path))
def main(searches: int, json_file: Path) -> None:
    """Simulate every setting and print the table."""
    results = []
    for cell in cells():
        tallies = simulate(cell, searches)
        known = {name: tally.to_json() for name, tally in tallies.items()}
        results.append(dataclasses.asdict(cell) | known)
        click.echo(table(results[-1:]).splitlines()[-1])
        write_json(json_file, {"searches": searches, "results": results})
    click.echo(table(results))


if __name__ == "__main__":
    main()
