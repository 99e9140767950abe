"""Text regression: a number for each text."""

from __future__ import annotations

import dataclasses
import functools
import math
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from compress.data.classes import few_rows
from compress.data.dataset import Dataset, DataSettings
from compress.data.rows import Record, Rows
from compress.tasks import heads, losses
from compress.tasks.classes import ClassCost
from compress.tasks.number_scores import (
    Floats,
    bounded_rows,
    mae_of,
    mae_retention_of,
    numbers,
    r2_of,
    range_costs,
    range_counts,
    rmse_of,
    spearman_of,
    spread_of,
)
from compress.tasks.shares import with_sampling_error
from compress.tasks.text_classification import Logits, TextClassification
from profiles.class_retention import worst_class_interval
from profiles.measurement import Figures, Provenance, computed_once
from profiles.paired import metric_interval, paired_retention
from profiles.scores import RowScores
from profiles.statistics import Sum, resampled_interval
from runtimes.errors import DataError, UnsupportedError
from runtimes.runtime import TensorSpec

if TYPE_CHECKING:
    from torch import Generator, Tensor

    from compress.data.batch import Batch
    from compress.tasks import Task

VALUE = "value"
"""The name of a model's only output, where its folder names none."""

_EXPLANATION = "compress.explain.numbers:explain"
_NEAR = 0.1
"""Two answers decide the same within so many standard deviations of the known ones."""


class TextRegression(TextClassification):
    """Predict a number from a text.

    An input is a text, a target a number, an answer a number of shape (1,), in the targets' unit. A
    model learns (target − centre) / spread; `settle` puts centre and spread into the head, so that
    no later stage knows of them.
    """

    name: ClassVar[str] = "text-regression"
    metric: ClassVar[str] = "bounded_r2"
    worst_metric: ClassVar[str] = "worst_range_retention"
    score_name: ClassVar[str] = "bounded R²"
    outputs_called: ClassVar[str] = ""
    explained_by: ClassVar[Mapping[str, str]] = dict.fromkeys(
        ("bounded_r2", "r2", "mae", "rmse", "spearman", "worst_range"), _EXPLANATION
    )

    def __init__(self, centre: float = 0.0, spread: float = 1.0) -> None:
        self._centre, self._spread = centre, spread

    def target(self, cells: Sequence[Any]) -> Any:
        """Return the number in a cell; the text itself where it is none."""
        text = str(cells[0]).strip()
        try:
            number = float(text)
        except ValueError:
            return text
        return number if math.isfinite(number) else text

    def check(self, train: Sequence[Record], settings: DataSettings) -> None:
        """Raise DataError for targets that are no numbers, or all the same."""
        values = _known("train", train, settings.label)
        if len(set(values)) < 2:
            raise DataError(
                f"every row of train has the number {values[0]:g}",
                expected=f"rows that differ in column {settings.label!r}",
                action="add rows with other numbers, or name another column",
            )

    def stratum(self, record: Record) -> str:
        """Return "": rows are split by chance."""
        return ""

    def labels(self, train: Sequence[Record]) -> tuple[str, ...]:
        """Return the name of the only output."""
        return (VALUE,)

    def named(self, records: Sequence[Record], labels: tuple[str, ...]) -> Sequence[Record]:
        """Return the rows: numbers have no names."""
        return records

    def rows(self, split: str, records: Sequence[Record], labels: tuple[str, ...]) -> Rows:
        """Return texts and numbers; raise DataError for a target that is none."""
        return Rows(tuple(row.input for row in records), _known(split, records))

    def weaknesses(
        self, train: Sequence[Record], validation: Sequence[Record], test: Sequence[Record]
    ) -> list[str]:
        """Warn of small splits, and of so few numbers that they may be classes."""
        distinct = sorted({row.target for row in train})
        few = f"train has {len(distinct)} different numbers only, such as {distinct[0]:g}"
        return [
            *few_rows(validation, test),
            *([f"{few}: text-classification may fit such rows better"] * (len(distinct) < 5)),
        ]

    def aligned(self, data: Dataset, labels: tuple[str, ...]) -> Dataset:
        """Return the data with the name of the head's output."""
        return dataclasses.replace(data, labels=labels)

    def head_labels(
        self, folder: Path, config: Mapping[str, Any], shapes: heads.Shapes
    ) -> tuple[str, ...]:
        """Return the name of a regression head's output; () for a head that chooses classes."""
        if heads.task_in(config) != self.name:
            return ()
        labels = super().head_labels(folder, config, shapes)
        if len(labels) > 1:
            raise UnsupportedError(
                f"{folder}: a regression head with {len(labels)} outputs",
                expected="one number for each text",
                action="fine-tune a model for each number",
            )
        return labels

    def outputs(self, labels: tuple[str, ...]) -> tuple[TensorSpec, ...]:
        """Return the logits' name and shape: one number for each row."""
        return (TensorSpec("logits", "float32", ("batch", 1)),)

    def configure(self, config: Any, labels: tuple[str, ...]) -> None:
        """Set the name of the output, and that it is a number."""
        heads.name_outputs(config, labels)
        config.problem_type = heads.PROBLEMS[self.name]

    def learner(self, model: Any, targets: Sequence[Any]) -> Task:
        """Return the task for targets of this mean and spread, and bring a trained head to them.

        A new head's bias is exactly 0: its answers have no unit yet.
        """
        import torch

        learner = TextRegression(float(np.mean(targets)), spread_of(targets))
        last = heads.last_layer(model)
        if torch.count_nonzero(last.bias):
            with torch.no_grad():
                last.weight /= learner._spread
                last.bias.sub_(learner._centre).div_(learner._spread)
        return learner

    def settle(self, model: Any, answers: Callable[[], Logits], targets: Sequence[Any]) -> None:
        """Put the targets' mean and spread into the head."""
        import torch

        last = heads.last_layer(model)
        with torch.no_grad():
            last.weight *= self._spread
            last.bias.mul_(self._spread).add_(self._centre)

    def weights(
        self, targets: Sequence[Any], labels: tuple[str, ...], balance: str
    ) -> Tensor | None:
        """Return None: all numbers weigh the same."""
        return None

    def hard_loss(
        self, output: Any, batch: Batch, targets: Sequence[Any], weights: Tensor | None = None
    ) -> Tensor:
        """Return the mean squared error, in units of the targets' spread."""
        return self._squared(output, targets).mean()

    def own_loss(
        self, output: Any, batch: Batch, temperature: float, generator: Generator
    ) -> Tensor:
        """Return half the squared distance to numbers drawn around the model's own (unit noise)."""
        import torch

        soft = output.logits / temperature
        noise = torch.randn(soft.shape, generator=generator).to(soft)
        loss: Tensor = 0.5 * (soft - soft.detach() - noise).square().sum()
        return loss

    def soft_loss(self, output: Any, batch: Batch, known: Logits, temperature: float) -> Tensor:
        """Return the squared distance from the teacher's number; a temperature changes nothing."""
        return self._squared(output, numbers(known))

    def distillation_loss(
        self,
        output: Any,
        batch: Batch,
        known: Logits,
        targets: Sequence[Any],
        *,
        temperature: float,
        alpha: float,
    ) -> Tensor:
        """Return the mean of α · distance from the teacher + (1−α) · error, both squared."""
        import torch

        soft = self.soft_loss(output, batch, known, temperature)
        labeled = torch.tensor([one is not None for one in targets], device=soft.device)
        hard = self._squared(output, [0.0 if one is None else one for one in targets])
        return losses.mixed(soft, hard, labeled, alpha)

    def answers(self, output: Any, batch: Batch) -> Logits:
        """Return each row's number, in the targets' unit."""
        raw = output.logits.float().cpu().numpy()
        return list((raw * self._spread + self._centre).astype(np.float32))

    def evaluate(
        self, answers: Logits, targets: Sequence[Any], labels: tuple[str, ...]
    ) -> tuple[float, float]:
        """Return the bounded R² and the mean squared error over the variance."""
        said, wanted = numbers(answers), _floats(targets)
        error = float(np.square((said - wanted) / spread_of(wanted)).mean())
        return bounded_rows(said, wanted).metric, error

    def score(self, answers: Logits, targets: Sequence[Any], labels: tuple[str, ...]) -> RowScores:
        """Return 1 − min(1, error² / variance) for each row."""
        return bounded_rows(numbers(answers), _floats(targets))

    def chance(self, targets: Sequence[Any], labels: tuple[str, ...]) -> float:
        """Return the score of the best constant answer, plus its sampling error."""
        wanted = _floats(targets)
        constants = np.quantile(wanted, np.linspace(0, 1, 101))
        best = max(bounded_rows(np.full(len(wanted), one), wanted).metric for one in constants)
        return with_sampling_error(best, len(wanted))

    def figures(
        self,
        answers: Logits,
        targets: Sequence[Any],
        labels: tuple[str, ...],
        reference: Logits | None = None,
        *,
        seed: int = 7,
        source: Provenance | None = None,
    ) -> Figures:
        """Return bounded R², R², errors and rank correlation, and what is kept of a reference's.

        Raises DataError for a reference whose errors all exceed a standard deviation.
        """
        said, wanted = numbers(answers), _floats(targets)
        scores = bounded_rows(said, wanted)

        def resampled(statistic: Callable[..., Floats], *arrays: Floats) -> Sum:
            known = functools.partial(statistic, *arrays)
            return lambda c: resampled_interval(known, len(wanted), c, seed)

        sums: dict[str, Sum] = {
            "bounded_r2": lambda c: metric_interval(scores, c, seed),
            "r2": resampled(r2_of, said, wanted),
            "spearman": resampled(spearman_of, said, wanted),
            "mae": resampled(mae_of, said, wanted),
            "rmse": resampled(rmse_of, said, wanted),
        }
        if reference is not None:
            known = numbers(reference)
            beside = bounded_rows(known, wanted)
            if not beside.value.any():
                raise DataError(
                    "every error of the reference exceeds a standard deviation of the numbers",
                    expected="a reference that predicts some of them",
                    action="check the reference and the rows' numbers",
                )
            counts, names = range_counts(said, known, wanted)
            sums["bounded_r2_retention"] = lambda c: paired_retention(scores, beside, c, seed)
            sums["mae_retention"] = resampled(mae_retention_of, said, known, wanted)
            sums["worst_range_retention"] = lambda c: worst_class_interval(counts, names, c)
        return Figures(computed_once(sums), source or Provenance())

    def divergence(self, known: Logits, answers: Logits) -> NDArray[np.float64]:
        """Return half the squared difference over the known answers' variance, in nats.

        It is the KL divergence of normal distributions of that variance around the two numbers.
        """
        before, after = numbers(known), numbers(answers)
        return np.asarray(np.square((before - after) / spread_of(before)) / 2)

    def agrees(self, known: Logits, answers: Logits) -> NDArray[np.bool_]:
        """Tell for each row whether both are within a tenth of the known answers' spread."""
        before, after = numbers(known), numbers(answers)
        return np.asarray(np.abs(before - after) <= _NEAR * spread_of(before))

    def class_costs(
        self, answers: Logits, reference: Logits, targets: Sequence[Any], labels: tuple[str, ...]
    ) -> tuple[ClassCost, ...]:
        """Return the fifths of the targets, the one that keeps least of its right rows first."""
        return range_costs(numbers(answers), numbers(reference), _floats(targets))

    def _squared(self, output: Any, targets: Any) -> Tensor:
        """Return each row's squared error, in units of the spread, shape (rows,)."""
        import torch

        wanted = torch.from_numpy((_floats(targets) - self._centre) / self._spread)
        each: Tensor = (output.logits[:, 0] - wanted.to(output.logits)).square()
        return each


def _floats(targets: Any) -> Floats:
    return np.asarray(targets, dtype=np.float64)


def _known(split: str, records: Sequence[Record], column: str = "") -> tuple[float, ...]:
    """Return the rows' numbers; raise DataError for a target that is none."""
    strange = sorted({str(row.target) for row in records if not isinstance(row.target, float)})
    if strange:
        raise DataError(
            f"{split} has targets that are no numbers ({len(strange)}):"
            f" {', '.join(map(repr, strange[:5]))}",
            expected="finite numbers with a point, such as 3.5"
            + (f", in column {column!r}" if column else ""),
            action="correct these rows, or name the column of the numbers under [data] label",
        )
    return tuple(row.target for row in records)
