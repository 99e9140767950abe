"""Extractive question answering: the span of a context that answers a question."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from compress.data.batch import Tokens
from compress.data.classes import few_rows
from compress.data.dataset import Dataset, DataSettings
from compress.data.rows import Record, Rows
from compress.tasks import heads, losses
from compress.tasks.classes import ClassCost
from compress.tasks.gold_answers import cell_of, golds_of, kind_of
from compress.tasks.question_scores import best_guess, exact_rows, f1_rows, kind_costs
from compress.tasks.question_targets import doubts, target_of, wanted
from compress.tasks.shares import log_softmax, with_sampling_error
from compress.tasks.span_logits import Logits, answers_in, divergences, of_batch, of_known, span_of
from compress.tasks.token_classification import TokenClassification
from profiles.class_retention import worst_class_interval
from profiles.measurement import Figures, Provenance, computed_once
from profiles.paired import metric_interval, paired_retention
from profiles.scores import RowScores
from profiles.statistics import Sum
from runtimes.errors import DataError, UnsupportedError
from runtimes.question_windows import KEYS, Windows, asked_of, encoded_windows

if TYPE_CHECKING:
    from tokenizers import Tokenizer
    from torch import Generator, Tensor

    from compress.data.batch import Batch

START, END = "start", "end"
"""The names of a model's two outputs, which each token has."""

_EXPLANATION = "compress.explain.answers:explain"
_DEFAULTS = DataSettings(train=())


class QuestionAnswering(TokenClassification):
    """Find the span of a context that answers a question.

    An input is {"question": ..., "context": ...}. A target is {"context", "answers", "first",
    "last", "kind"}: the right answers, and the pieces of the first one, None where the context does
    not have it. An answer is the start and end logits of the context's pieces, (pieces, 2).
    """

    name: ClassVar[str] = "question-answering"
    pairs: ClassVar[bool] = True
    metric: ClassVar[str] = "f1"
    worst_metric: ClassVar[str] = "worst_question_retention"
    score_name: ClassVar[str] = "answer F1"
    outputs_called: ClassVar[str] = ""
    explained_by: ClassVar[Mapping[str, str]] = dict.fromkeys(
        ("f1", "exact_match", "worst_question"), _EXPLANATION
    )

    def input_columns(self, settings: DataSettings) -> tuple[str, ...]:
        """Return the columns of question and context, by default of these names."""
        return (
            _named(settings.text, _DEFAULTS.text, KEYS[0]),
            _named(settings.text_pair, _DEFAULTS.text_pair, KEYS[1]),
        )

    def target_columns(self, settings: DataSettings) -> tuple[str, ...]:
        """Return the column of the right answers, by default `answers`."""
        return (_named(settings.label, _DEFAULTS.label, "answers"),)

    def cell(self, value: Any, place: str) -> Any:
        """Return a text, or right answers [text, start]."""
        return cell_of(value, place)

    def input(self, cells: Sequence[Any]) -> dict[str, str]:
        """Return question and context by their keys."""
        return dict(zip(KEYS, map(str, cells), strict=True))

    def target(self, cells: Sequence[Any]) -> list[list[Any]]:
        """Return the right answers as [text, start]."""
        return golds_of(cells[0], "an answer")

    def check(self, train: Sequence[Record], settings: DataSettings) -> None:
        """Raise DataError where no context has its answer."""
        if not any(target_of(row)["first"] is not None for row in train):
            raise DataError(
                f"no context of train has its answer, such as {train[0].target[0][0][:60]!r}",
                expected=f"answers in column {self.target_columns(settings)[0]!r} that are parts of"
                f" the texts in column {self.input_columns(settings)[1]!r}",
                action="name the columns: text of the question, text_pair of the context, label",
            )

    def stratum(self, record: Record) -> str:
        """Return what the question asks for."""
        return kind_of(record.input[KEYS[0]])

    def labels(self, train: Sequence[Record]) -> tuple[str, ...]:
        """Return the names of both outputs."""
        return (START, END)

    def rows(self, split: str, records: Sequence[Record], labels: tuple[str, ...]) -> Rows:
        """Return questions with contexts, and the places of their answers."""
        for record in records:
            asked_of(record.input)
        return Rows(tuple(row.input for row in records), tuple(map(target_of, records)))

    def weaknesses(
        self, train: Sequence[Record], validation: Sequence[Record], test: Sequence[Record]
    ) -> list[str]:
        """Warn of answers that are not in their context, or at several places, and small splits."""
        found = doubts(train, validation=validation, test=test)
        return [*found, *few_rows(validation, test)]

    def aligned(self, data: Dataset, labels: tuple[str, ...]) -> Dataset:
        """Return the data with the names of the head's outputs."""
        return dataclasses.replace(data, labels=labels)

    def auto_class(self) -> Any:
        """Return AutoModelForQuestionAnswering."""
        from transformers import AutoModelForQuestionAnswering

        return AutoModelForQuestionAnswering

    def head_labels(
        self, folder: Path, config: Mapping[str, Any], shapes: heads.Shapes
    ) -> tuple[str, ...]:
        """Return the names of both outputs; () for a folder without a head of this task."""
        if not heads.has_head(config, shapes, "ForQuestionAnswering"):
            return ()
        outputs = heads.head_outputs(folder, config, shapes)
        if len(outputs) != 2:
            raise UnsupportedError(
                f"{folder}: a head for questions with {len(outputs)} outputs",
                expected="two: each token's start and end logit",
                action="fine-tune a pretrained model for question-answering",
            )
        return (START, END)

    def text(self, value: Any) -> tuple[str, str]:
        """Return question and context, which a tokenizer reads as a pair."""
        return asked_of(value)

    def encode(self, tokenizer: Tokenizer, inputs: Sequence[Any]) -> list[Tokens]:
        """Return the windows of each row, and where its pieces begin and end: starts, then ends.

        The tokenizer truncates (runtimes.tokenizing.load_tokenizer) and does so again afterwards.
        """
        known = tokenizer.truncation
        assert known is not None
        tokenizer.no_truncation()
        try:
            made = list(encoded_windows(tokenizer, inputs, known["max_length"]))
        finally:
            tokenizer.enable_truncation(**known)
        return [_tokens(one) for one in made]

    def weights(
        self, targets: Sequence[Any], labels: tuple[str, ...], balance: str
    ) -> Tensor | None:
        """Return None: questions weigh the same."""
        return None

    def hard_loss(
        self, output: Any, batch: Batch, targets: Sequence[Any], weights: Tensor | None = None
    ) -> Tensor:
        """Return the mean cross-entropy of the first and the last piece of the answers."""
        import torch.nn.functional as F  # noqa: N812

        logits, places = of_batch(output, batch), wanted(targets)
        numbers = _tensor(places, logits)
        total = F.cross_entropy(logits, numbers, ignore_index=losses.UNLABELED, reduction="sum")
        return total / max(int((places != losses.UNLABELED).sum()), 1)

    def own_loss(
        self, output: Any, batch: Batch, temperature: float, generator: Generator
    ) -> Tensor:
        """Return the cross-entropy of starts and ends drawn from the model's own probabilities."""
        return losses.drawn_loss(of_batch(output, batch), temperature, generator)

    def soft_loss(self, output: Any, batch: Batch, known: Logits, temperature: float) -> Tensor:
        """Return the mean T²·KL of each row's start and end from the teacher's, (rows,)."""
        logits = of_batch(output, batch)
        each = losses.soft_target_loss(logits, of_known(known, logits), temperature)
        return each.reshape(-1, 2).mean(dim=1)

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
        """Return the mean over starts and ends of α·T²·KL + (1−α)·CE, T²·KL without a place."""
        logits = of_batch(output, batch)
        return losses.distillation_loss(
            logits,
            of_known(known, logits),
            _tensor(wanted(targets), logits),
            temperature=temperature,
            alpha=alpha,
        )

    def answers(self, output: Any, batch: Batch) -> Logits:
        """Return the start and end logits of each row's pieces."""
        return answers_in(output, batch)

    def evaluate(
        self, answers: Logits, targets: Sequence[Any], labels: tuple[str, ...]
    ) -> tuple[float, float]:
        """Return F1 and the mean cross-entropy of the answers that their context has."""
        pairs = wanted(targets).reshape(-1, 2)
        costs = [
            -float(log_softmax(column[None])[0, place])
            for answer, places in zip(answers, pairs, strict=True)
            for column, place in zip(answer.T, places, strict=True)
            if place != losses.UNLABELED
        ]
        return self.score(answers, targets, labels).metric, float(np.mean(costs or [0.0]))

    def score(self, answers: Logits, targets: Sequence[Any], labels: tuple[str, ...]) -> RowScores:
        """Return each question's F1 over words, as SQuAD's script computes it."""
        return f1_rows(answers, targets)

    def chance(self, targets: Sequence[Any], labels: tuple[str, ...]) -> float:
        """Return the F1 of spans drawn at random, or of the whole context, plus its error."""
        return with_sampling_error(best_guess(targets), len(targets))

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
        """Return F1 and exact match and, with a reference, what is kept of its F1.

        Raises DataError for a reference that is right nowhere.
        """
        mine = f1_rows(answers, targets)
        sums: dict[str, Sum] = {
            name: functools.partial(metric_interval, scores, seed=seed)
            for name, scores in (("f1", mine), ("exact_match", exact_rows(answers, targets)))
        }
        if reference is not None:
            beside = f1_rows(reference, targets)
            if not beside.value.any():
                raise DataError(
                    "the reference answers no question",
                    expected="at least one word of one answer",
                    action="check the reference and the rows' answers",
                )
            costs = kind_costs(answers, reference, targets)
            kinds = {cost.counts.index: cost.label for cost in costs}
            names = [kinds.get(place, "") for place in range(max(kinds) + 1)]
            counts = [cost.counts for cost in costs]
            sums["f1_retention"] = lambda c: paired_retention(mine, beside, c, seed)
            sums["worst_question_retention"] = lambda c: worst_class_interval(counts, names, c)
        return Figures(computed_once(sums), source or Provenance())

    def divergence(self, known: Logits, answers: Logits) -> NDArray[np.float64]:
        """Return the mean KL divergence of each row's start and end, in nats."""
        return divergences(known, answers)

    def agrees(self, known: Logits, answers: Logits) -> NDArray[np.bool_]:
        """Tell for each row whether both answers choose the same span."""
        pairs = zip(known, answers, strict=True)
        return np.array([span_of(one) == span_of(other) for one, other in pairs], dtype=bool)

    def class_costs(
        self, answers: Logits, reference: Logits, targets: Sequence[Any], labels: tuple[str, ...]
    ) -> tuple[ClassCost, ...]:
        """Return the kinds of questions, the one that keeps least of its exact answers first."""
        return kind_costs(answers, reference, targets)


def _tokens(made: Windows) -> Tokens:
    places = np.array([*made.starts, *made.ends], dtype=np.int64)
    ids, types = zip(*made.windows, strict=True)
    return Tokens(ids, places, types)


def _named(column: str, default: str, own: str) -> str:
    """Return the column of a recipe; the task's own name where the recipe names none."""
    return own if column == default else column


def _tensor(numbers: NDArray[np.int64], like: Tensor) -> Tensor:
    import torch

    return torch.from_numpy(numbers).to(like.device)
