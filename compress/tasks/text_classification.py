"""Text classification: one label for each text."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from compress.data import classes
from compress.data.batch import Tokens
from compress.data.dataset import Dataset, DataSettings
from compress.data.reading import text_of
from compress.data.rows import Record, Rows
from compress.tasks import heads, losses
from compress.tasks.classes import ClassCost, class_costs
from compress.tasks.shares import log_softmax, with_sampling_error
from profiles.class_retention import count_classes, worst_class_interval
from profiles.measurement import Figures, Provenance, computed_once
from profiles.metrics import confusion
from profiles.paired import paired_retention
from profiles.scores import RowScores
from profiles.statistics import Sum, f1_macro_interval, share_interval
from runtimes.errors import DataError
from runtimes.runtime import TensorSpec
from runtimes.tokenizing import encode_all

if TYPE_CHECKING:
    from tokenizers import Tokenizer
    from torch import Generator, Tensor

    from compress.data.batch import Batch
    from compress.tasks import Task

Logits = Sequence[NDArray[np.float32]]
"""The logits of each row, of shape (classes,)."""

_EXPLANATION = "compress.explain.quality:explain"


class TextClassification:
    """Assign one of several classes to a text.

    An input is a text, a target a class index, an answer the logits of all classes.
    """

    name: ClassVar[str] = "text-classification"
    pairs: ClassVar[bool] = False
    reads_first_token: ClassVar[bool] = True
    windowed: ClassVar[bool] = False
    metric: ClassVar[str] = "accuracy"
    worst_metric: ClassVar[str] = "worst_class_retention"
    score_name: ClassVar[str] = "accuracy"
    explained_by: ClassVar[Mapping[str, str]] = {
        "accuracy": _EXPLANATION,
        "f1": _EXPLANATION,
        "worst_class": _EXPLANATION,
    }

    def input_columns(self, settings: DataSettings) -> tuple[str, ...]:
        """Return the column of the text."""
        return (settings.text,)

    def target_columns(self, settings: DataSettings) -> tuple[str, ...]:
        """Return the column of the label."""
        return (settings.label,)

    def cell(self, value: Any, place: str) -> Any:
        """Return a cell as text."""
        return text_of(value, place)

    def input(self, cells: Sequence[Any]) -> Any:
        """Return the text unchanged."""
        return str(cells[0])

    def target(self, cells: Sequence[Any]) -> Any:
        """Return the label without surrounding white space."""
        return str(cells[0]).strip()

    def check(self, train: Sequence[Record], settings: DataSettings) -> None:
        """Raise DataError for a single class, fractions, an id column, or a class with one row."""
        classes.check_classes(train, settings.label)

    def unit(self, target: Any) -> str | None:
        """Return None: each row is scored by itself."""
        return None

    def stratum(self, record: Record) -> str:
        """Return the label: every split gets its share of each class."""
        return str(record.target)

    def labels(self, train: Sequence[Record]) -> tuple[str, ...]:
        """Return the classes in sorted order."""
        return tuple(sorted({row.target for row in train}))

    def named(self, records: Sequence[Record], labels: tuple[str, ...]) -> Sequence[Record]:
        """Replace class numbers in the rows' labels by the classes' names."""
        return classes.numbered(records, labels)

    def rows(self, split: str, records: Sequence[Record], labels: tuple[str, ...]) -> Rows:
        """Return texts and class indices; raise DataError for an unknown label."""
        classes.check_known(split, (row.target for row in records), labels)
        return classes.indexed(records, labels)

    def weaknesses(
        self, train: Sequence[Record], validation: Sequence[Record], test: Sequence[Record]
    ) -> list[str]:
        """Warn of texts with several labels, small splits and rare classes."""
        return [
            *classes.contradictions(train),
            *classes.few_rows(validation, test),
            *classes.uneven(train),
        ]

    def aligned(self, data: Dataset, labels: tuple[str, ...]) -> Dataset:
        """Return the data with its classes in the head's order."""
        return classes.align_labels(data, labels)

    def auto_class(self) -> Any:
        """Return AutoModelForSequenceClassification."""
        from transformers import AutoModelForSequenceClassification

        return AutoModelForSequenceClassification

    def head_labels(
        self, folder: Path, config: Mapping[str, Any], shapes: heads.Shapes
    ) -> tuple[str, ...]:
        """Return the classes of a single-label head; raise UnsupportedError for another head."""
        if not heads.has_head(config, shapes, "ForSequenceClassification"):
            return ()
        heads.require_problem(folder, config, heads.PROBLEMS[self.name])
        return heads.head_outputs(folder, config, shapes)

    def configure(self, config: Any, labels: tuple[str, ...]) -> None:
        """Set the names of the classes."""
        heads.name_outputs(config, labels)

    def outputs(self, labels: tuple[str, ...]) -> tuple[TensorSpec, ...]:
        """Return the logits' name and shape, one logit for each class."""
        return (TensorSpec("logits", "float32", ("batch", len(labels) or "labels")),)

    def text(self, value: Any) -> str | tuple[str, str]:
        """Return the text unchanged."""
        return str(value)

    def encode(self, tokenizer: Tokenizer, inputs: Sequence[Any]) -> list[Tokens]:
        """Return the tokens of each text."""
        rows = encode_all(tokenizer, inputs) if inputs else []
        return [Tokens((row.ids,)) for row in rows]

    def learner(self, model: Any, targets: Sequence[Any]) -> Task:
        """Return the task itself."""
        return self

    def settle(self, model: Any, answers: Callable[[], Logits], targets: Sequence[Any]) -> None:
        """Leave the head as it was trained."""

    def weights(
        self, targets: Sequence[Any], labels: tuple[str, ...], balance: str
    ) -> Tensor | None:
        """Return each class's weight, None where all are equal."""
        return losses.class_weights(targets, len(labels), balance)

    def hard_loss(
        self, output: Any, batch: Batch, targets: Sequence[Any], weights: Tensor | None = None
    ) -> Tensor:
        """Return the mean cross-entropy, weighted by class."""
        import torch
        import torch.nn.functional as F  # noqa: N812

        device = output.logits.device
        weight = None if weights is None else weights.to(device)
        return F.cross_entropy(output.logits, torch.tensor(targets).to(device), weight=weight)

    def own_loss(
        self, output: Any, batch: Batch, temperature: float, generator: Generator
    ) -> Tensor:
        """Return the cross-entropy of classes drawn from the model's own probabilities."""
        return losses.drawn_loss(output.logits, temperature, generator)

    def soft_loss(self, output: Any, batch: Batch, known: Logits, temperature: float) -> Tensor:
        """Return T²·KL from the teacher's softened probabilities, row by row."""
        return losses.soft_target_loss(output.logits, like(known, output), temperature)

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
        """Return the mean of α·T²·KL + (1−α)·CE, and of T²·KL alone for target None."""
        import torch

        labels = [losses.UNLABELED if target is None else target for target in targets]
        return losses.distillation_loss(
            output.logits,
            like(known, output),
            torch.tensor(labels).to(output.logits.device),
            temperature=temperature,
            alpha=alpha,
        )

    def answers(self, output: Any, batch: Batch) -> Logits:
        """Return the logits of each row."""
        return list(output.logits.float().cpu().numpy())

    def evaluate(
        self, answers: Logits, targets: Sequence[Any], labels: tuple[str, ...]
    ) -> tuple[float, float]:
        """Return accuracy and mean cross-entropy."""
        truth = np.asarray(targets, dtype=np.int64)
        losses = -log_softmax(answers)[np.arange(len(truth)), truth]
        return float((_classes(answers) == truth).mean()), float(losses.mean())

    def score(self, answers: Logits, targets: Sequence[Any], labels: tuple[str, ...]) -> RowScores:
        """Return 1 for each row that is right."""
        return RowScores.right(_classes(answers) == np.asarray(targets))

    def chance(self, targets: Sequence[Any], labels: tuple[str, ...]) -> float:
        """Return the accuracy of always answering the largest class, plus its sampling error."""
        counts = np.bincount(np.asarray(targets, dtype=np.int64), minlength=len(labels))
        share = max(float(counts.max()) / len(targets), 1 / len(labels))
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
        """Return accuracy, macro F1 and, with a reference, their retention and that of classes.

        Raises DataError for rows that do not fit, or a reference without a right row.
        """
        predicted = _classes(answers)
        scores = self.score(answers, targets, labels)
        counts = confusion(targets, predicted, len(labels))
        sums: dict[str, Sum] = {
            "accuracy": lambda c: share_interval(int(scores.value.sum()), len(scores), c),
            "f1_macro": lambda c: f1_macro_interval(counts, c, seed),
        }
        if reference is not None:
            beside = self.score(reference, targets, labels)
            if not beside.value.any():
                raise DataError(
                    "the reference has no row right",
                    expected="at least one",
                    action="check the reference and the rows' labels",
                )
            by_class = count_classes(targets, predicted, _classes(reference))
            sums["accuracy_retention"] = lambda c: paired_retention(scores, beside, c, seed)
            sums["worst_class_retention"] = lambda c: worst_class_interval(by_class, labels, c)
        return Figures(computed_once(sums), source or Provenance())

    def divergence(self, known: Logits, answers: Logits) -> NDArray[np.float64]:
        """Return the KL divergence of the classes' probabilities, in nats."""
        before, after = log_softmax(known), log_softmax(answers)
        kl: NDArray[np.float64] = (np.exp(before) * (before - after)).sum(axis=1)
        return kl

    def agrees(self, known: Logits, answers: Logits) -> NDArray[np.bool_]:
        """Tell for each row whether both answers give the same class."""
        return np.asarray(_classes(known) == _classes(answers))

    def class_costs(
        self, answers: Logits, reference: Logits, targets: Sequence[Any], labels: tuple[str, ...]
    ) -> tuple[ClassCost, ...]:
        """Return every class with rows, the one that keeps least first."""
        truth = np.asarray(targets, dtype=np.int64)
        return class_costs(truth, _classes(answers), _classes(reference), labels)


def _classes(answers: Logits) -> NDArray[np.int64]:
    highest: NDArray[np.int64] = np.asarray(answers).argmax(axis=1)
    return highest


def like(known: Logits, output: Any) -> Tensor:
    """Return a teacher's logits as a tensor on the student's device."""
    import torch

    return torch.from_numpy(np.asarray(known)).to(output.logits)
