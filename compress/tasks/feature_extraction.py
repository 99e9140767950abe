"""Sentence embeddings: a vector for each text, whose cosines say how alike texts are."""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from compress.data.classes import few_rows
from compress.data.dataset import Dataset, DataSettings
from compress.data.rows import Record, Rows
from compress.tasks import embedding_scores as scores
from compress.tasks import heads
from compress.tasks.classes import ClassCost, class_costs
from compress.tasks.embedding_scores import Found, Vectors
from compress.tasks.sentence import FIELD, TASK, dimension_names, read_pooled
from compress.tasks.shares import with_sampling_error
from compress.tasks.text_classification import TextClassification
from profiles.class_retention import count_classes, worst_class_interval
from profiles.measurement import Figures, Provenance, computed_once
from profiles.paired import metric_interval, paired_retention
from profiles.scores import RowScores
from profiles.statistics import Sum, share_interval
from runtimes.errors import DataError, UnsupportedError
from runtimes.runtime import TensorSpec

if TYPE_CHECKING:
    from torch import Generator, Tensor

    from compress.data.batch import Batch

Answers = Sequence[NDArray[np.float32]]
"""The vector of each row, of shape (dimensions,)."""

_EXPLANATION = "compress.explain.neighbours:explain"
_SAME = 0.95
"""Two vectors of one text decide the same from this cosine on."""


class FeatureExtraction(TextClassification):
    """Turn a text into a vector; cosines of vectors say how alike texts are.

    An input is a text, an answer its vector, the names of a model's outputs are "0", "1", ….
    A target is a label: texts with the same label are relevant to each other. No loss reads it.
    Each row is a query, and the other rows of its split are what is searched, with the same model.
    """

    name: ClassVar[str] = TASK
    reads_first_token: ClassVar[bool] = False
    vectors: ClassVar[bool] = True
    learns_unlabeled: ClassVar[bool] = True
    metric: ClassVar[str] = "nearest_neighbour_accuracy"
    worst_metric: ClassVar[str] = "worst_class_retention"
    score_name: ClassVar[str] = "nearest-neighbour accuracy"
    outputs_called: ClassVar[str] = "dimensions"
    divergence_called: ClassVar[str] = "1 − cosine"
    explained_by: ClassVar[Mapping[str, str]] = dict.fromkeys(
        ("nearest_neighbour", "ndcg_at_10", "recall", "worst_class", "similarity", "retention"),
        _EXPLANATION,
    )
    refuses: ClassVar[Mapping[str, tuple[str, str]]] = {
        "finetune": (
            "there is no contrastive loss to teach a new encoder with",
            "leave it out: start from a trained sentence encoder, and distill it",
        )
    }

    def check(self, train: Sequence[Record], settings: DataSettings) -> None:
        """Raise DataError for labels of which none is shared by two rows, or only one exists."""
        counts = Counter(row.target for row in train)
        if set(counts) == {None}:
            return
        if len(counts) < 2 or max(counts.values()) < 2:
            raise DataError(
                f"column {settings.label!r} of train has {len(counts)} labels in {len(train)} rows",
                expected="two labels or more, shared by rows that should be found for one another",
                action="name another column under [data] label; texts without a label belong in"
                " [data] unlabeled",
            )

    def labels(self, train: Sequence[Record]) -> tuple[str, ...]:
        """Return (): the teacher says how many dimensions there are."""
        return ()

    def named(self, records: Sequence[Record], labels: tuple[str, ...]) -> Sequence[Record]:
        """Return the rows: their labels are not a model's outputs."""
        return records

    def rows(self, split: str, records: Sequence[Record], labels: tuple[str, ...]) -> Rows:
        """Return texts and labels."""
        return Rows(tuple(row.input for row in records), tuple(row.target for row in records))

    def weaknesses(
        self, train: Sequence[Record], validation: Sequence[Record], test: Sequence[Record]
    ) -> list[str]:
        """Warn of small splits, and of rows that no other row is relevant to."""
        said = list(few_rows(validation, test))
        for split, rows in (("validation", validation), ("test", test)):
            alone = sum(count == 1 for count in Counter(row.target for row in rows).values())
            if alone:
                said.append(f"rows of {split} whose label no other row has: {alone}; none counts")
        return said

    def aligned(self, data: Dataset, labels: tuple[str, ...]) -> Dataset:
        """Return the data with the names of the teacher's dimensions."""
        return dataclasses.replace(data, labels=labels)

    def auto_class(self) -> Any:
        """Return the class that loads an encoder with its pooling."""
        from compress.tasks.sentence_encoder import AutoModelForSentenceEmbedding

        return AutoModelForSentenceEmbedding

    def head_labels(
        self, folder: Path, config: Mapping[str, Any], shapes: heads.Shapes
    ) -> tuple[str, ...]:
        """Return the names of the vector's dimensions.

        Raises UnsupportedError for a pooling or a module that edgepress does not have.
        """
        return dimension_names(read_pooled(folder, config).dimensions)

    def configure(self, config: Any, labels: tuple[str, ...]) -> None:
        """Ask for a vector of as many dimensions as labels, through a linear layer."""
        setattr(config, FIELD, {**(getattr(config, FIELD, None) or {}), "dimensions": len(labels)})

    def outputs(self, labels: tuple[str, ...]) -> tuple[TensorSpec, ...]:
        """Return the vector's name and shape."""
        return (TensorSpec("embedding", "float32", ("batch", len(labels) or "dimensions")),)

    def weights(
        self, targets: Sequence[Any], labels: tuple[str, ...], balance: str
    ) -> Tensor | None:
        """Return None: no loss reads the labels."""
        return None

    def hard_loss(
        self, output: Any, batch: Batch, targets: Sequence[Any], weights: Tensor | None = None
    ) -> Tensor:
        """Raise UnsupportedError: labels say which texts are alike, not what their vectors are."""
        raise UnsupportedError(
            f"a loss against labels for {self.name}: {self.refuses['finetune'][0]}",
            expected="a teacher's vectors",
            action=self.refuses["finetune"][1],
        )

    def own_loss(
        self, output: Any, batch: Batch, temperature: float, generator: Generator
    ) -> Tensor:
        """Return half the squared distance to vectors drawn around the model's own (unit noise)."""
        import torch

        soft = output.logits / temperature
        noise = torch.randn(soft.shape, generator=generator).to(soft)
        loss: Tensor = 0.5 * (soft - soft.detach() - noise).square().sum()
        return loss

    def soft_loss(self, output: Any, batch: Batch, known: Answers, temperature: float) -> Tensor:
        """Return 1 − cosine with the teacher's vector, plus the KL of the batch's similarities.

        A temperature changes nothing: cosines have a scale of their own.
        """
        import torch

        from compress.tasks.losses import similarity_loss
        from compress.tasks.sentence_encoder import lifted

        mine = lifted(output)
        theirs = torch.from_numpy(np.stack(known)).to(mine)
        return similarity_loss(mine, theirs)

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
        """Return the mean of `soft_loss`: no label is read, and alpha changes nothing."""
        return self.soft_loss(output, batch, known, temperature).mean()

    def answers(self, output: Any, batch: Batch) -> Answers:
        """Return each row's vector."""
        return list(output.logits.float().cpu().numpy())

    def evaluate(
        self, answers: Answers, targets: Sequence[Any], labels: tuple[str, ...]
    ) -> tuple[float, float]:
        """Return the nearest-neighbour accuracy, and 1 − nDCG at 10."""
        found = _search(answers, targets)
        return found.nearest_right().metric, 1 - found.ndcg().metric

    def score(self, answers: Answers, targets: Sequence[Any], labels: tuple[str, ...]) -> RowScores:
        """Return 1 for each row whose nearest other row has its label."""
        return _search(answers, targets).nearest_right()

    def chance(self, targets: Sequence[Any], labels: tuple[str, ...]) -> float:
        """Return the share of the most frequent label, plus its sampling error."""
        return with_sampling_error(max(Counter(targets).values()) / len(targets), len(targets))

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
        """Return how well labels are found, and what is kept of a reference's, each with its model.

        Raises DataError for a reference whose nearest rows all have another label.
        """
        mine, found = np.stack(answers), _search(answers, targets)
        right = found.nearest_right()
        scored = {
            self.metric: right,
            "ndcg_at_10": found.ndcg(),
            "recall_at_10": found.recall(),
        }
        sums: dict[str, Sum] = {name: _bounded(one, seed) for name, one in scored.items()}
        hits, asked = (int(each.sum()) for each in (right.value, right.weight))
        if asked:
            sums[self.metric] = lambda c: share_interval(hits, asked, c)
        if reference is not None:
            theirs, beside = np.stack(reference), _search(reference, targets)
            known = beside.nearest_right()
            if not known.value.any():
                raise DataError(
                    "the reference finds no row's label",
                    expected="at least one",
                    action="check the reference and the rows' labels",
                )
            kept = zip(scored.items(), (known, beside.ndcg(), beside.recall()), strict=True)
            for (name, one), other in kept:
                sums[f"{name}_retention"] = _kept(one, other, seed)
            ranked = np.maximum(scores.similarity_spearman(mine, theirs), 0.0)
            sums["similarity_spearman"] = _bounded(RowScores(ranked, np.ones(len(ranked))), seed)
            by_class = count_classes(found.labels, found.predicted, beside.predicted)
            names = scores.label_numbers(targets)[1]
            sums["worst_class_retention"] = lambda c: worst_class_interval(by_class, names, c)
            for name, stored in scores.STORED.items():
                fewer = scores.search(stored(mine), targets).nearest_right()
                sums[f"retention_{name}_vectors"] = _kept(fewer, known, seed)
        return Figures(computed_once(sums), source or Provenance())

    def divergence(self, known: Answers, answers: Answers) -> NDArray[np.float64]:
        """Return 1 − cosine; between different widths, 1 − the rank correlation of similarities."""
        before, after = np.stack(known), np.stack(answers)
        same = before.shape == after.shape
        compared = scores.cosines if same else scores.similarity_spearman
        return np.asarray(1 - compared(before, after))

    def agrees(self, known: Answers, answers: Answers) -> NDArray[np.bool_]:
        """Tell for each row whether the vectors' cosine is 0.95 or more.

        Between different widths, whether both have the same nearest row.
        """
        before, after = np.stack(known), np.stack(answers)
        if before.shape == after.shape:
            return np.asarray(scores.cosines(before, after) >= _SAME)
        one, other = (scores.search(vectors, [""] * len(known)) for vectors in (before, after))
        return np.asarray(one.nearest[:, 0] == other.nearest[:, 0])

    def class_costs(
        self,
        answers: Answers,
        reference: Answers,
        targets: Sequence[Any],
        labels: tuple[str, ...],
    ) -> tuple[ClassCost, ...]:
        """Return every label of the rows, the one that keeps least first."""
        mine, theirs = _search(answers, targets), _search(reference, targets)
        names = scores.label_numbers(targets)[1]
        return class_costs(mine.labels, mine.predicted, theirs.predicted, names)


def _search(answers: Answers, targets: Sequence[Any]) -> Found:
    vectors: Vectors = np.stack(answers)
    return scores.search(vectors, targets)


def _bounded(one: RowScores, seed: int) -> Sum:
    return lambda confidence: metric_interval(one, confidence, seed)


def _kept(one: RowScores, other: RowScores, seed: int) -> Sum:
    return lambda confidence: paired_retention(one, other, confidence, seed)
