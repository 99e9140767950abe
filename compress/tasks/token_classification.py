"""Token classification: a label for each word of a text, which tell its entities."""

from __future__ import annotations

import functools
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from compress.data.batch import Tokens
from compress.data.classes import check_known, few_rows
from compress.data.dataset import Dataset, DataSettings
from compress.data.rows import Record, Rows
from compress.tasks import heads, losses
from compress.tasks.classes import ClassCost
from compress.tasks.entity_scores import Found, Logits, decided, type_costs
from compress.tasks.shares import log_softmax, with_sampling_error
from compress.tasks.tag_cells import cell_of
from compress.tasks.tags import Numbers, Tagged, bio_labels, tagged, types_of
from profiles.class_retention import worst_class_interval
from profiles.measurement import Figures, Provenance, computed_once
from profiles.paired import metric_interval, paired_retention
from profiles.scores import RowScores
from profiles.statistics import Sum
from runtimes.errors import DataError
from runtimes.runtime import TensorSpec
from runtimes.words import overlapping, windows_of, words_of

if TYPE_CHECKING:
    from tokenizers import Tokenizer
    from torch import Generator, Tensor

    from compress.data.batch import Batch
    from compress.tasks import Task

_EXPLANATION = "compress.explain.entities:explain"

_FEW_ENTITIES = 20
_MOST_TYPES = 1_000
"""More types of entities than any model for a device has; an id column has more."""


class TokenClassification:
    """Find the entities of a text.

    An input is a list of words or a text, a target the number of each word's label, an answer the
    logits of each word, (words, labels).
    """

    name: ClassVar[str] = "token-classification"
    pairs: ClassVar[bool] = False
    reads_first_token: ClassVar[bool] = False
    windowed: ClassVar[bool] = True
    metric: ClassVar[str] = "f1"
    worst_metric: ClassVar[str] = "worst_type_recall_retention"
    score_name: ClassVar[str] = "entity F1"
    explained_by: ClassVar[Mapping[str, str]] = {
        "f1": _EXPLANATION,
        "precision": _EXPLANATION,
        "recall": _EXPLANATION,
        "worst_type": _EXPLANATION,
    }

    def input_columns(self, settings: DataSettings) -> tuple[str, ...]:
        """Return the column of the words, or of the text."""
        return (settings.text,)

    def target_columns(self, settings: DataSettings) -> tuple[str, ...]:
        """Return the column of the tags, or of the spans."""
        return (settings.label,)

    def cell(self, value: Any, place: str) -> Any:
        """Return a text, or a list of words, tags or spans (start, end, type)."""
        return cell_of(value, place)

    def input(self, cells: Sequence[Any]) -> Any:
        """Return the words as a list, or the text."""
        return cells[0] if isinstance(cells[0], str) else list(cells[0])

    def target(self, cells: Sequence[Any]) -> Any:
        """Return the tags or the spans as they were read."""
        return cells[0] if isinstance(cells[0], str) else list(cells[0])

    def check(self, train: Sequence[Record], settings: DataSettings) -> None:
        """Raise DataError for rows without any entity, tags that are numbers, or an id column."""
        types = types_of(map(tagged, train))
        if not types:
            raise DataError(
                "train has no entity: every tag is O",
                expected=f"tags such as B-type and I-type in column {settings.label!r}",
                action="add rows with entities, or name another column",
            )
        if all(name.isdigit() for name in types):
            raise DataError(
                f"the tags are numbers: {', '.join(types[:5])}",
                expected="their names, such as B-type and I-type",
                action="write the names of the tags in place of their numbers",
            )
        if len(types) > _MOST_TYPES:
            raise DataError(
                f"train has {len(types)} types of entities in column {settings.label!r}",
                expected=f"at most {_MOST_TYPES}",
                action="name the column that holds the tags",
            )

    def unit(self, target: Any) -> str | None:
        """Return None: each row is scored by itself."""
        return None

    def stratum(self, record: Record) -> str:
        """Return the first entity's type: every split gets its share of each."""
        found = tagged(record).entities
        return found[0].type if found else "O"

    def labels(self, train: Sequence[Record]) -> tuple[str, ...]:
        """Return O, and B and I of each type in sorted order."""
        return bio_labels(types_of(map(tagged, train)))

    def named(self, records: Sequence[Record], labels: tuple[str, ...]) -> Sequence[Record]:
        """Return the rows: their tags have names."""
        return records

    def rows(self, split: str, records: Sequence[Record], labels: tuple[str, ...]) -> Rows:
        """Return inputs and the words' label numbers; raise DataError for a strange type."""
        rows = [tagged(record) for record in records]
        numbers = Numbers(labels)
        _check_types(split, rows, numbers.types)
        return Rows(tuple(row.input for row in rows), tuple(numbers.of(row) for row in rows))

    def weaknesses(
        self, train: Sequence[Record], validation: Sequence[Record], test: Sequence[Record]
    ) -> list[str]:
        """Warn of tags that were mended, small splits and rare types."""
        splits = {"train": train, "validation": validation, "test": test}
        mended = {name: sum(tagged(row).mended for row in rows) for name, rows in splits.items()}
        counts = Counter(entity.type for row in train for entity in tagged(row).entities)
        rare = sorted(name for name, count in counts.items() if count < _FEW_ENTITIES)
        return [
            *(
                f"{name}: rows with tags that do not fit together, such as I- after O, or with"
                f" spans that end inside a word: {count}; they were mended"
                for name, count in mended.items()
                if count
            ),
            *few_rows(validation, test),
            *(
                [f"types with under {_FEW_ENTITIES} entities in train: {', '.join(rare[:5])}"]
                if rare
                else []
            ),
        ]

    def aligned(self, data: Dataset, labels: tuple[str, ...]) -> Dataset:
        """Return the data with its tags as the head numbers them; it may know further types."""
        if data.labels == labels:
            return data
        known, numbers = Numbers(data.labels), Numbers(labels)

        def renumbered(split: str, rows: Rows) -> Iterator[list[int]]:
            read = [
                Tagged(value, len(target), tuple(known.entities(target)), mended=False)
                for value, target in zip(rows.inputs, rows.targets, strict=True)
            ]
            _check_types(split, read, numbers.types)
            return map(numbers.of, read)

        return data.relabeled(labels, renumbered)

    def auto_class(self) -> Any:
        """Return AutoModelForTokenClassification."""
        from transformers import AutoModelForTokenClassification

        return AutoModelForTokenClassification

    def head_labels(
        self, folder: Path, config: Mapping[str, Any], shapes: heads.Shapes
    ) -> tuple[str, ...]:
        """Return the labels of a head that labels every token."""
        if not heads.has_head(config, shapes, "ForTokenClassification"):
            return ()
        return heads.head_outputs(folder, config, shapes)

    def configure(self, config: Any, labels: tuple[str, ...]) -> None:
        """Set the names of the labels."""
        heads.name_outputs(config, labels)

    def outputs(self, labels: tuple[str, ...]) -> tuple[TensorSpec, ...]:
        """Return the logits' name and shape, one logit for each token and label."""
        return (TensorSpec("logits", "float32", ("batch", "sequence", len(labels) or "labels")),)

    def text(self, value: Any) -> str | tuple[str, str]:
        """Return the text, or the words with a space between them."""
        return words_of(value)[0]

    def encode(self, tokenizer: Tokenizer, inputs: Sequence[Any]) -> list[Tokens]:
        """Return the windows of each row, and where each of its words is read."""
        overlapping(tokenizer)
        rows = []
        for value in inputs:
            encodings, places = windows_of(tokenizer, value)
            read = np.array(places, dtype=np.int64).reshape(-1, 2)
            rows.append(Tokens(tuple(one.ids for one in encodings), read))
        return rows

    def learner(self, model: Any, targets: Sequence[Any]) -> Task:
        """Return the task itself."""
        return self

    def settle(self, model: Any, answers: Callable[[], Logits], targets: Sequence[Any]) -> None:
        """Leave the head as it was trained."""

    def weights(
        self, targets: Sequence[Any], labels: tuple[str, ...], balance: str
    ) -> Tensor | None:
        """Return each label's weight where "balanced" asks for it: most words are O by nature."""
        if balance != "balanced":
            return None
        return losses.class_weights(list(_flat(targets)), len(labels), balance)

    def hard_loss(
        self, output: Any, batch: Batch, targets: Sequence[Any], weights: Tensor | None = None
    ) -> Tensor:
        """Return the mean cross-entropy of all words, weighted by label."""
        import torch.nn.functional as F  # noqa: N812

        logits = _of_words(output, batch)
        weight = None if weights is None else weights.to(logits.device)
        return F.cross_entropy(logits, _numbers(targets, logits), weight=weight)

    def own_loss(
        self, output: Any, batch: Batch, temperature: float, generator: Generator
    ) -> Tensor:
        """Return the cross-entropy of labels drawn from the model's own probabilities."""
        return losses.drawn_loss(_of_words(output, batch), temperature, generator)

    def soft_loss(self, output: Any, batch: Batch, known: Logits, temperature: float) -> Tensor:
        """Return the mean T²·KL of each row's words from the teacher's, (rows,)."""
        import torch

        logits = _of_words(output, batch)
        each = losses.soft_target_loss(logits, _joined(known, logits), temperature)
        parts = torch.split(each, [len(places) for places in batch.places])
        return torch.stack([part.mean() if len(part) else part.sum() for part in parts])

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
        """Return the mean over words of α·T²·KL + (1−α)·CE, and of T²·KL for target None."""
        logits = _of_words(output, batch)
        tags = [
            [losses.UNLABELED] * len(places) if target is None else target
            for places, target in zip(batch.places, targets, strict=True)
        ]
        return losses.distillation_loss(
            logits,
            _joined(known, logits),
            _numbers(tags, logits),
            temperature=temperature,
            alpha=alpha,
        )

    def answers(self, output: Any, batch: Batch) -> Logits:
        """Return the logits of each row's words."""
        logits = output.logits.float().cpu().numpy()
        return [logits[places[:, 0], places[:, 1]] for places in batch.places]

    def evaluate(
        self, answers: Logits, targets: Sequence[Any], labels: tuple[str, ...]
    ) -> tuple[float, float]:
        """Return entity F1 and the mean cross-entropy of all words."""
        log_shares = log_softmax(np.concatenate(answers))
        truth = np.fromiter(_flat(targets), dtype=np.int64)
        loss = -log_shares[np.arange(len(truth)), truth].mean()
        return self.score(answers, targets, labels).metric, float(loss)

    def score(self, answers: Logits, targets: Sequence[Any], labels: tuple[str, ...]) -> RowScores:
        """Return 2 TP of 2 TP + FP + FN for each row."""
        return Found.of(answers, targets, labels).f1

    def chance(self, targets: Sequence[Any], labels: tuple[str, ...]) -> float:
        """Return the F1 of calling every word an entity of the best type, plus its error."""
        numbers = Numbers(labels)
        found = [entity for target in targets for entity in numbers.entities(target)]
        single = Counter(entity.type for entity in found if entity.first == entity.last)
        best = max(single.values(), default=0)
        share = 2 * best / max(len(found) + sum(map(len, targets)), 1)
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
        """Return entity F1, precision and recall and, with a reference, what is kept of them.

        Raises DataError for a reference without a right entity.
        """
        mine = Found.of(answers, targets, labels)
        sums: dict[str, Sum] = {
            name: functools.partial(metric_interval, scores, seed=seed)
            for name, scores in (("f1", mine.f1), ("precision", mine.precision))
        }
        sums["recall"] = functools.partial(metric_interval, mine.recall, seed=seed)
        if reference is not None:
            beside = Found.of(reference, targets, labels).f1
            if not beside.value.any():
                raise DataError(
                    "the reference has no entity right",
                    expected="at least one",
                    action="check the reference and the rows' tags",
                )
            counts = [one.counts for one in type_costs(answers, reference, targets, labels)]
            types = Numbers(labels).types
            sums["f1_retention"] = lambda c: paired_retention(mine.f1, beside, c, seed)
            sums["worst_type_recall_retention"] = lambda c: worst_class_interval(counts, types, c)
        return Figures(computed_once(sums), source or Provenance())

    def divergence(self, known: Logits, answers: Logits) -> NDArray[np.float64]:
        """Return the mean KL divergence of each row's words, in nats."""
        return np.array([_divergence(*pair) for pair in zip(known, answers, strict=True)])

    def agrees(self, known: Logits, answers: Logits) -> NDArray[np.bool_]:
        """Tell for each row whether both answers give every word the same label."""
        pairs = zip(known, answers, strict=True)
        return np.array([decided(one) == decided(other) for one, other in pairs], dtype=bool)

    def class_costs(
        self, answers: Logits, reference: Logits, targets: Sequence[Any], labels: tuple[str, ...]
    ) -> tuple[ClassCost, ...]:
        """Return every type with entities, the one that keeps least of its recall first."""
        return type_costs(answers, reference, targets, labels)


def _check_types(split: str, rows: Sequence[Tagged], types: tuple[str, ...]) -> None:
    check_known(split, types_of(rows), types, "types of entities")


def _flat(targets: Sequence[Any]) -> Any:
    return (number for target in targets for number in target)


def _of_words(output: Any, batch: Batch) -> Tensor:
    """Return the logits of all words of a batch, (words, labels)."""
    import torch

    places = torch.from_numpy(np.concatenate(batch.places)).to(output.logits.device)
    logits: Tensor = output.logits[places[:, 0], places[:, 1]]
    return logits


def _numbers(targets: Sequence[Any], logits: Tensor) -> Tensor:
    import torch

    return torch.tensor(list(_flat(targets)), dtype=torch.long, device=logits.device)


def _joined(known: Logits, logits: Tensor) -> Tensor:
    """Return a teacher's logits of all words as a tensor on the student's device."""
    import torch

    return torch.from_numpy(np.concatenate(known)).to(logits.device)


def _divergence(known: NDArray[np.float32], answer: NDArray[np.float32]) -> float:
    before, after = log_softmax(known), log_softmax(answer)
    return float((np.exp(before) * (before - after)).sum(axis=1).mean())
