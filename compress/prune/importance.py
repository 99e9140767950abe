"""Fisher importance: the loss's curvature if a head or an FFN unit were masked."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from compress.models.architectures import part, parts_of
from compress.progress import Advance
from compress.prune.hidden import stream_points
from compress.prune.slicing import head_counts
from compress.stage import RunContext
from compress.tasks import Task, task_of
from compress.training.batches import Encoded, Examples, encode, in_order
from runtimes.artifact import Artifact

if TYPE_CHECKING:
    from torch import nn

_BATCH = 32
_TEMPERATURE = 4.0
"""Softens predictions as in distillation; at 1, rows with sure predictions add almost nothing."""


@dataclass(frozen=True, slots=True)
class Importance:
    """Hold the importance of each unit.

    `heads` (layers, heads), `ffn` (layers, units), the residual stream's `stream` (hidden,),
    and the classifier's inner `head` (hidden,).
    """

    heads: NDArray[np.float64]
    ffn: NDArray[np.float64]
    stream: NDArray[np.float64]
    head: NDArray[np.float64]


def fisher_importance(
    model: nn.Module, rows: Examples, task: Task, seed: int, advance: Advance
) -> Importance:
    """Return the mean squared gradient of each unit's mask, each row's squared by itself.

    The loss is that of a target drawn from the model's own softened prediction: its expected
    squared gradient is the curvature of the distillation loss around the present model. The rows'
    true targets tell less, because a well-fitted model has almost no gradient on them; the
    divergence from the teacher has none at the teacher itself. Deterministic under the seed; the
    weights do not change.

    Source: Kwon et al. 2022, "A Fast Post-Training Pruning Framework for Transformers", section 4.1
    (I_ii = E[(∂L/∂m_i)²] at m = 1); targets drawn from the model instead of the data's after
    Kunstner et al. 2019, "Limitations of the Empirical Fisher Approximation".
    """
    import torch

    generator = torch.Generator().manual_seed(seed)
    heads, _ = head_counts(model)
    totals: list[Any] = []
    with _frozen(model), torch.enable_grad():
        for batch in in_order(rows, _BATCH):
            with _masks(model, len(batch.inputs["input_ids"]), heads) as masks:
                loss = task.own_loss(model(**batch.inputs), batch, _TEMPERATURE, generator)
            squares = [
                gradient.double().square().sum(0) for gradient in torch.autograd.grad(loss, masks)
            ]
            totals = [a + b for a, b in zip(totals, squares, strict=True)] if totals else squares
            advance(len(batch.rows), "")
    means = [total.numpy() / len(rows) for total in totals]
    stream, head, *units = means
    return Importance(np.stack(units[0::2]), np.stack(units[1::2]), stream, head)


def strongest(
    importance: NDArray[np.float64], keep: int, *, same: bool = False
) -> list[NDArray[np.int64]]:
    """Return the `keep` most important units of each layer, in ascending order.

    With `same`, every layer keeps the same units: those with the largest sum. Of equal units, the
    lower number is kept.
    """
    ranked = np.broadcast_to(importance.sum(0), importance.shape) if same else importance
    order = np.argsort(-ranked, axis=1, kind="stable")[:, :keep]
    return [np.sort(row) for row in order]


def retained_share(importance: NDArray[np.float64], kept: list[NDArray[np.int64]]) -> float:
    """Return the kept units' share of all importance."""
    held = sum(float(row[units].sum()) for row, units in zip(importance, kept, strict=True))
    total = float(importance.sum())
    return held / total if total else 1.0


def drawn_rows(model: nn.Module, source: Artifact, context: RunContext, rows: int) -> Encoded:
    """Return at most `rows` training rows, drawn at random, as the model reads them."""
    from runtimes.tokenizing import load_tokenizer

    inputs = context.data.train.inputs
    order = np.random.default_rng(context.seed).permutation(len(inputs))
    tokenizer = load_tokenizer(source.path, source.max_length)
    chosen = [inputs[row] for row in order[:rows]]
    return encode(tokenizer, chosen, model.config, task_of(source.task))


@contextmanager
def _masks(model: nn.Module, batch: int, heads: int) -> Iterator[list[Any]]:
    """Multiply each unit's output by a mask of ones, one a row.

    The masks are, in this order: those of the stream, one at each layer norm (batch, hidden); the
    one of the classifier's inner layer (batch, hidden); then, for layer 0, 1, …, those of heads
    (batch, heads) and of units (batch, ffn).
    """
    import torch

    config: Any = model.config
    parts = parts_of(model)
    hidden = int(config.hidden_size)

    def fresh(count: int) -> Any:
        return torch.ones(batch, count, requires_grad=True)

    masks = [fresh(hidden), fresh(hidden)]
    hooks = [
        part(model, path).register_forward_hook(_masking_output(masks[0]))
        for path in stream_points(model)
    ]
    hooks.append(part(model, parts.head_out).register_forward_pre_hook(_masking(masks[1])))
    for layer in part(model, parts.layers):
        for path, count in (
            (parts.attention_output, heads),
            (parts.ffn_out, part(layer, parts.ffn_out).in_features),
        ):
            masks.append(fresh(count))
            hooks.append(part(layer, path).register_forward_pre_hook(_masking(masks[-1])))
    try:
        yield masks
    finally:
        for hook in hooks:
            hook.remove()


def _masking(mask: Any) -> Callable[[Any, tuple[Any, ...]], tuple[Any, ...]]:
    return lambda _, inputs: (_masked(inputs[0], mask), *inputs[1:])


def _masking_output(mask: Any) -> Callable[[Any, tuple[Any, ...], Any], Any]:
    return lambda _, __, output: _masked(output, mask)


def _masked(states: Any, mask: Any) -> Any:
    """Return states (batch, …, width) times a mask (batch, units), each unit equally wide."""
    wide = mask.repeat_interleave(states.shape[-1] // mask.shape[1], dim=1)
    return states * (wide if states.dim() == 2 else wide[:, None, :])


@contextmanager
def _frozen(model: nn.Module) -> Iterator[None]:
    """Switch off the gradients of the weights: only the masks' gradients are needed."""
    before = [(weight, weight.requires_grad) for weight in model.parameters()]
    training = model.training
    model.eval().requires_grad_(False)
    try:
        yield
    finally:
        model.train(training)
        for weight, wanted in before:
            weight.requires_grad_(wanted)
