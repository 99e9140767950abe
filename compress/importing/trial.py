"""Run a row through an imported model before it becomes an artifact."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from compress.tasks import task_of
from runtimes.errors import BackendError, EdgepressError, UnsupportedError, first_line
from runtimes.manifest import Manifest
from runtimes.predict import load_task, make_task
from runtimes.request_body import row_like
from runtimes.runtime import Opened, TensorSpec
from runtimes.tasks import DeviceTask

_TEXT = "hello"
_LOGITS = "logits"
_SPANS = ("start_logits", "end_logits")
"""The outputs of a model that answers questions, as transformers and optimum name them."""


@dataclass(frozen=True, slots=True)
class Trial:
    """Hold an opened model, and the device half of its task for the model's folder."""

    opened: Opened
    task: DeviceTask

    @classmethod
    def of(cls, opened: Opened, manifest: Manifest, folder: Path) -> Trial:
        """Check a model's inputs and make its task; raise UnsupportedError when they do not fit."""
        check_inputs(opened.inputs)
        return cls(opened, make_task(load_task(manifest), folder, manifest, opened))

    def outputs(self) -> tuple[TensorSpec, NDArray[Any]]:
        """Run a short row; return the output of the logits, and its values.

        Raises UnsupportedError for an output that is not of the task's shape, from 2 labels on; a
        task may fix their number.
        """
        outputs = self._run(_TEXT)
        if set(_SPANS) <= set(outputs):
            raise UnsupportedError(
                f"the model returns {' and '.join(_SPANS)} apart",
                expected=f"one output {_LOGITS!r} (batch, tokens, 2) with both",
                action="export its torch folder instead, by `edgepress export`",
            )
        known = {spec.name: spec for spec in self.opened.outputs}
        name = _LOGITS if _LOGITS in outputs else next(iter(outputs))
        logits = np.asarray(outputs[name])
        expected = (1, *answer_shape(self.task.name, ())[1:])
        sizes = zip(logits.shape, expected, strict=False)
        fits = all(seen == size for seen, size in sizes if isinstance(size, int))
        few = isinstance(expected[-1], str) and logits.shape[-1] < 2
        if logits.ndim != len(expected) or not fits or few:
            raise UnsupportedError(
                f"the output {name!r} of one text has the shape {logits.shape}",
                expected=f"logits of the shape ({', '.join(map(str, expected))})"
                + (", from 2 labels on" if isinstance(expected[-1], str) else ""),
                available=", ".join(f"{spec.name} {spec.shape}" for spec in self.opened.outputs),
                action="export the model with its classification head, or name its task:"
                f" --task (it is {self.task.name})",
            )
        if not np.isfinite(logits).all():
            raise UnsupportedError(
                f"the output {name!r} of one text is not finite",
                expected="numbers: the model may have overflowed in fp16",
                action="export it again in fp32",
            )
        return known[name], logits

    def run_longest(self, max_length: int) -> None:
        """Run a row with the maximum number of tokens.

        Raises UnsupportedError when the model takes fewer.
        """
        try:
            self._run(f"{_TEXT} " * max_length)
        except BackendError as error:
            raise UnsupportedError(
                f"the model fails on a text of {max_length} tokens ({first_line(error)})",
                expected="a model that takes as many tokens as its files say",
                action="give what it takes: --max-length N",
            ) from error

    def _run(self, text: str) -> Any:
        """Run a row that has this text under each of the task's keys."""
        try:
            return self.opened.run(self.task.feeds(row_like(self.task, text)))
        except EdgepressError:
            raise
        except Exception as error:  # a task whose rows are no texts raises what it likes
            raise UnsupportedError(
                f"the task {self.task.name!r} does not take a text ({first_line(error)})",
                expected="a task whose rows are texts",
                action="import it as another task: --task",
            ) from error


def check_inputs(inputs: Sequence[TensorSpec]) -> None:
    """Raise UnsupportedError for inputs that cannot take a row at its own length."""
    for spec in inputs:
        if spec.dtype != "int64" or len(spec.shape) != 2:
            raise UnsupportedError(
                f"the input {spec.name!r} takes {spec.dtype} of the shape {spec.shape}",
                expected="token ids: int64 or int32 of the shape (batch, tokens)",
                action="export the model again, with its token ids as input",
            )
        batch, tokens = spec.shape
        if isinstance(tokens, int) or batch not in (1, batch if isinstance(batch, str) else 1):
            raise UnsupportedError(
                f"the input {spec.name!r} has the fixed shape {spec.shape}",
                expected="a free number of tokens: every text runs at its own length, unpadded",
                action="export it with dynamic axes: the default of optimum and of Olive; for"
                " OpenVINO, model.reshape([-1, -1]) before save_model",
            )


def answer_shape(task: str, labels: tuple[str, ...]) -> tuple[int | str, ...]:
    """Return the shape of the logits that a task reads, with names where sizes are free."""
    return task_of(task).outputs(labels)[0].shape


def looks_normalized(logits: NDArray[Any]) -> bool:
    """Tell whether an output, (..., labels), looks like probabilities instead of logits."""
    return bool((logits >= 0).all() and np.abs(logits.sum(axis=-1) - 1.0).max() < 1e-3)
