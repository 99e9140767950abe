"""The checkpoint from which a killed training resumes: one file, complete or absent."""

from __future__ import annotations

import dataclasses
import math
import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from compress.storage.seal import is_sealed_file, seal_file
from runtimes.digest import stable_hash

if TYPE_CHECKING:
    from torch import Tensor, nn


@dataclass(slots=True)
class TrainState:
    """Hold the progress of a training, and its best epoch's figures."""

    epoch: int = 0
    step: int = 0
    best_epoch: int = 0
    best_score: float = -1.0
    best_loss: float = math.inf


class Checkpoint:
    """Keep weights, optimizer and state after each epoch, and the best epoch's weights.

    `plan` and the parameters' shapes identify the training: the file of another training is
    ignored, and so is one that cannot be read or is not this user's.
    """

    def __init__(self, path: Path, plan: Any, model: nn.Module, optimizer: Any) -> None:
        self._path = path
        self._parts = {"model": model, "optimizer": optimizer}
        self._name = stable_hash([dataclasses.asdict(plan), _shapes(model)])
        self._best: dict[str, Tensor] = {}

    def restore(self) -> TrainState:
        """Load the last checkpoint of this training, if there is one."""
        content = self._read()
        if content.get("name") != self._name:
            return TrainState()
        for key, part in self._parts.items():
            part.load_state_dict(content[key])
        self._best = content["best"]
        return TrainState(**content["state"])

    def save(self, state: TrainState) -> None:
        """Write the checkpoint after an epoch; the best epoch also writes the best weights."""
        import torch

        if state.best_epoch == state.epoch:
            weights = self._parts["model"].state_dict()
            self._best = {key: value.detach().cpu().clone() for key, value in weights.items()}
        content: dict[str, Any] = {key: part.state_dict() for key, part in self._parts.items()}
        content |= {"name": self._name, "best": self._best, "state": dataclasses.asdict(state)}
        self._path.parent.mkdir(parents=True, exist_ok=True)
        temporary = self._path.with_suffix(".tmp")
        with temporary.open("wb") as stream:
            torch.save(content, stream)
            stream.flush()
            os.fsync(stream.fileno())
        temporary.replace(self._path)
        seal_file(self._path)

    def load_best(self) -> None:
        """Load the best epoch's weights into the model."""
        self._parts["model"].load_state_dict(self._best)

    def _read(self) -> dict[str, Any]:
        import pickle

        import torch

        if not is_sealed_file(self._path):
            return {}
        try:
            content = torch.load(self._path, weights_only=True, map_location="cpu")
        except (OSError, RuntimeError, EOFError, pickle.UnpicklingError):
            return {}
        return content if isinstance(content, dict) else {}


def _shapes(module: nn.Module) -> dict[str, list[int]]:
    return {name: list(value.shape) for name, value in module.state_dict().items()}
