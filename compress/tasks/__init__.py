"""Tasks on the host: rows, training, and quality, one module a task."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Protocol

import numpy as np
from numpy.typing import NDArray

from compress.data.rows import RowTask
from profiles.measurement import Figures, Provenance
from profiles.scores import RowScores
from runtimes.errors import UnknownNameError, UnsupportedError
from runtimes.registry import Registry
from runtimes.runtime import TensorSpec

if TYPE_CHECKING:
    from tokenizers import Tokenizer
    from torch import Generator, Tensor

    from compress.data.batch import Batch, Tokens
    from compress.data.dataset import Dataset
    from compress.tasks.classes import ClassCost

Answer = NDArray[np.float32]
"""A model's answer to one row, in the task's shape."""

TASKS = Registry(
    "task",
    {
        "feature-extraction": "compress.tasks.feature_extraction:FeatureExtraction",
        "multi-label-classification": (
            "compress.tasks.multi_label_classification:MultiLabelClassification"
        ),
        "question-answering": "compress.tasks.question_answering:QuestionAnswering",
        "text-classification": "compress.tasks.text_classification:TextClassification",
        "text-pair-classification": (
            "compress.tasks.text_pair_classification:TextPairClassification"
        ),
        "text-ranking": "compress.tasks.text_ranking:TextRanking",
        "text-regression": "compress.tasks.text_regression:TextRegression",
        "token-classification": "compress.tasks.token_classification:TokenClassification",
    },
    group="edgepress.tasks",
)


SYNONYMS = {
    "sentence-similarity": "feature-extraction",
    "sentence-embeddings": "feature-extraction",
    "sequence-classification": "text-classification",
    "sentiment-analysis": "text-classification",
    "zero-shot-classification": "text-classification",
    "ner": "token-classification",
    "named-entity-recognition": "token-classification",
    "slot-filling": "token-classification",
    "multi-label": "multi-label-classification",
    "multi_label_classification": "multi-label-classification",
    "regression": "text-regression",
    **dict.fromkeys(
        ("nli", "natural-language-inference", "sentence-pair-classification", "paraphrase"),
        "text-pair-classification",
    ),
    "extractive-qa": "question-answering",
    "squad": "question-answering",
    **dict.fromkeys(("reranking", "rerank", "text-reranking", "cross-encoder"), "text-ranking"),
}
"""Other names that model cards and transformers have for a task."""

DEFAULT_TASK = "text-classification"
"""The task of a folder whose manifest names none."""


class Task(RowTask, Protocol):
    """Define how rows are read, how a head is trained and how answers are scored: the host half.

    The device half (`runtimes/tasks`) turns a row into a model's inputs, and its outputs into an
    answer. `labels` are the names of a model's outputs, such as classes.

    `pairs` tells whether an input is two texts, which a model reads as one sequence.
    `reads_first_token` tells whether the head reads the last states of the first token alone.
    `windowed` tells whether it reads a long text to its end, in windows.
    `metric` is the name of its score in budgets and figures (with `_retention` and `_vs_baseline`
    for what is kept of another model's), `worst_metric` that of the retention of the class that
    keeps least, `score_name` what people call the score in reports.
    `explained_by` maps a metric, by its prefix, to the `"module:function"` that explains it
    (compress/explain/explain.py). Some attributes may be left out: `refuses` says by a stage's kind
    why the task has no use for it and what to do, `vectors` that its answers are vectors that may
    be cut, `learns_unlabeled` that training rows need no targets. `outputs_called` names a model's
    outputs where they are no classes, "" where their number says nothing, and `divergence_called`
    what `divergence` returns where that is no KL divergence.
    """

    name: ClassVar[str]
    pairs: ClassVar[bool]
    reads_first_token: ClassVar[bool]
    windowed: ClassVar[bool]
    metric: ClassVar[str]
    worst_metric: ClassVar[str]
    score_name: ClassVar[str]
    explained_by: ClassVar[Mapping[str, str]]

    # A model's head

    def aligned(self, data: Dataset, labels: tuple[str, ...]) -> Dataset:
        """Return the data for a trained head; raise DataError when it was made for other data."""

    def auto_class(self) -> Any:
        """Return the transformers class that loads a model with its head."""

    def head_labels(
        self,
        folder: Path,
        config: Mapping[str, Any],
        shapes: Mapping[str, tuple[int, ...]],
    ) -> tuple[str, ...]:
        """Return the labels of a folder's trained head, () when it has no head of this task.

        `config` is config.json, `shapes` are those of the weights. Raises a subclass of
        EdgepressError for a head that cannot be used.
        """

    def configure(self, config: Any, labels: tuple[str, ...]) -> None:
        """Set the fields that a new head for these labels needs in a transformers configuration."""

    def outputs(self, labels: tuple[str, ...]) -> tuple[TensorSpec, ...]:
        """Return the names and shapes of the tensors that a model of this task returns."""

    # Learning

    def text(self, value: Any) -> str | tuple[str, str]:
        """Return the text of an input, or both of a pair, as a tokenizer reads it."""

    def encode(self, tokenizer: Tokenizer, inputs: Sequence[Any]) -> list[Tokens]:
        """Return the token ids of each input, with special tokens."""

    def learner(self, model: Any, targets: Sequence[Any]) -> Task:
        """Return the task as it trains a torch model on these targets; it readies the head.

        A task whose losses do not depend on all targets returns itself.
        """

    def settle(
        self, model: Any, answers: Callable[[], Sequence[Answer]], targets: Sequence[Any]
    ) -> None:
        """Finish the head of a model that `learner` trained, in place.

        `answers` returns its answers to the validation rows, `targets` are theirs.
        """

    def weights(
        self, targets: Sequence[Any], labels: tuple[str, ...], balance: str
    ) -> Tensor | None:
        """Return `hard_loss`'s weights of targets; `balance` is "auto", "balanced" or "none"."""

    def hard_loss(
        self, output: Any, batch: Batch, targets: Sequence[Any], weights: Tensor | None = None
    ) -> Tensor:
        """Return the scalar loss of a torch model's output against the batch's targets."""

    def own_loss(
        self, output: Any, batch: Batch, temperature: float, generator: Generator
    ) -> Tensor:
        """Return the scalar loss, summed over rows, against targets drawn from the output itself.

        Both are softened by the temperature. Over many draws the mean gradient is 0; its square
        measures how much the answers depend on a weight (compress/prune/importance.py).
        """

    def soft_loss(
        self, output: Any, batch: Batch, known: Sequence[Answer], temperature: float
    ) -> Tensor:
        """Return each row's loss against a teacher's answers, shape (rows,); 0 where equal."""

    def distillation_loss(
        self,
        output: Any,
        batch: Batch,
        known: Sequence[Answer],
        targets: Sequence[Any],
        *,
        temperature: float,
        alpha: float,
    ) -> Tensor:
        """Return the mean of alpha · soft + (1 − alpha) · hard loss; soft alone for target None."""

    def answers(self, output: Any, batch: Batch) -> Sequence[Answer]:
        """Return the answers in a torch model's output, one for each row of a batch."""

    def evaluate(
        self, answers: Sequence[Answer], targets: Sequence[Any], labels: tuple[str, ...]
    ) -> tuple[float, float]:
        """Return the score (more is better) and the loss that select the best epoch."""

    # Judging

    def score(
        self, answers: Sequence[Answer], targets: Sequence[Any], labels: tuple[str, ...]
    ) -> RowScores:
        """Return each row's score; `metric` in budgets and reports is theirs."""

    def chance(self, targets: Sequence[Any], labels: tuple[str, ...]) -> float:
        """Return the highest score that guessing reaches, at 95 % confidence."""

    def figures(
        self,
        answers: Sequence[Answer],
        targets: Sequence[Any],
        labels: tuple[str, ...],
        reference: Sequence[Answer] | None = None,
        *,
        seed: int = 7,
        source: Provenance | None = None,
    ) -> Figures:
        """Return every quality metric; relative ones only with a reference's answers."""

    def divergence(self, known: Sequence[Answer], answers: Sequence[Answer]) -> NDArray[np.float64]:
        """Return each answer's divergence from the known one, shape (rows,); 0 where equal."""

    def agrees(self, known: Sequence[Answer], answers: Sequence[Answer]) -> NDArray[np.bool_]:
        """Tell for each row whether both answers decide the same."""

    def class_costs(
        self,
        answers: Sequence[Answer],
        reference: Sequence[Answer],
        targets: Sequence[Any],
        labels: tuple[str, ...],
    ) -> tuple[ClassCost, ...]:
        """Return what each class keeps of the reference's score; () for a task without classes."""


def task_of(name: str) -> Task:
    """Return the host half of a task; raise UnknownNameError for an unknown task."""
    task: Task = TASKS.resolve(name)()
    return task


def canonical_task(name: str) -> str:
    """Return the canonical name of a task; synonyms such as "sequence-classification" are allowed.

    Raises UnknownNameError when edgepress has no such task.
    """
    canonical = SYNONYMS.get(name, name)
    if canonical not in TASKS:
        raise UnknownNameError("task", name, TASKS.names())
    return canonical


def own_metrics(task: Task) -> dict[str, str]:
    """Return what the metrics that every profile may name are called for a task's own score.

    "accuracy" is then the task's score, and "worst_class_retention" the retention of its worst
    class. Those with the same name are left out.
    """
    names = {
        "accuracy": task.metric,
        "accuracy_retention": f"{task.metric}_retention",
        "accuracy_vs_baseline": f"{task.metric}_vs_baseline",
        "worst_class_retention": task.worst_metric,
    }
    return {general: own for general, own in names.items() if general != own}


def require_stage(task: str, kind: str) -> None:
    """Raise UnsupportedError for a stage that the task has no use for."""
    why = getattr(task_of(task), "refuses", {}).get(kind)
    if why is not None:
        raise UnsupportedError(
            f"{kind} for {task}: {why[0]}", expected="the other stages", action=why[1]
        )


def counted_outputs(task: str, count: int) -> str:
    """Return how many classes, or other outputs, a model has; "" where that says nothing."""
    called = getattr(task_of(task), "outputs_called", "classes")
    return f"{count} {called}" if called else ""


KL = "KL"


def divergence_of(task: Task) -> str:
    """Return the name of what a task's `divergence` returns."""
    return str(getattr(task, "divergence_called", KL))


def has_vectors(task: str) -> bool:
    """Tell whether a task's answers are vectors that may be cut."""
    return bool(getattr(task_of(task), "vectors", False))


def require_same_outputs(task: str, labels: Sequence[str], reference: Sequence[str]) -> None:
    """Raise UnsupportedError for a reference with other classes than a model's.

    A vector may be shorter than its reference's: each is compared with vectors of the same model.
    """
    if tuple(labels) != tuple(reference) and not has_vectors(task):
        raise UnsupportedError(
            f"the reference's {len(reference)} classes are not the model's {len(labels)}, in the"
            " same order",
            expected="the teacher that the model was made from",
            action="give that teacher as the reference",
        )


def require_vectors(task: str, what: str) -> None:
    """Raise UnsupportedError for a task whose answers are not vectors that may be cut."""
    if not has_vectors(task):
        raise UnsupportedError(
            f"{what} for {task}: its answers are no vectors",
            expected="a task whose answers are vectors: feature-extraction",
            action="leave it out",
        )


def require_one_token(task: str, what: str) -> None:
    """Raise UnsupportedError for a task whose last layer computes every token.

    `what` stores or trains the weights that are multiplied with a text's first token alone.
    """
    if not task_of(task).reads_first_token:
        raise UnsupportedError(
            f"{what} for {task}: no weights of it are multiplied with one token alone",
            expected="a task that reads a text's first token, such as text-classification",
            action="leave it out",
        )
