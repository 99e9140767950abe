"""Text ranking: how relevant a text is to a query, judged by the order of each query's texts."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from compress.data.dataset import Dataset, DataSettings
from compress.data.rows import Record, Rows
from compress.tasks import heads, losses
from compress.tasks.classes import ClassCost
from compress.tasks.number_scores import Floats, spread_of
from compress.tasks.pairs import ReadsPairs
from compress.tasks.ranking_scores import (
    group_rows,
    groups_of,
    ndcg,
    reciprocal_rank,
    size_costs,
    size_counts,
)
from compress.tasks.relevance import check_relevance, few_groups, relevance_of, require_groups
from compress.tasks.shares import with_sampling_error
from compress.tasks.text_classification import Logits, TextClassification
from profiles.class_retention import worst_class_interval
from profiles.measurement import Figures, Provenance, computed_once
from profiles.paired import metric_interval, paired_retention
from profiles.scores import RowScores
from profiles.statistics import Sum
from runtimes.errors import DataError

if TYPE_CHECKING:
    from torch import Generator, Tensor

    from compress.data.batch import Batch
    from compress.tasks import Task

RELEVANCE = "relevance"
"""The name of a new head's only output."""

_EXPLANATION = "compress.explain.rankings:explain"
_NEAR = 0.1
"""Two answers decide the same within so many standard deviations of the known ones."""


class TextRanking(ReadsPairs, TextClassification):
    """Score a query and a text: rerankers, which are also called cross-encoders.

    An input is {"text": query, "text_pair": text}, a target [relevance, group], an answer the
    logits of one output, or of two classes of which the second is "relevant". The texts of a group,
    by default those of the same query, are ranked by the logit, or by the difference of both. A
    group is the unit of every figure.
    """

    name: ClassVar[str] = "text-ranking"
    metric: ClassVar[str] = "ndcg_at_10"
    worst_metric: ClassVar[str] = "worst_size_retention"
    score_name: ClassVar[str] = "nDCG@10"
    outputs_called: ClassVar[str] = ""
    explained_by: ClassVar[Mapping[str, str]] = dict.fromkeys(
        ("ndcg_at_10", "mrr", "worst_size"), _EXPLANATION
    )

    def __init__(self, most: float = 1.0) -> None:
        self._most = most

    def target_columns(self, settings: DataSettings) -> tuple[str, ...]:
        """Return the columns of the relevance and of the group, by default that of the query."""
        return (settings.label, settings.group or settings.text)

    def target(self, cells: Sequence[Any]) -> Any:
        """Return the relevance, or the text where it is no number, and the group."""
        return [relevance_of(cells[0]), str(cells[1])]

    def unit(self, target: Any) -> str | None:
        """Return the group: its rows are ranked together."""
        return None if target is None else str(target[1])

    def check(self, train: Sequence[Record], settings: DataSettings) -> None:
        """Raise DataError for relevances that are no numbers, or groups without an order."""
        check_relevance("train", train, settings.label)
        require_groups("train", train)

    def stratum(self, record: Record) -> str:
        """Return "": groups are split by chance."""
        return ""

    def labels(self, train: Sequence[Record]) -> tuple[str, ...]:
        """Return the name of the only output."""
        return (RELEVANCE,)

    def named(self, records: Sequence[Record], labels: tuple[str, ...]) -> Sequence[Record]:
        """Return the rows: relevances have no names."""
        return records

    def rows(self, split: str, records: Sequence[Record], labels: tuple[str, ...]) -> Rows:
        """Return pairs with relevance and group; raise DataError where nothing can be ranked."""
        check_relevance(split, records)
        require_groups(split, records)
        return Rows(tuple(row.input for row in records), tuple(row.target for row in records))

    def weaknesses(
        self, train: Sequence[Record], validation: Sequence[Record], test: Sequence[Record]
    ) -> list[str]:
        """Warn of few groups, and of groups whose texts are all equally relevant."""
        return few_groups(train=train, validation=validation, test=test)

    def aligned(self, data: Dataset, labels: tuple[str, ...]) -> Dataset:
        """Return the data with the names of the head's outputs."""
        return dataclasses.replace(data, labels=labels)

    def head_labels(
        self, folder: Path, config: Mapping[str, Any], shapes: heads.Shapes
    ) -> tuple[str, ...]:
        """Return the one or two outputs of a head; () for one with more, which ranks nothing."""
        if not heads.has_head(config, shapes, "ForSequenceClassification"):
            return ()
        labels = heads.head_outputs(folder, config, shapes)
        return labels if len(labels) <= 2 else ()

    def configure(self, config: Any, labels: tuple[str, ...]) -> None:
        """Set the names of the outputs."""
        heads.name_outputs(config, labels)
        config.problem_type = heads.PROBLEMS[self.name] if len(labels) == 1 else None

    def learner(self, model: Any, targets: Sequence[Any]) -> Task:
        """Return the task for relevances up to the largest of these targets."""
        return TextRanking(max(target[0] for target in targets))

    def weights(
        self, targets: Sequence[Any], labels: tuple[str, ...], balance: str
    ) -> Tensor | None:
        """Return None: all pairs weigh the same."""
        return None

    def hard_loss(
        self, output: Any, batch: Batch, targets: Sequence[Any], weights: Tensor | None = None
    ) -> Tensor:
        """Return the mean binary cross-entropy, with the relevance's share of the most as truth."""
        return self._cross_entropy(output, targets).mean()

    def own_loss(
        self, output: Any, batch: Batch, temperature: float, generator: Generator
    ) -> Tensor:
        """Return the cross-entropy of relevances drawn from the model's own probabilities."""
        import torch
        import torch.nn.functional as F  # noqa: N812

        soft = _margin(output.logits) / temperature
        drawn = torch.bernoulli(soft.detach().sigmoid(), generator=generator)
        return F.binary_cross_entropy_with_logits(soft, drawn, reduction="sum")

    def soft_loss(self, output: Any, batch: Batch, known: Logits, temperature: float) -> Tensor:
        """Return T²·KL from the teacher's softened probability of being relevant, row by row."""
        import torch

        mine = _margin(output.logits)
        theirs = torch.from_numpy(margins(known)).to(mine)
        return losses.binary_soft_loss(mine[:, None], theirs[:, None], temperature)

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
        hard = self._cross_entropy(output, [one or (0.0, "") for one in targets])
        labeled = torch.tensor([one is not None for one in targets], device=soft.device)
        return losses.mixed(soft, hard, labeled, alpha)

    def evaluate(
        self, answers: Logits, targets: Sequence[Any], labels: tuple[str, ...]
    ) -> tuple[float, float]:
        """Return nDCG@10 and the mean binary cross-entropy."""
        said, share = margins(answers), _relevance(targets) / self._most
        loss = np.logaddexp(0, said) - share * said
        return self.score(answers, targets, labels).metric, float(loss.mean())

    def score(self, answers: Logits, targets: Sequence[Any], labels: tuple[str, ...]) -> RowScores:
        """Return each group's nDCG@10 in its first row."""
        relevance = _relevance(targets)
        return group_rows(ndcg, margins(answers), relevance, _groups(targets, relevance))

    def chance(self, targets: Sequence[Any], labels: tuple[str, ...]) -> float:
        """Return the nDCG@10 of candidates in any order, plus its sampling error."""
        equal = self.score([np.zeros(1, np.float32)] * len(targets), targets, labels)
        return with_sampling_error(equal.metric, int(equal.weight.sum()) or 1)

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
        """Return nDCG@10 and MRR of groups and, with a reference, what is kept of both.

        Raises DataError for a reference that puts no relevant text among the first ten.
        """
        relevance = _relevance(targets)
        groups = _groups(targets, relevance)

        def rows(one: Logits) -> tuple[RowScores, RowScores]:
            said = margins(one)
            gained, first = (
                group_rows(kind, said, relevance, groups) for kind in (ndcg, reciprocal_rank)
            )
            return gained, first

        gained, first = rows(answers)
        sums: dict[str, Sum] = {
            "ndcg_at_10": lambda c: metric_interval(gained, c, seed),
            "mrr": lambda c: metric_interval(first, c, seed),
        }
        if reference is not None:
            beside, beside_first = rows(reference)
            if not beside.value.any():
                raise DataError(
                    "the reference puts no relevant text among the first ten of its group",
                    expected="at least one",
                    action="check the reference and the rows' relevances",
                )
            counts, names = size_counts(first, beside_first, groups)
            sums["ndcg_at_10_retention"] = lambda c: paired_retention(gained, beside, c, seed)
            sums["mrr_retention"] = lambda c: paired_retention(first, beside_first, c, seed)
            sums["worst_size_retention"] = lambda c: worst_class_interval(counts, names, c)
        return Figures(computed_once(sums), source or Provenance())

    def divergence(self, known: Logits, answers: Logits) -> NDArray[np.float64]:
        """Return the KL divergence of the probabilities of being relevant, in nats."""
        before, after = margins(known), margins(answers)
        parts = [
            np.exp(-np.logaddexp(0, -sign * before))
            * (np.logaddexp(0, -sign * after) - np.logaddexp(0, -sign * before))
            for sign in (1, -1)
        ]
        return np.asarray(np.add(*parts))

    def agrees(self, known: Logits, answers: Logits) -> NDArray[np.bool_]:
        """Tell for each row whether both are within a tenth of the known answers' spread."""
        before, after = margins(known), margins(answers)
        return np.asarray(np.abs(before - after) <= _NEAR * spread_of(before))

    def class_costs(
        self, answers: Logits, reference: Logits, targets: Sequence[Any], labels: tuple[str, ...]
    ) -> tuple[ClassCost, ...]:
        """Return the sizes of groups, the one that keeps least of its right first places first."""
        relevance = _relevance(targets)
        groups = _groups(targets, relevance)
        mine, theirs = (
            group_rows(reciprocal_rank, margins(one), relevance, groups)
            for one in (answers, reference)
        )
        return size_costs(mine, theirs, groups)

    def _cross_entropy(self, output: Any, targets: Sequence[Any]) -> Tensor:
        """Return each row's binary cross-entropy, shape (rows,)."""
        import torch
        import torch.nn.functional as F  # noqa: N812

        said = _margin(output.logits)
        share = torch.from_numpy(_relevance(targets) / self._most).to(said)
        return F.binary_cross_entropy_with_logits(said, share, reduction="none")


def margins(answers: Logits) -> Floats:
    """Return what ranks: the only logit, or the second class's less the first's; (rows,)."""
    logits = np.asarray(answers, dtype=np.float64)
    return logits[:, -1] - logits[:, 0] if logits.shape[1] == 2 else logits[:, 0]


def _margin(logits: Tensor) -> Tensor:
    return logits[:, 1] - logits[:, 0] if logits.shape[1] == 2 else logits[:, 0]


def _relevance(targets: Sequence[Any]) -> Floats:
    return np.array([target[0] for target in targets], dtype=np.float64)


def _groups(targets: Sequence[Any], relevance: Floats) -> list[NDArray[np.int64]]:
    return groups_of([target[1] for target in targets], relevance)
