"""One training loop for fine-tuning, distillation and recovery.

It resumes after a kill at the epoch that was under way, and ends with the same weights: every
epoch's order and dropout come from (seed, epoch) alone, and the optimizer's state is kept.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray

from runtimes.errors import QualityError

from compress.batches import Batch, Examples, in_order, shuffled
from compress.stage import Progress

if TYPE_CHECKING:
    import torch
    from torch import nn

Loss = Callable[[Any, Batch], "torch.Tensor"]
"""Return the scalar loss of a model's output on a batch."""


@dataclass(frozen=True, slots=True)
class TrainPlan:
    """Say how long and how fast to train; `patience` counts epochs without a better one."""

    epochs: int
    learning_rate: float
    batch_size: int = 32
    weight_decay: float = 0.01
    warmup: float = 0.1
    schedule: Literal["linear", "cosine"] = "linear"
    patience: int | None = None
    seed: int = 7
    hidden_states: bool = False


@dataclass(frozen=True, slots=True)
class Fitted:
    """Report a training: the best epoch's validation figures and the time that epochs took."""

    epochs: int
    best_epoch: int
    accuracy: float
    loss: float
    seconds: float

    def metrics(self) -> dict[str, float]:
        """Return the figures by name, for a stage's record; times are not among them."""
        return {
            "epochs": self.epochs,
            "best_epoch": self.best_epoch,
            "validation_accuracy": round(self.accuracy, 6),
            "validation_loss": round(self.loss, 6),
        }


@dataclass(slots=True)
class _State:
    """Hold what a resumed training needs beside the weights."""

    epoch: int = 0
    step: int = 0
    best_epoch: int = 0
    best_accuracy: float = -1.0
    best_loss: float = math.inf


def fit(
    model: nn.Module,
    train: Examples,
    validation: tuple[Examples, NDArray[np.int64]],
    loss: Loss,
    plan: TrainPlan,
    *,
    scratch: Path,
    progress: Progress,
    name: str,
    extra: nn.Module | None = None,
) -> Fitted:
    """Train in place and leave the best epoch's weights in the model.

    `extra` holds further parameters that only the loss uses (projections). Raises QualityError
    when the loss is no longer finite.
    """
    from accelerate import Accelerator

    accelerator = Accelerator()
    start = time.perf_counter()
    steps = math.ceil(len(train) / plan.batch_size)
    optimizer = _optimizer(model, extra, plan)
    checkpoint = _Checkpoint(scratch / "checkpoint.pt", model, optimizer, extra)
    state = checkpoint.restore()
    model, optimizer = accelerator.prepare(model, optimizer)
    if extra is not None:
        extra.to(accelerator.device)
    with progress.task(name, plan.epochs * steps) as advance:
        advance(state.step, "resumed" if state.step else "")
        while state.epoch < plan.epochs and not _stalled(state, plan):
            _epoch(accelerator, model, optimizer, train, loss, plan, state, steps, advance)
            accuracy, value = evaluate(model, *validation)
            state.epoch += 1
            better = (accuracy, -value) > (state.best_accuracy, -state.best_loss)
            if better:
                state.best_epoch, state.best_accuracy, state.best_loss = (
                    state.epoch, accuracy, value,
                )  # fmt: skip
            checkpoint.save(state, better)
            advance(0, f"epoch {state.epoch}: validation {accuracy:.2%}")
    checkpoint.load_best()
    model.to("cpu").eval()
    return Fitted(
        epochs=state.epoch,
        best_epoch=state.best_epoch,
        accuracy=state.best_accuracy,
        loss=state.best_loss,
        seconds=time.perf_counter() - start,
    )


def accelerator_device() -> torch.device:
    """Return the device that training runs on: a GPU where there is one."""
    from accelerate import Accelerator

    device: torch.device = Accelerator().device
    return device


def logits_of(
    model: nn.Module, examples: Examples, *, batch_size: int = 64
) -> NDArray[np.float32]:
    """Return the model's logits of every row, shape (rows, classes), in the rows' order."""
    import torch

    model.eval()
    place = next(model.parameters()).device
    found: NDArray[np.float32] | None = None
    with torch.inference_mode():
        for batch in in_order(examples, batch_size):
            inputs = {key: value.to(place) for key, value in batch.inputs.items()}
            logits = model(**inputs).logits.float().cpu().numpy()
            if found is None:
                found = np.zeros((len(examples), logits.shape[1]), dtype=np.float32)
            found[batch.rows] = logits
    if found is None:
        raise QualityError("no rows to run the model on")
    return found


def evaluate(
    model: nn.Module, examples: Examples, labels: NDArray[np.int64]
) -> tuple[float, float]:
    """Return accuracy and mean cross-entropy of a model on labelled rows."""
    logits = logits_of(model, examples).astype(np.float64)
    shifted = logits - logits.max(axis=1, keepdims=True)
    losses = np.log(np.exp(shifted).sum(axis=1)) - shifted[np.arange(len(labels)), labels]
    return float((logits.argmax(axis=1) == labels).mean()), float(losses.mean())


def _epoch(
    accelerator: Any,
    model: nn.Module,
    optimizer: Any,
    train: Examples,
    loss: Loss,
    plan: TrainPlan,
    state: _State,
    steps: int,
    advance: Callable[[int, str], None],
) -> None:
    import torch

    seed = int(np.random.SeedSequence([plan.seed, state.epoch]).generate_state(1)[0])
    torch.manual_seed(seed)
    model.train()
    running = 0.0
    for rows in shuffled(train, plan.batch_size, seed):
        batch = train.collate(rows)
        inputs = {key: value.to(accelerator.device) for key, value in batch.inputs.items()}
        for group in optimizer.param_groups:
            group["lr"] = plan.learning_rate * _scale(state.step, plan.epochs * steps, plan)
        value = loss(model(**inputs, output_hidden_states=plan.hidden_states), batch)
        optimizer.zero_grad(set_to_none=True)
        accelerator.backward(value)
        accelerator.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        state.step += 1
        running = _running(running, value.item(), state.step, plan)
        advance(1, f"loss {running:.3f}")


def _running(running: float, value: float, step: int, plan: TrainPlan) -> float:
    if not math.isfinite(value):
        raise QualityError(
            f"the training loss became {value} at step {step}",
            expected="a finite loss",
            action=f"lower learning_rate (it is {plan.learning_rate:g})",
        )
    return value if running == 0.0 else 0.95 * running + 0.05 * value


def _scale(step: int, total: int, plan: TrainPlan) -> float:
    warm = max(1, round(total * plan.warmup))
    if step < warm:
        return (step + 1) / warm
    rest = (total - step) / max(1, total - warm)
    return rest if plan.schedule == "linear" else 0.5 * (1.0 - math.cos(math.pi * rest))


def _stalled(state: _State, plan: TrainPlan) -> bool:
    return plan.patience is not None and state.epoch - state.best_epoch >= plan.patience


def _optimizer(model: nn.Module, extra: nn.Module | None, plan: TrainPlan) -> Any:
    import torch

    modules = [model] if extra is None else [model, extra]
    parameters = [p for module in modules for p in module.parameters() if p.requires_grad]
    groups = [
        {"params": [p for p in parameters if p.ndim > 1], "weight_decay": plan.weight_decay},
        {"params": [p for p in parameters if p.ndim <= 1], "weight_decay": 0.0},
    ]
    return torch.optim.AdamW(groups, lr=plan.learning_rate, fused=True)


class _Checkpoint:
    """Keep the state after each epoch, and the best weights, in one file that is whole or absent."""

    def __init__(self, path: Path, model: nn.Module, optimizer: Any, extra: nn.Module | None):
        self._path = path
        self._model = model
        self._optimizer = optimizer
        self._extra = extra
        self._best: dict[str, Any] = {}

    def restore(self) -> _State:
        """Load the last whole checkpoint, if there is one."""
        import torch

        if not self._path.is_file():
            return _State()
        content = torch.load(self._path, weights_only=True, map_location="cpu")
        self._model.load_state_dict(content["model"])
        self._optimizer.load_state_dict(content["optimizer"])
        if self._extra is not None:
            self._extra.load_state_dict(content["extra"])
        self._best = content["best"]
        return _State(**content["state"])

    def save(self, state: _State, better: bool) -> None:
        """Write the checkpoint; `better` says that these weights are the best so far."""
        import dataclasses

        import torch

        weights = {key: value.cpu() for key, value in self._model.state_dict().items()}
        if better:
            self._best = {key: value.clone() for key, value in weights.items()}
        self._path.parent.mkdir(parents=True, exist_ok=True)
        temporary = self._path.with_suffix(".tmp")
        torch.save(
            {
                "model": weights,
                "optimizer": self._optimizer.state_dict(),
                "extra": None if self._extra is None else self._extra.state_dict(),
                "best": self._best,
                "state": dataclasses.asdict(state),
            },
            temporary,
        )
        temporary.replace(self._path)

    def load_best(self) -> None:
        """Put the best epoch's weights into the model."""
        if self._best:
            self._model.load_state_dict(self._best)
