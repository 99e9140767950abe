"""The linear stage: hashed n-grams of a text to logits, fitted to rows and a teacher's answers."""

from __future__ import annotations

from dataclasses import replace
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, ClassVar, Literal

import numpy as np
from pydantic import ConfigDict, Field
from pydantic.dataclasses import dataclass

from compress.linear.features import Columns, NGrams
from compress.models.architectures import UNKNOWN, require
from compress.stage import TORCH, TRAINING, Made, Outline, RunContext, Stage
from runtimes.artifact import Artifact
from runtimes.errors import RecipeError
from runtimes.linear_runtime import INPUTS
from runtimes.ngrams import words_of
from runtimes.runtime import TensorSpec, model_files

if TYPE_CHECKING:
    from compress.linear.examples import Examples
    from compress.linear.fit import Weights

_STRICT = ConfigDict(extra="forbid")
_FORMAT = "linear"
_REGULARIZATIONS = (0.1, 0.3, 1.0)
"""What is tried where a recipe names none."""


@dataclass(frozen=True, slots=True, config=_STRICT)
class Linear(Stage):
    """Fit linear SVMs to n-grams of words and of each word's characters.

    They learn from the labeled rows, and from the teacher's answers to unlabeled text and to
    `augment` augmented copies of the rows. `words` is the most words of an n-gram, `shortest` and
    `longest` the characters of one; `longest` 0 leaves characters out. The `features` n-grams that
    change answers most are kept, of those in `least_count` rows or more. Without `regularization`,
    that of the best validation accuracy is taken. The result needs Python alone.
    """

    kind: ClassVar[str] = "linear"
    accepts: ClassVar[tuple[str, ...]] = (TORCH,)
    retrains: ClassVar[bool] = True
    uses_target: ClassVar[bool] = False

    words: Literal[1, 2] = 2
    shortest: Annotated[int, Field(ge=1, le=8)] = 1
    longest: Annotated[int, Field(ge=0, le=8)] = 5
    features: Annotated[int, Field(ge=16, le=1_000_000)] = 20_000
    least_count: Annotated[int, Field(ge=1)] = 2
    augment: Annotated[int, Field(ge=0, le=64)] = 4
    regularization: Annotated[float, Field(gt=0, le=1000)] | None = None

    @property
    def modules(self) -> tuple[str, ...]:
        """Return the stage's code, with what computes the n-grams and runs the result."""
        return (type(self).__module__, "compress.linear.examples", "compress.linear.file")

    def packages(self, form: str) -> tuple[str, ...]:
        """Return what the teacher's answers and the fit need."""
        return (*TRAINING, "sklearn")

    def check(self, source: Outline) -> list[str]:
        """Refuse a task other than text classification, and lengths that contradict each other."""
        if source.model_type != UNKNOWN:
            require(source.model_type, "finetune")
        if source.task != "text-classification":
            raise RecipeError(
                f"linear for the task {source.task!r}",
                expected="text-classification",
                action="leave the stage out",
            )
        if 0 < self.longest < self.shortest:
            raise RecipeError(
                f"linear: shortest = {self.shortest}, longest = {self.longest}",
                expected="longest from shortest up, or 0 for no characters",
                action="raise longest",
            )
        return []

    def leaves(self, source: Outline) -> Outline:
        """Return the outline of the linear model: finished, and of no architecture."""
        return replace(source, format=_FORMAT, precision="int8", model_type=_FORMAT, layers=None)

    def run(self, source: Artifact, context: RunContext, folder: Path) -> Made:
        """Fit, choose by the validation rows, and write the model's file."""
        from compress.linear.examples import Examples
        from compress.linear.file import write_linear

        source.verify()  # the teacher alone is read, and its answers may be kept
        ngrams = NGrams(self.words, self.shortest, self.longest)
        examples = Examples.of(context, context.teacher or source, self.augment)
        columns = Columns.of(examples.texts[: examples.labeled], ngrams, self.least_count)
        columns, weights, metrics = self._chosen(columns, examples, context)
        write_linear(
            folder / model_files(_FORMAT)[0],
            columns.hashes,
            weights.columns * columns.weights[:, None],
            weights.biases,
            ngrams,
            chain.from_iterable(map(words_of, examples.texts[: examples.labeled])),
        )
        classes = len(source.labels)
        return Made(
            format=_FORMAT,
            precision="int8",
            labels=source.labels,
            max_length=source.max_length,
            parameters=len(columns.hashes) * classes,
            inputs=INPUTS,
            outputs=(TensorSpec("logits", "float32", ("batch", classes)),),
            model_type=_FORMAT,
            metrics={**metrics, "collisions": columns.collisions},
        )

    def _chosen(
        self, columns: Columns, examples: Examples, context: RunContext
    ) -> tuple[Columns, Weights, dict[str, float]]:
        """Return the columns that stay, the weights of the best validation accuracy, and figures.

        Of equal ones the stronger regularization is taken. Validation rows that are learned too are
        left out until regularization and scale are chosen by them.
        """
        from compress.linear.fit import calibrated, strongest

        held = context.data.validation
        truth, apart = np.array(held.targets), examples.apart_from(held.inputs)
        if not len(apart):
            apart = np.arange(len(examples.texts))
        tried = [self.regularization] if self.regularization else list(_REGULARIZATIONS)
        found: dict[float, tuple[float, Weights]] = {}
        matrix, seen = columns.matrix(examples.texts), columns.matrix(held.inputs)
        if len(columns.hashes) > self.features:
            whole = examples.fitted(matrix, _REGULARIZATIONS[0], context.seed)
            kept = strongest(whole, matrix, self.features)
            columns, matrix, seen = columns.only(kept), matrix[:, kept], seen[:, kept]
        with context.progress.task("linear", len(tried)) as advance:
            for strength in tried:
                weights = examples.fitted(matrix, strength, context.seed, apart)
                right = weights.answers(seen).argmax(axis=1) == truth
                found[strength] = (float(right.mean()), weights)
                advance(1, f"{right.mean():.4f}")
        best = max(tried, key=lambda strength: found[strength][0])
        accuracy, chosen = found[best]
        calm, scale = calibrated(chosen, seen, truth)
        if len(apart) < len(examples.texts):
            calm = examples.fitted(matrix, best, context.seed).scaled(scale)
        figures = {"n_grams": len(columns.hashes), "regularization": best, "scale": scale}
        return columns, calm, {**figures, "validation_accuracy": accuracy}
