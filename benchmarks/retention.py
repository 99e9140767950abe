"""What a setting of the distillation gains: students of several seeds, judged on validation rows.

python -m benchmarks.retention RECIPE [--base MODEL] [--data FOLDER] [--seeds 3] [--epochs N]
    [--variant "learning_rate = 8e-4" --variant "alpha = 0.5, dropout = true" …] [--json FILE]

RECIPE ends its learning with a `distill` or a `bag` stage, such as one-layer.toml and bag.toml.
Each --variant is the same recipe with other settings of that stage, written as in the recipe.
`assistant = 3` is one more: a student of so many layers, distilled first and once, is then the
teacher of the others (Mirzadeh et al. 2020, "Improved Knowledge Distillation via Teacher
Assistant"). A finished teacher has learned the validation rows, and its copied layers know them: so
students learn from another one, fine-tuned from --base without these rows, as in a search. The test
rows are never read by a model.

The table has each variant's accuracy (mean and ends over the seeds), and its mean as a share of the
recipe's, paired by row, with 95 % bounds over the rows. `kl` is the mean divergence of the
teacher's answers from the student's, in nats, at temperature 1; the less the better. Students are
fp32; seconds are of one training on its share of the cores.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import click
import numpy as np

from benchmarks.command import run
from compress.answers import Answers
from compress.bag.stage import Bag
from compress.distill.rows import TrainingRows
from compress.distill.stage import Distill
from compress.progress import Terminal
from compress.recipe import Recipe, parse_stage, read_recipe
from compress.run.cache import default_cache
from compress.run.maker import Maker
from compress.run.plan import make_plan
from compress.run.side_by_side import Chain, make_side_by_side
from compress.search.control import unseen_rows_wanted
from compress.search.workshop import Workshop
from compress.stage import Stage, settings_of
from compress.tasks import task_of
from profiles.paired import paired_retention
from profiles.scores import RowScores
from runtimes.artifact import Artifact
from runtimes.errors import RecipeError

SEED = 7
_CONFIDENCE = 0.95
_AS_WRITTEN = "as the recipe"
_ASSISTANT = "assistant"

Learning = Distill | Bag
"""The stage whose settings are compared."""


@dataclass(frozen=True, slots=True)
class Variant:
    """Hold other settings of the learning, and the layers of an assistant."""

    name: str
    settings: Mapping[str, Any]
    assistant: int | None = None

    @classmethod
    def read(cls, text: str) -> Variant:
        """Read "name = value, name = value"; raise RecipeError for anything else."""
        try:
            settings = tomllib.loads(f"row = {{ {text} }}")["row"]
        except tomllib.TOMLDecodeError as error:
            raise RecipeError(
                f"--variant {text!r}: {error}",
                expected='settings of distill as in a recipe: "dropout = true, alpha = 0.5"',
                action="write the settings as in a recipe, with commas between them",
            ) from error
        assistant = settings.pop(_ASSISTANT, None)
        return cls(text, settings, assistant)

    def of(self, stage: Learning) -> Learning:
        """Return the stage with this variant's settings; raise RecipeError for unknown ones."""
        row = {"kind": stage.kind, **settings_of(stage), **self.settings}
        made = parse_stage(row, f"--variant {self.name!r}")
        assert isinstance(made, Learning)
        return made


@click.command(context_settings={"show_default": True})
@click.argument("recipe", type=click.Path(path_type=Path, exists=True))
@click.option("--base", help="What the teacher was fine-tuned from, if it saw the rows.")
@click.option("--data", type=click.Path(path_type=Path, exists=True), help="The rows' folder.")
@click.option("--seeds", default=3, type=click.IntRange(1, 20))
@click.option("--epochs", type=click.IntRange(1), show_default="the recipe's")
@click.option("--validation-share", default=0.15, type=click.FloatRange(0.01, 0.5))
@click.option("--variant", "variants", multiple=True, metavar="SETTINGS")
@click.option("--json", "json_file", type=click.Path(path_type=Path))
def main(
    recipe: Path,
    base: str | None,
    data: Path | None,
    seeds: int,
    epochs: int | None,
    validation_share: float,
    variants: tuple[str, ...],
    json_file: Path | None,
) -> None:
    """Train students with other settings of the distillation, and compare them."""

    def measure() -> dict[str, Any]:
        known = read_recipe(recipe, data_folder=data)
        known = replace(
            known,
            teacher=known.teacher.model_copy(update={"base": base}),
            data=known.data.model_copy(update={"validation_share": validation_share}),
        )
        trial = Trial.of(known, epochs, range(SEED, SEED + seeds))
        wanted = [Variant(_AS_WRITTEN, {}), *map(Variant.read, variants)]
        for one in wanted:
            one.of(trial.learning)  # a wrong setting is refused before any training
        return compared({one.name: trial.students(one) for one in wanted})

    run(measure, table, json_file)


@dataclass(frozen=True, slots=True)
class Student:
    """Hold a student's scores and divergences on the validation rows, and its seconds."""

    seed: int
    scores: RowScores
    kl: float
    seconds: float


@dataclass(frozen=True, slots=True)
class Trial:
    """Hold what all variants share: the teacher, the stages before the distillation, and this."""

    maker: Maker
    shop: Workshop
    cut: tuple[Stage, ...]
    learning: Learning
    seeds: Sequence[int]
    known: Answers
    """The teacher's answers to the validation rows, which every student is compared with."""

    @classmethod
    def of(cls, recipe: Recipe, epochs: int | None, seeds: Sequence[int]) -> Trial:
        """Make the teacher; raise RecipeError for a recipe without a stage that learns."""
        at = next((n for n, s in enumerate(recipe.stages) if isinstance(s, Learning)), None)
        if at is None:
            raise RecipeError(
                f"a recipe of {', '.join(s.kind for s in recipe.stages) or 'no stages'}",
                expected="one with distill or bag",
                action="name such a recipe, for example one-layer.toml",
            )
        with TemporaryDirectory() as out:  # nothing is written into a run's folder
            plan = make_plan(replace(recipe, stages=()), Path(out))
        maker = Maker(plan, default_cache(), Terminal())
        for warning in unseen_rows_wanted(plan):
            maker.progress.warn(warning)
        shop = Workshop(plan, {}, maker.cache, maker.progress)
        stage = recipe.stages[at]
        assert isinstance(stage, Learning)
        stage = replace(stage, epochs=epochs or stage.epochs)
        known = shop.answers_of(shop.selection, shop.data.validation)
        return cls(maker, shop, recipe.stages[:at], stage, seeds, known)

    def students(self, variant: Variant) -> list[Student]:
        """Return a variant's students, one a seed."""
        self.maker.progress.note(variant.name)
        stage, source, teacher, before = self._start(variant)
        contexts = [self.maker.context(self.shop.data, teacher, seed) for seed in self.seeds]
        rows = TrainingRows.of(self.shop.data, stage.augment, teacher)
        rows.teacher_answers(teacher, contexts[0])
        chains = [Chain((*before, stage), source, context) for context in contexts]
        make_side_by_side(chains, self.maker.cache, self.maker.progress)
        return [self._student(chain) for chain in chains]

    def _start(self, variant: Variant) -> tuple[Learning, Artifact, Artifact, tuple[Stage, ...]]:
        """Return the learning, what it begins with, its teacher and the stages before it."""
        stage, teacher = variant.of(self.learning), self.shop.selection
        if variant.assistant is None:
            return stage, teacher, teacher, self.cut
        first = Distill(
            layers=variant.assistant,
            augment=stage.augment,
            epochs=stage.epochs,
            temperature=stage.temperature,
            alpha=stage.alpha,
        )
        context = self.maker.context(self.shop.data, teacher, SEED)
        assistant = self._made(Chain((*self.cut, first), teacher, context))
        return stage, assistant, assistant, ()

    def _made(self, chain: Chain) -> Artifact:
        made = chain.source
        for stage in chain.stages:
            context = chain.context
            made, _ = self.maker.make(
                stage, made, data=context.data, teacher=context.teacher, seed=context.seed
            )
        return made

    def _student(self, chain: Chain) -> Student:
        made, rows = self._made(chain), self.shop.data.validation
        given = self.shop.answers_of(made, rows)
        task = task_of(made.task)
        return Student(
            chain.context.seed,
            task.score(given, rows.targets, made.labels),
            float(np.mean(task.divergence(self.known, given))),
            made.history[-1].seconds,
        )


def compared(students: Mapping[str, Sequence[Student]]) -> dict[str, Any]:
    """Return each variant's figures; the first one is what the others are a share of."""
    means = {name: _mean([one.scores for one in made]) for name, made in students.items()}
    first = next(iter(means.values()))

    def share(of: RowScores) -> dict[str, Any] | None:
        if of is first:
            return None
        return asdict(paired_retention(of, first, _CONFIDENCE, SEED))

    rows = []
    for name, made in students.items():
        metrics = [one.scores.metric for one in made]
        rows.append(
            {
                "name": name,
                "seeds": [one.seed for one in made],
                "metrics": metrics,
                "metric": float(np.mean(metrics)),
                "of_recipe": share(means[name]),
                "kl": float(np.mean([one.kl for one in made])),
                "seconds": float(np.mean([one.seconds for one in made])),
            }
        )
    return {"schema_version": 1, "rows": len(first), "variants": rows}


def _mean(scores: Sequence[RowScores]) -> RowScores:
    """Return what each row earns, and its weight, in the mean over the seeds."""
    values = np.mean([one.value for one in scores], axis=0)
    return RowScores(values, np.mean([one.weight for one in scores], axis=0))


def table(result: Mapping[str, Any]) -> str:
    """Return the figures as Markdown."""
    heads = ("settings", "validation", "ends", "of the recipe's", "kl", "s")
    lines = [" | ".join(heads), "|".join(["---"] * len(heads))]
    for one in result["variants"]:
        share = one["of_recipe"]
        cells = (
            one["name"],
            f"{one['metric']:.2%}",
            f"{min(one['metrics']):.2%} to {max(one['metrics']):.2%}",
            f"{share['value']:.2%} [{share['lower']:.2%}, {share['upper']:.2%}]" if share else "",
            f"{one['kl']:.4f}",
            f"{one['seconds']:.0f}",
        )
        lines.append(" | ".join(cells))
    return "\n".join(f"| {line} |" for line in lines)


if __name__ == "__main__":
    main()
