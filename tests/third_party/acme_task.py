"""Acme's task on the host: the tags of a text, scored by F1."""

from __future__ import annotations

import functools
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from compress.data.dataset import DataSettings
from compress.data.rows import Record, Rows
from compress.tasks import heads
from compress.tasks.text_classification import TextClassification
from profiles.measurement import Figures, Provenance
from profiles.paired import paired_retention
from profiles.scores import RowScores
from profiles.statistics import Sum
from runtimes.errors import DataError

if TYPE_CHECKING:
    from torch import Tensor

    from compress.data.batch import Batch
    from compress.tasks.classes import ClassCost

Answers = Sequence[NDArray[np.float32]]
Floats = NDArray[np.float64]


class Tags(TextClassification):
    """Tell which tags a text has: a target is their places, an answer a logit each.

    A row earns 2 TP of 2 TP + FP + FN, so that the metric of all rows is their micro F1.
    """

    name: ClassVar[str] = "acme-tags"
    explained_by: ClassVar[Mapping[str, str]] = {}

    def target(self, cells: Sequence[Any]) -> list[str]:
        """Return the tags, which a bar parts."""
        return sorted(str(cells[0]).split("|"))

    def check(self, train: Sequence[Record], settings: DataSettings) -> None:
        """Raise DataError where every row has the same tags."""
        if len({tuple(row.target) for row in train}) < 2:
            raise DataError(
                "every row has the same tags", expected="rows that differ", action="check the rows"
            )

    def stratum(self, record: Record) -> str:
        """Return the first tag."""
        return str(record.target[0])

    def labels(self, train: Sequence[Record]) -> tuple[str, ...]:
        """Return the tags in sorted order."""
        return tuple(sorted({tag for row in train for tag in row.target}))

    def named(self, records: Sequence[Record], labels: tuple[str, ...]) -> Sequence[Record]:
        """Return the rows: tags have no numbers."""
        return records

    def rows(self, split: str, records: Sequence[Record], labels: tuple[str, ...]) -> Rows:
        """Return texts and the places of their tags; raise DataError for a strange tag."""
        strange = {tag for row in records for tag in row.target} - set(labels)
        if strange:
            raise DataError(
                f"{split}: strange tags {sorted(strange)}",
                expected=", ".join(labels),
                action="correct the rows",
            )
        targets = tuple([labels.index(tag) for tag in row.target] for row in records)
        return Rows(tuple(row.input for row in records), targets)

    def weaknesses(
        self, train: Sequence[Record], validation: Sequence[Record], test: Sequence[Record]
    ) -> list[str]:
        """Find nothing weak."""
        return []

    def head_labels(
        self, folder: Path, config: Mapping[str, Any], shapes: heads.Shapes
    ) -> tuple[str, ...]:
        """Return the tags of a head that was trained for several at once."""
        if config.get("problem_type") != "multi_label_classification":
            return ()
        return heads.head_outputs(folder, config, shapes)

    def configure(self, config: Any, labels: tuple[str, ...]) -> None:
        """Name the tags, and say that a text may have several."""
        heads.name_outputs(config, labels)
        config.problem_type = "multi_label_classification"

    def weights(self, targets: Sequence[Any], labels: tuple[str, ...], balance: str) -> None:
        """Weigh all tags the same."""

    def hard_loss(
        self, output: Any, batch: Batch, targets: Sequence[Any], weights: Tensor | None = None
    ) -> Tensor:
        """Return the mean binary cross-entropy."""
        import torch
        import torch.nn.functional as F

        wanted = torch.from_numpy(_hot(targets, output.logits.shape[1]))
        return F.binary_cross_entropy_with_logits(output.logits, wanted.to(output.logits))

    def soft_loss(self, output: Any, batch: Batch, known: Answers, temperature: float) -> Tensor:
        """Return each row's mean squared distance from the teacher's logits."""
        import torch

        wanted = torch.from_numpy(np.asarray(known)).to(output.logits)
        apart: Tensor = ((output.logits - wanted) ** 2).mean(dim=1)
        return apart

    def distillation_loss(
        self,
        output: Any,
        batch: Batch,
        known: Answers,
        targets: Sequence[Any],
        *,
        temperature: float,
        alpha: float,
    ) -> Tensor:
        """Return the soft loss alone."""
        return self.soft_loss(output, batch, known, temperature).mean()

    def evaluate(
        self, answers: Answers, targets: Sequence[Any], labels: tuple[str, ...]
    ) -> tuple[float, float]:
        """Return micro F1, and binary cross-entropy."""
        logits = np.asarray(answers, dtype=np.float64)
        signs = 2 * _hot(targets, logits.shape[1]) - 1
        return self.score(answers, targets, labels).metric, float(
            np.logaddexp(0, -signs * logits).mean()
        )

    def score(self, answers: Answers, targets: Sequence[Any], labels: tuple[str, ...]) -> RowScores:
        """Return 2 TP, of 2 TP + FP + FN, for each row."""
        chosen = np.asarray(answers) > 0
        wanted = _hot(targets, chosen.shape[1]) > 0
        return RowScores(2 * (chosen & wanted).sum(axis=1), chosen.sum(axis=1) + wanted.sum(axis=1))

    def chance(self, targets: Sequence[Any], labels: tuple[str, ...]) -> float:
        """Return the F1 of always answering every tag."""
        everything = [np.ones(len(labels), dtype=np.float32)] * len(targets)
        return self.score(everything, targets, labels).metric

    def figures(
        self,
        answers: Answers,
        targets: Sequence[Any],
        labels: tuple[str, ...],
        reference: Answers | None = None,
        *,
        seed: int = 7,
        source: Provenance | None = None,
    ) -> Figures:
        """Return F1 and, beside a reference, what it keeps of its F1."""
        scores = self.score(answers, targets, labels)
        perfect = RowScores(scores.weight, scores.weight)
        sums: dict[str, Sum] = {"accuracy": lambda c: paired_retention(scores, perfect, c, seed)}
        if reference is not None:
            beside = self.score(reference, targets, labels)
            sums["accuracy_retention"] = lambda c: paired_retention(scores, beside, c, seed)
        return Figures(
            {name: functools.cache(one) for name, one in sums.items()}, source or Provenance()
        )

    def divergence(self, known: Answers, answers: Answers) -> Floats:
        """Return the mean squared distance of the logits."""
        apart: Floats = (np.asarray(known, np.float64) - np.asarray(answers, np.float64)) ** 2
        return np.asarray(apart.mean(axis=1))

    def agrees(self, known: Answers, answers: Answers) -> NDArray[np.bool_]:
        """Tell for each row whether both find the same tags."""
        return np.asarray(((np.asarray(known) > 0) == (np.asarray(answers) > 0)).all(axis=1))

    def class_costs(
        self, answers: Answers, reference: Answers, targets: Sequence[Any], labels: tuple[str, ...]
    ) -> tuple[ClassCost, ...]:
        """Return nothing: tags are no classes."""
        return ()


def _hot(targets: Sequence[Any], tags: int) -> NDArray[np.float32]:
    hot = np.zeros((len(targets), tags), dtype=np.float32)
    for row, places in enumerate(targets):
        hot[row, places] = 1
    return hot
