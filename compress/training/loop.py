"""One training loop for fine-tuning, distillation and recovery.

A killed training resumes at the unfinished epoch and ends with the same weights: every epoch's
order and dropout depend on (seed, epoch) alone, and the optimizer's state is kept.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray

from compress.data.batch import Batch
from compress.progress import Advance, Progress
from compress.tasks import Answer, Task
from compress.training.batches import Examples, encode, in_order, shuffled
from compress.training.checkpoint import Checkpoint, TrainState
from runtimes.errors import QualityError

if TYPE_CHECKING:
    import torch
    from tokenizers import Tokenizer
    from torch import nn

    from compress.stage import RunContext

CATASTROPHIC_RATE = 1e-3
"""A learning rate above which a pretrained model is usually damaged."""

Loss = Callable[[Any, Batch], "torch.Tensor"]
"""Return the scalar loss of a model's output on a batch."""

RowsOf = Callable[[int], NDArray[np.int64]]
"""Return the row indices of an epoch, counted from 0; every epoch has equally many."""


@dataclass(frozen=True, slots=True)
class TrainPlan:
    """Hold how long and how fast to train; `patience` counts epochs without a better one.

    Without `dropout` the model's own is off: every step uses the whole model.
    """

    epochs: int
    learning_rate: float
    batch_size: int = 32
    weight_decay: float = 0.01
    warmup: float = 0.1
    schedule: Literal["linear", "cosine"] = "linear"
    patience: int | None = None
    seed: int = 7
    dropout: bool = True


@dataclass(frozen=True, slots=True)
class Fitted:
    """Report a training: the best epoch's validation figures and the epochs' time.

    `metric` is the name of the task's score.
    """

    epochs: int
    best_epoch: int
    score: float
    loss: float
    seconds: float
    metric: str

    def metrics(self) -> dict[str, float]:
        """Return the figures by name, for a stage's record, without times."""
        return {
            "epochs": self.epochs,
            "best_epoch": self.best_epoch,
            f"validation_{self.metric}": round(self.score, 6),
            "validation_loss": round(self.loss, 6),
        }


def fit(
    model: nn.Module,
    train: Examples,
    validation: tuple[Examples, Sequence[Any]],
    loss: Loss,
    plan: TrainPlan,
    *,
    task: Task,
    labels: tuple[str, ...],
    scratch: Path,
    progress: Progress,
    name: str,
    rows_of: RowsOf | None = None,
) -> Fitted:
    """Train in place and leave the best epoch's weights in the model.

    `validation` holds rows and targets, whose classes are numbers of `labels`; their score selects
    the best epoch. Every epoch uses all rows, or those of `rows_of`. Raises QualityError when the
    loss is not finite.
    """
    start = time.perf_counter()
    rows_of = rows_of or (lambda epoch: np.arange(len(train)))
    loop = _Loop(model, train, loss, plan, scratch / "checkpoint.pt", rows_of)
    state = loop.state
    with progress.task(name, plan.epochs * loop.steps) as advance:
        advance(state.step, "resumed" if state.step else "")
        while state.epoch < plan.epochs and not _stalled(state, plan):
            loop.epoch(advance)
            given = answers_of(loop.model, validation[0], task)
            score, value = task.evaluate(given, validation[1], labels)
            loop.judge(score, value)
            advance(0, f"epoch {state.epoch}: validation {score:.2%}")
    loop.checkpoint.load_best()
    model.to("cpu").eval()
    return Fitted(
        epochs=state.epoch,
        best_epoch=state.best_epoch,
        score=state.best_score,
        loss=state.best_loss,
        seconds=time.perf_counter() - start,
        metric=task.metric,
    )


class _Loop:
    """Hold what the steps of one training share, and its progress."""

    def __init__(
        self,
        model: nn.Module,
        train: Examples,
        loss: Loss,
        plan: TrainPlan,
        path: Path,
        rows_of: RowsOf,
    ) -> None:
        from accelerate import Accelerator

        self._accelerator = Accelerator()
        model.to(self._accelerator.device)  # first: the optimizer's state follows the weights
        optimizer = _optimizer(model, plan)
        self.steps = math.ceil(len(rows_of(0)) / plan.batch_size)
        self.checkpoint = Checkpoint(path, plan, model, optimizer)
        self.state = self.checkpoint.restore()
        self.model, self._optimizer = self._accelerator.prepare(model, optimizer)
        self._parameters = list(model.parameters())
        self._train, self._loss, self._plan = train, loss, plan
        self._rows_of = rows_of

    def epoch(self, advance: Advance) -> None:
        """Run every batch once, in an order and with dropout that depend on (seed, epoch) alone."""
        import torch

        seed = int(np.random.SeedSequence([self._plan.seed, self.state.epoch]).generate_state(1)[0])
        torch.manual_seed(seed)
        self.model.train(self._plan.dropout)
        running: float | None = None
        taken = self._rows_of(self.state.epoch)
        for rows in shuffled(self._train, taken, self._plan.batch_size, seed):
            value = self._step(self._train.collate(rows))
            running = value if running is None else 0.95 * running + 0.05 * value
            advance(1, f"loss {running:.3f}")
        self.state.epoch += 1

    def _step(self, batch: Batch) -> float:
        plan, device = self._plan, self._accelerator.device
        for group in self._optimizer.param_groups:
            group["lr"] = plan.learning_rate * _scale(
                self.state.step, plan.epochs * self.steps, plan
            )
        inputs = {key: tensor.to(device) for key, tensor in batch.inputs.items()}
        value = self._loss(self.model(**inputs), batch)
        loss = _finite(value.item(), self.state.step, plan)
        self._optimizer.zero_grad(set_to_none=True)
        self._accelerator.backward(value)
        self._accelerator.clip_grad_norm_(self._parameters, 1.0)
        self._optimizer.step()
        self.state.step += 1
        return loss

    def judge(self, score: float, loss: float) -> None:
        """Keep the epoch's figures if they are the best so far, and write the checkpoint."""
        state = self.state
        if (score, -loss) > (state.best_score, -state.best_loss):
            state.best_epoch = state.epoch
            state.best_score, state.best_loss = score, loss
        self.checkpoint.save(state)


def accelerator_device() -> torch.device:
    """Return the device for training: a GPU if there is one."""
    from accelerate import Accelerator

    device: torch.device = Accelerator().device
    return device


def answers_of(
    model: nn.Module,
    examples: Examples,
    task: Task,
    *,
    batch_size: int = 64,
    advance: Advance = lambda units, note: None,
) -> list[Answer]:
    """Return the model's answers to every row, in the rows' order."""
    import torch

    model.eval()
    place = next(model.parameters()).device
    by_row: dict[int, Answer] = {}
    with torch.inference_mode():
        for batch in in_order(examples, batch_size):
            inputs = {key: value.to(place) for key, value in batch.inputs.items()}
            answers = task.answers(model(**inputs), batch)
            by_row.update(zip(batch.rows.tolist(), answers, strict=True))
            advance(len(batch.rows), "")
    if not by_row:
        raise QualityError(
            "no rows to run the model on", action="name a file with rows under [data]"
        )
    return [by_row[row] for row in range(len(examples))]


def settle(model: Any, tokenizer: Tokenizer, context: RunContext, task: Task) -> None:
    """Let a task finish the head of a model that it trained, with the validation rows."""
    rows = context.data.validation

    def answers() -> list[Answer]:
        return answers_of(model, encode(tokenizer, rows.inputs, model.config, task), task)

    task.settle(model, answers, rows.targets)


def _finite(value: float, step: int, plan: TrainPlan) -> float:
    if not math.isfinite(value):
        raise QualityError(
            f"the training loss became {value} at step {step + 1}",
            expected="a finite loss",
            action=f"lower learning_rate (it is {plan.learning_rate:g})",
        )
    return value


def _scale(step: int, total: int, plan: TrainPlan) -> float:
    warm = max(1, round(total * plan.warmup))
    if step < warm:
        return (step + 1) / warm
    rest = (total - step) / max(1, total - warm)
    return rest if plan.schedule == "linear" else 0.5 * (1.0 - math.cos(math.pi * rest))


def _stalled(state: TrainState, plan: TrainPlan) -> bool:
    return plan.patience is not None and state.epoch - state.best_epoch >= plan.patience


def _optimizer(model: nn.Module, plan: TrainPlan) -> Any:
    """Return AdamW; biases and normalization weights have no decay, as for BERT itself."""
    import torch

    parameters = [p for p in model.parameters() if p.requires_grad]
    groups = [
        {"params": [p for p in parameters if p.ndim > 1], "weight_decay": plan.weight_decay},
        {"params": [p for p in parameters if p.ndim <= 1], "weight_decay": 0.0},
    ]
    return torch.optim.AdamW(groups, lr=plan.learning_rate, fused=True)
