"""Multi-label classification: any number of labels for each text."""

from __future__ import annotations

import functools
import json
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from compress.data.classes import check_known, few_rows
from compress.data.dataset import Dataset, DataSettings
from compress.data.reading import text_of
from compress.data.rows import Record, Rows
from compress.tasks import heads, losses, thresholds
from compress.tasks.classes import ClassCost
from compress.tasks.multi_label_scores import (
    chosen,
    f1_macro_of,
    f1_rows,
    hot,
    label_costs,
    mean_average_precision_of,
)
from compress.tasks.shares import with_sampling_error
from compress.tasks.text_classification import Logits, TextClassification, like
from profiles.class_retention import worst_class_interval
from profiles.measurement import Figures, Provenance, computed_once
from profiles.paired import metric_interval, paired_retention
from profiles.scores import RowScores
from profiles.statistics import Sum, resampled_interval
from runtimes.errors import DataError

if TYPE_CHECKING:
    from torch import Generator, Tensor

    from compress.data.batch import Batch
    from compress.tasks import Task

_EXPLANATION = "compress.explain.labels:explain"
_FEW_ROWS = 20
_MOST_LABELS = 5_000
_SEPARATORS = "|;,"


class MultiLabelClassification(TextClassification):
    """Tell which of several labels a text has.

    An input is a text, a target the numbers of its labels, an answer the logits of all labels. A
    text has a label where the logit is above 0: `settle` moves the thresholds into the head.
    """

    name: ClassVar[str] = "multi-label-classification"
    metric: ClassVar[str] = "f1"
    worst_metric: ClassVar[str] = "worst_label_recall_retention"
    score_name: ClassVar[str] = "micro F1"
    explained_by: ClassVar[Mapping[str, str]] = {
        "f1": _EXPLANATION,
        "mean_average_precision": _EXPLANATION,
        "worst_label": _EXPLANATION,
    }

    def cell(self, value: Any, place: str) -> Any:
        """Return a text, or a tuple of labels; raise DataError for a list of anything else."""
        if isinstance(value, list | tuple):
            return tuple(text_of(one, place) for one in value)
        return text_of(value, place)

    def target(self, cells: Sequence[Any]) -> list[str]:
        """Return the labels of a list, or of a text where a bar, semicolon or comma parts them."""
        (cell,) = cells
        return sorted({name.strip() for name in _listed(cell)} - {""})

    def check(self, train: Sequence[Record], settings: DataSettings) -> None:
        """Raise DataError for rows that all have the same labels, or an id column."""
        counts = Counter(name for row in train for name in row.target)
        if len({tuple(row.target) for row in train}) < 2:
            raise DataError(
                f"every row of train has the same labels: {', '.join(counts) or 'none'}",
                expected=f"rows that differ in column {settings.label!r}",
                action="add rows with other labels, or name another column",
            )
        if len(counts) > _MOST_LABELS:
            raise DataError(
                f"train has {len(counts)} labels in column {settings.label!r}",
                expected=f"at most {_MOST_LABELS}",
                action="name the column that holds the labels",
            )
        lonely = sorted(name for name, count in counts.items() if count < 2)
        if lonely:
            raise DataError(
                f"{len(lonely)} of {len(counts)} labels with one row only:"
                f" {', '.join(map(repr, lonely[:5]))}",
                expected="at least two rows a label in train: it must be learned and checked",
                action="add rows, or merge or drop the label",
            )

    def stratum(self, record: Record) -> str:
        """Return the first label, "" without any: every split gets its share of each."""
        return next(iter(record.target), "")

    def labels(self, train: Sequence[Record]) -> tuple[str, ...]:
        """Return the labels in sorted order."""
        return tuple(sorted({name for row in train for name in row.target}))

    def named(self, records: Sequence[Record], labels: tuple[str, ...]) -> Sequence[Record]:
        """Return the rows: their labels have names."""
        return records

    def rows(self, split: str, records: Sequence[Record], labels: tuple[str, ...]) -> Rows:
        """Return texts and label numbers; raise DataError for an unknown label."""
        check_known(split, (name for row in records for name in row.target), labels)
        index = {name: place for place, name in enumerate(labels)}
        targets = ([index[name] for name in row.target] for row in records)
        return Rows(tuple(row.input for row in records), tuple(map(sorted, targets)))

    def weaknesses(
        self, train: Sequence[Record], validation: Sequence[Record], test: Sequence[Record]
    ) -> list[str]:
        """Warn of small splits, rare labels, and rows that all have exactly one label."""
        counts = Counter(name for row in train for name in row.target)
        rare = sorted(name for name, count in counts.items() if count < _FEW_ROWS)
        single = all(len(row.target) == 1 for row in train)
        return [
            *few_rows(validation, test),
            *([f"labels with under {_FEW_ROWS} rows in train: {', '.join(rare[:5])}"] * bool(rare)),
            *(
                ["every row of train has one label: text-classification fits such rows better"]
                * single
            ),
        ]

    def aligned(self, data: Dataset, labels: tuple[str, ...]) -> Dataset:
        """Return the data with its labels as the head numbers them; it may know further ones."""
        if data.labels == labels:
            return data
        check_known("the data", data.labels, labels)
        order = [labels.index(name) for name in data.labels]
        return data.relabeled(
            labels, lambda _, rows: [sorted(order[k] for k in one) for one in rows.targets]
        )

    def head_labels(
        self, folder: Path, config: Mapping[str, Any], shapes: heads.Shapes
    ) -> tuple[str, ...]:
        """Return the labels of a head for several labels; () for one that chooses one class."""
        if heads.task_in(config) != self.name:
            return ()
        return super().head_labels(folder, config, shapes)

    def configure(self, config: Any, labels: tuple[str, ...]) -> None:
        """Set the names of the labels, and that a text may have several."""
        heads.name_outputs(config, labels)
        config.problem_type = heads.PROBLEMS[self.name]

    def learner(self, model: Any, targets: Sequence[Any]) -> Task:
        """Return the task itself; a new head starts with each label's frequency in its bias.

        Most labels are rare, and learning that alone would take most of a short training (Lin et
        al. 2017, Focal loss, section 3.3). A new head's bias is exactly 0.
        """
        import torch

        bias = heads.last_layer(model).bias
        if not torch.count_nonzero(bias):
            share = (hot(targets, len(bias)).sum(axis=0) + 0.5) / (len(targets) + 1)
            with torch.no_grad():
                bias.copy_(torch.from_numpy(np.log(share / (1 - share))))
        return self

    def settle(self, model: Any, answers: Callable[[], Logits], targets: Sequence[Any]) -> None:
        """Choose the thresholds on validation rows and subtract them from the head's bias."""
        import torch

        logits = np.asarray(answers(), dtype=np.float64)
        moved = thresholds.choose(logits, hot(targets, logits.shape[1]))
        bias = heads.last_layer(model).bias
        with torch.no_grad():
            bias -= torch.from_numpy(moved).to(bias)

    def weights(
        self, targets: Sequence[Any], labels: tuple[str, ...], balance: str
    ) -> Tensor | None:
        """Return each label's weight, None where all are equal."""
        flat = [place for target in targets for place in target]
        return losses.class_weights(flat, len(labels), balance)

    def hard_loss(
        self, output: Any, batch: Batch, targets: Sequence[Any], weights: Tensor | None = None
    ) -> Tensor:
        """Return the mean binary cross-entropy of all labels, weighted by label."""
        weight = None if weights is None else weights.to(output.logits.device)
        each = _cross_entropy(output.logits, targets)
        return each.mean() if weight is None else (each * weight).mean() / weight.mean()

    def own_loss(
        self, output: Any, batch: Batch, temperature: float, generator: Generator
    ) -> Tensor:
        """Return the cross-entropy of labels drawn from the model's own probabilities."""
        import torch
        import torch.nn.functional as F  # noqa: N812

        soft = output.logits / temperature
        drawn = torch.bernoulli(soft.detach().sigmoid(), generator=generator)
        return F.binary_cross_entropy_with_logits(soft, drawn, reduction="sum")

    def soft_loss(self, output: Any, batch: Batch, known: Logits, temperature: float) -> Tensor:
        """Return T²·KL from the teacher's softened probabilities, the mean over labels, by row."""
        return losses.binary_soft_loss(output.logits, like(known, output), temperature)

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
        """Return the mean of α·T²·KL + (1−α)·BCE, and of T²·KL alone for target None."""
        import torch

        soft = self.soft_loss(output, batch, known, temperature)
        hard = _cross_entropy(output.logits, [one or () for one in targets]).mean(dim=1)
        labeled = torch.tensor([one is not None for one in targets], device=soft.device)
        return losses.mixed(soft, hard, labeled, alpha)

    def evaluate(
        self, answers: Logits, targets: Sequence[Any], labels: tuple[str, ...]
    ) -> tuple[float, float]:
        """Return micro F1 at the best single threshold, which `settle` will move, and mean BCE."""
        logits = np.asarray(answers, dtype=np.float64)
        wanted = hot(targets, logits.shape[1])
        loss = np.logaddexp(0, np.where(wanted, -logits, logits)).mean()
        said = logits > thresholds.single(logits, wanted)
        return thresholds.micro_f1(said, wanted), float(loss)

    def score(self, answers: Logits, targets: Sequence[Any], labels: tuple[str, ...]) -> RowScores:
        """Return 2 TP of 2 TP + FP + FN for each row."""
        return f1_rows(chosen(answers), hot(targets, len(labels)))

    def chance(self, targets: Sequence[Any], labels: tuple[str, ...]) -> float:
        """Return the F1 of always giving the best set of labels, plus its sampling error."""
        counts = np.sort(hot(targets, len(labels)).sum(axis=0))[::-1]
        answered = len(targets) * np.arange(1, len(counts) + 1)
        share = float((2 * np.cumsum(counts) / (answered + counts.sum())).max())
        return with_sampling_error(share, len(targets))

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
        """Return micro and macro F1 and mAP and, with a reference, what is kept of it.

        Raises DataError for a reference without a right label.
        """
        said, wanted = chosen(answers), hot(targets, len(labels))
        logits, rows = np.asarray(answers, dtype=np.float64), len(targets)
        scores = f1_rows(said, wanted)
        sums: dict[str, Sum] = {
            "f1": lambda c: metric_interval(scores, c, seed),
            "f1_macro": lambda c: resampled_interval(
                functools.partial(f1_macro_of, said, wanted), rows, c, seed
            ),
        }
        if wanted.any():
            sums["mean_average_precision"] = lambda c: resampled_interval(
                functools.partial(mean_average_precision_of, logits, wanted), rows, c, seed
            )
        if reference is not None:
            other = chosen(reference)
            beside = f1_rows(other, wanted)
            if not beside.value.any():
                raise DataError(
                    "the reference has no label right",
                    expected="at least one",
                    action="check the reference and the rows' labels",
                )
            counts = [one.counts for one in label_costs(said, other, wanted, labels)]
            sums["f1_retention"] = lambda c: paired_retention(scores, beside, c, seed)
            sums["worst_label_recall_retention"] = lambda c: worst_class_interval(counts, labels, c)
        return Figures(computed_once(sums), source or Provenance())

    def divergence(self, known: Logits, answers: Logits) -> NDArray[np.float64]:
        """Return the KL divergence of the labels' probabilities, summed over labels, in nats."""
        before, after = (np.asarray(one, dtype=np.float64) for one in (known, answers))
        parts = [
            np.exp(_log_sigmoid(sign * before))
            * (_log_sigmoid(sign * before) - _log_sigmoid(sign * after))
            for sign in (1, -1)
        ]
        return np.asarray(np.add(*parts).sum(axis=1))

    def agrees(self, known: Logits, answers: Logits) -> NDArray[np.bool_]:
        """Tell for each row whether both answers give the same labels."""
        return np.asarray((chosen(known) == chosen(answers)).all(axis=1))

    def class_costs(
        self, answers: Logits, reference: Logits, targets: Sequence[Any], labels: tuple[str, ...]
    ) -> tuple[ClassCost, ...]:
        """Return every label with rows, the one that keeps least of its recall first."""
        wanted = hot(targets, len(labels))
        return label_costs(chosen(answers), chosen(reference), wanted, labels)


def _listed(cell: Any) -> Sequence[str]:
    """Return the labels in a cell: of a list, of a JSON list in a text, or parted by a sign."""
    if not isinstance(cell, str):
        return tuple(cell)
    if cell.strip().startswith("["):
        try:
            return [str(one) for one in json.loads(cell)]
        except ValueError:
            return [cell]
    return cell.split(next((sign for sign in _SEPARATORS if sign in cell), "|"))


def _cross_entropy(logits: Tensor, targets: Sequence[Any]) -> Tensor:
    """Return the binary cross-entropy of each row and label."""
    import torch
    import torch.nn.functional as F  # noqa: N812

    wanted = torch.from_numpy(hot(targets, logits.shape[1])).to(logits)
    return F.binary_cross_entropy_with_logits(logits, wanted, reduction="none")


def _log_sigmoid(logits: NDArray[np.float64]) -> NDArray[np.float64]:
    log: NDArray[np.float64] = -np.logaddexp(0, -logits)
    return log
