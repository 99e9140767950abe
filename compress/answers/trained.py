"""Answers of a torch model, in batches, as during training."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from compress.answers import Answers
from compress.progress import Advance
from compress.tasks import Task, task_of
from compress.training.batches import Encoded, encode
from runtimes.artifact import Artifact
from runtimes.soundness import require_sound

if TYPE_CHECKING:
    from torch import nn


def _silent(_units: int, _note: str) -> None:
    """Report nothing."""


@dataclass(frozen=True, slots=True)
class Inference:
    """Hold a loaded torch model and the rows, encoded for it."""

    network: nn.Module
    rows: Encoded
    task: Task

    @classmethod
    def of(cls, model: Artifact, rows: Sequence[Any]) -> Inference:
        """Load a model and encode rows for it."""
        from compress.models.torch_model import load_model
        from runtimes.tokenizing import load_tokenizer

        task = task_of(model.task)
        network = load_model(model.path, model.task)
        tokenizer = load_tokenizer(model.path, model.max_length)
        return cls(network, encode(tokenizer, rows, network.config, task), task)

    def answers(self, advance: Advance = _silent) -> Answers:
        """Return the answers of the model in its present state."""
        from compress.training.loop import answers_of

        return answers_of(self.network, self.rows, self.task, advance=advance)


def trained_answers(model: Artifact, rows: Sequence[Any], *, advance: Advance = _silent) -> Answers:
    """Return a torch model's answers to each row, computed on a GPU where there is one.

    Raises AnswerError when they are none: not finite, or the same for every row.
    """
    from compress.training.loop import accelerator_device

    inference = Inference.of(model, rows)
    inference.network.to(accelerator_device())
    answers = inference.answers(advance)
    require_sound(rows, answers, str(model.path))
    return answers
