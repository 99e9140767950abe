"""The device half of a task: a row becomes a model's feeds, its outputs become an answer."""

from __future__ import annotations

from runtimes.lean_typing import TYPE_CHECKING, NamedTuple, Protocol
from runtimes.registry import Registry
from runtimes.texts import TEXT

if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any, ClassVar

    from _typeshed import StrPath

    from runtimes.manifest import Manifest
    from runtimes.runtime import Feeds, Outputs

    Answer = Sequence[Any]
    """Numbers, in lists as deep as the answer has dimensions; each has a value of float32."""

TASKS = Registry(
    "device task",
    {
        "feature-extraction": "runtimes.tasks.feature_extraction:FeatureExtraction",
        "multi-label-classification": (
            "runtimes.tasks.multi_label_classification:MultiLabelClassification"
        ),
        "question-answering": "runtimes.tasks.question_answering:QuestionAnswering",
        "text-classification": "runtimes.tasks.text_classification:TextClassification",
        "text-pair-classification": (
            "runtimes.tasks.text_pair_classification:TextPairClassification"
        ),
        "text-ranking": "runtimes.tasks.text_ranking:TextRanking",
        "text-regression": "runtimes.tasks.text_regression:TextRegression",
        "token-classification": "runtimes.tasks.token_classification:TokenClassification",
    },
    group="edgepress.device_tasks",
)


class Needs(NamedTuple):
    """Hold the packages that must be importable, and the files that are read from the folder."""

    packages: tuple[str, ...]
    files: tuple[str, ...]


class DeviceTask(Protocol):
    """Turn one row, a JSON value, into a model's inputs, and its outputs into an answer.

    `packages` must be importable; the task imports them when it needs them. `files` are the files
    that it reads from a model's folder; an attribute `optional_files` may name more, which it reads
    where the manifest lists them. An attribute `keys` names the texts of a row: with several, a row
    is an object of them, with one or without the attribute a row is the value itself. A module
    that holds a task imports only the standard library and `runtimes` at its top: it is copied into
    bundles. One row needs no numpy, whose import takes longer than many a model's start; `batch`
    may use it.
    """

    name: ClassVar[str]
    packages: ClassVar[tuple[str, ...]]
    files: ClassVar[tuple[str, ...]]

    def __init__(self, folder: StrPath, manifest: Manifest, inputs: Sequence[str]) -> None:
        """Read what the task needs from a model's folder; `inputs` are the model's own.

        A package's start gives a str, which saves the import of pathlib; others give a Path.

        Raises ArtifactError on a missing or damaged file, UnsupportedError for an input that the
        task does not provide.
        """

    def feeds(self, row: Any) -> Feeds:
        """Return the model's inputs for one row: a batch of this row alone."""

    def batch(self, rows: Sequence[Feeds]) -> Feeds:
        """Stack the feeds of several rows, padded where they differ, for throughput."""

    def answer(self, outputs: Outputs, feeds: Feeds) -> Answer:
        """Return the answer to one row that ran alone; `feeds` is what `feeds` returned for it.

        A task may return a subclass of dict there, with what reading the answer needs. Raises
        AnswerError for an output of another shape. Whether its numbers are finite is checked for
        every task (runtimes/soundness.py).
        """

    def shown(self, answer: Answer, row: Any, top: int) -> dict[str, Any]:
        """Return an answer as JSON values to print; `top` limits a ranking, 0 for none."""

    def line(self, shown: dict[str, Any]) -> str:
        """Return an answer as text to print: columns separated by tabs."""


def keys_of(task: DeviceTask) -> tuple[str, ...]:
    """Return the keys of a task's rows; a row of one key is its value."""
    keys: tuple[str, ...] = getattr(task, "keys", (TEXT,))
    return keys


def needs_of(task: type[DeviceTask], inputs: Sequence[str]) -> Needs:
    """Return what a task needs for a model with these inputs: nothing, where that reads the text.

    Without inputs, what the task needs at most.
    """
    return Needs((), ()) if tuple(inputs) == (TEXT,) else Needs(task.packages, task.files)
