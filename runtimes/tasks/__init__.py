"""The device half of a task: a row becomes a model's feeds, its outputs become an answer."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Protocol

from runtimes.registry import Registry

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np
    from numpy.typing import NDArray

    from runtimes.manifest import Manifest
    from runtimes.runtime import Feeds, Outputs

TASKS = Registry(
    "device task",
    {"text-classification": "runtimes.tasks.text_classification:TextClassification"},
    group="edgepress.device_tasks",
)


class DeviceTask(Protocol):
    """Turn one row, a JSON value, into a model's inputs, and its outputs into an answer.

    `packages` must be importable; `files` are the files that it reads from a model's folder. A
    module that holds a task imports only the standard library, numpy and `runtimes` at its top: it
    is copied into bundles.
    """

    name: ClassVar[str]
    packages: ClassVar[tuple[str, ...]]
    files: ClassVar[tuple[str, ...]]

    def __init__(self, folder: Path, manifest: Manifest, inputs: Sequence[str]) -> None:
        """Read what the task needs from a model's folder; `inputs` are the model's own.

        Raises ArtifactError on a missing or damaged file, UnsupportedError for an input that the
        task does not provide.
        """

    def feeds(self, row: Any) -> Feeds:
        """Return the model's inputs for one row: a batch of this row alone."""

    def batch(self, rows: Sequence[Feeds]) -> Feeds:
        """Stack the feeds of several rows, padded where they differ, for throughput."""

    def answer(self, outputs: Outputs) -> NDArray[np.float32]:
        """Return the answer to one row that ran alone.

        Raises AnswerError for an output of another shape. Whether its numbers are finite is checked
        for every task (runtimes/soundness.py).
        """

    def shown(self, answer: NDArray[np.float32], row: Any, top: int) -> dict[str, Any]:
        """Return an answer as JSON values to print; `top` limits a ranking, 0 for none."""

    def line(self, shown: dict[str, Any]) -> str:
        """Return an answer as text to print: columns separated by tabs."""
