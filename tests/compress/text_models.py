"""Text classifiers, loaded, encoded and run as in the stages."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from compress.models import torch_model
from compress.tasks import Task, task_of
from compress.training import batches
from compress.training.batches import Encoded, Examples

if TYPE_CHECKING:
    from tokenizers import Tokenizer
    from transformers import PreTrainedModel

NAME = "text-classification"
TASK: Task = task_of(NAME)


def load_model(folder: Path, *, labels: tuple[str, ...] | None = None) -> PreTrainedModel:
    """Load a text classifier."""
    return torch_model.load_model(folder, NAME, labels=labels)


def encode(tokenizer: Tokenizer, texts: Sequence[str], config: Any) -> Encoded:
    """Encode texts."""
    return batches.encode(tokenizer, texts, config, TASK)


def logits_of(model: Any, examples: Examples, batch_size: int = 64) -> NDArray[np.float32]:
    """Return logits of shape (rows, classes)."""
    from compress.training.loop import answers_of

    return np.stack(answers_of(model, examples, TASK, batch_size=batch_size))
