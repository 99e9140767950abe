"""The loop: what it optimizes, when it stops, what it keeps and how it resumes."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from compress.data.batch import Batch
from compress.progress import Advance, Silence
from compress.training.loop import Fitted, TrainPlan, _optimizer, _scale, answers_of, fit
from runtimes.errors import QualityError
from tests.compress.text_models import TASK

PLAN = TrainPlan(epochs=6, learning_rate=0.05, batch_size=8)


class Points:
    """Two classes of points in the plane."""

    def __init__(self, count: int = 64, seed: int = 0) -> None:
        generator = np.random.default_rng(seed)
        self.labels = (np.arange(count) % 2).astype(np.int64)
        noise = generator.normal(size=(count, 2))
        self.points = (noise + 1.5 * (2 * self.labels[:, None] - 1)).astype(np.float32)

    def __len__(self) -> int:
        return len(self.points)

    def lengths(self) -> Any:
        return np.ones(len(self), dtype=np.int64)

    def collate(self, rows: Any) -> Batch:
        return Batch(rows, {"x": torch.from_numpy(self.points[rows])})


class Net(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(1)
        self.layers = nn.Sequential(nn.Linear(2, 8), nn.Tanh(), nn.Dropout(0.2), nn.Linear(8, 2))

    def forward(self, x: torch.Tensor, output_hidden_states: bool = False) -> Any:
        return SimpleNamespace(logits=self.layers(x))


class Killed(Exception):
    """Stand for SIGKILL: no code of the training runs after it."""


class KillAt(Silence):
    """Stop right after the checkpoint of an epoch, or in the middle of the next."""

    def __init__(self, epoch: int, steps_later: int = 0) -> None:
        super().__init__()
        self.left = (epoch, steps_later)

    @contextmanager
    def task(self, name: str, total: int) -> Iterator[Advance]:
        seen = 0
        armed = False

        def advance(units: int, note: str) -> None:
            nonlocal seen, armed
            armed = armed or note.startswith(f"epoch {self.left[0]}:")
            seen += units if armed else 0
            if armed and seen >= self.left[1]:
                raise Killed

        yield advance


TRAIN, VALIDATION = Points(), Points(seed=1)


def loss(output: Any, batch: Batch) -> torch.Tensor:
    return nn.functional.cross_entropy(output.logits, torch.from_numpy(TRAIN.labels[batch.rows]))


def train(
    net: Net, folder: Path, plan: TrainPlan = PLAN, progress: Any = None, **options: Any
) -> Fitted:
    return fit(
        net,
        TRAIN,
        (VALIDATION, VALIDATION.labels.tolist()),
        options.pop("loss", loss),
        plan,
        task=TASK,
        labels=("0", "1"),
        scratch=folder,
        progress=progress or Silence(),
        name="points",
        **options,
    )


def same(one: nn.Module, two: nn.Module) -> bool:
    theirs = two.state_dict()
    return all(torch.equal(value, theirs[name]) for name, value in one.state_dict().items())


def test_it_learns(tmp_path: Path) -> None:
    net = Net()
    fitted = train(net, tmp_path)
    assert fitted.score > 0.9
    answers = answers_of(net, VALIDATION, TASK)
    assert TASK.evaluate(answers, VALIDATION.labels.tolist(), ("0", "1")) == (
        fitted.score,
        fitted.loss,
    )
    assert not net.training


@pytest.mark.parametrize("epoch", [1, 2, 3, 4, 5, 6])
@pytest.mark.parametrize("steps_later", [0, 3])
def test_a_killed_training_ends_with_the_same_bits(
    tmp_path: Path, epoch: int, steps_later: int
) -> None:
    whole = Net()
    expected = train(whole, tmp_path / "whole")
    killed = Net()
    try:
        train(killed, tmp_path / "cut", progress=KillAt(epoch, steps_later))
    except Killed:
        killed = Net()
        torch.manual_seed(epoch)  # a new process has another state of the global generator
    resumed = train(killed, tmp_path / "cut")
    assert same(killed, whole)
    assert resumed.metrics() == expected.metrics()


def test_gradients_are_clipped(tmp_path: Path) -> None:
    net = Net()
    train(net, tmp_path, loss=lambda output, batch: 1e4 * loss(output, batch))
    grads = [p.grad for p in net.parameters() if p.grad is not None]
    assert 0 < math.sqrt(sum(float(grad.norm()) ** 2 for grad in grads)) <= 1.0 + 1e-4


def test_the_best_epoch_is_kept_and_patience_ends_it(tmp_path: Path) -> None:
    net = Net()
    seen: list[dict[str, torch.Tensor]] = []

    def diverging(output: Any, batch: Batch) -> torch.Tensor:
        sign = 1.0 if len(seen) < 2 else -1.0
        return sign * loss(output, batch)

    class Watch(Silence):
        @contextmanager
        def task(self, name: str, total: int) -> Iterator[Advance]:
            def advance(units: int, note: str) -> None:
                if note.startswith("epoch"):
                    seen.append({k: v.clone() for k, v in net.state_dict().items()})

            yield advance

    plan = dataclasses.replace(PLAN, epochs=50, patience=3)
    fitted = train(net, tmp_path, plan, Watch(), loss=diverging)
    assert fitted.epochs == fitted.best_epoch + 3 < 50
    best = seen[fitted.best_epoch - 1]
    assert all(torch.equal(value, best[name]) for name, value in net.state_dict().items())


def test_a_loss_that_is_not_finite_is_an_error_with_the_rate(tmp_path: Path) -> None:
    with pytest.raises(QualityError, match=r"became nan at step 1(.|\n)*learning_rate"):
        train(Net(), tmp_path, loss=lambda output, batch: output.logits.sum() * math.nan)
    assert not (tmp_path / "checkpoint.pt").exists()


@pytest.mark.parametrize("damage", ["truncated", "text", "other plan"])
def test_a_checkpoint_that_is_damaged_or_anothers_is_ignored(tmp_path: Path, damage: str) -> None:
    clean = Net()
    train(clean, tmp_path / "clean")
    file = tmp_path / "used" / "checkpoint.pt"
    if damage == "other plan":
        train(Net(), file.parent, dataclasses.replace(PLAN, learning_rate=0.5))
    else:
        train(Net(), file.parent)
        content = file.read_bytes()[:-2000] if damage == "truncated" else b"no checkpoint"
        file.write_bytes(content)
    net = Net()
    train(net, file.parent)
    assert same(net, clean)


def test_only_matrices_decay() -> None:
    net = Net()
    optimizer = _optimizer(net, PLAN)
    decay = {group["weight_decay"]: group["params"] for group in optimizer.param_groups}
    assert {p.ndim for p in decay[PLAN.weight_decay]} == {2}
    assert {p.ndim for p in decay[0.0]} == {1}
    assert len(decay[PLAN.weight_decay]) == 2
    net.layers[0].requires_grad_(False)
    assert len(_optimizer(net, PLAN).param_groups[0]["params"]) == 1


@pytest.mark.parametrize("schedule", ["linear", "cosine"])
def test_the_rate_warms_up_peaks_and_falls(schedule: Any) -> None:
    plan = TrainPlan(epochs=1, learning_rate=1.0, schedule=schedule, warmup=0.1)
    rates = [_scale(step, 100, plan) for step in range(100)]
    assert rates[0] == pytest.approx(0.1)
    assert rates[9] == max(rates) == 1.0
    assert rates[:10] == sorted(rates[:10])
    assert rates[10:] == sorted(rates[10:], reverse=True)
    assert 0 < rates[-1] < 0.05


def test_answers_come_in_the_rows_order_and_need_rows() -> None:
    net = Net().eval()
    with torch.inference_mode():
        expected = net(torch.from_numpy(TRAIN.points)).logits.numpy()
    stacked = np.stack(answers_of(net, TRAIN, TASK, batch_size=5))
    np.testing.assert_allclose(stacked, expected, rtol=1e-5, atol=1e-6)
    with pytest.raises(QualityError, match="no rows"):
        answers_of(net, Points(0), TASK)
