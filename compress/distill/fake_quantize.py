"""Train with the rounding that quantization will do, so that the weights learn to bear it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING, Any

from compress.quantize.embeddings import BLOCK

if TYPE_CHECKING:
    from torch import Tensor, nn

_LARGEST = {8: 127, 7: 64}
"""The integers of a weight reach from minus this to this; 7 bits are what `reduce_range` keeps."""

_LEAST_SCALE = 1e-30


@contextmanager
def quantization_aware(
    model: nn.Module,
    *,
    weight_bits: int = 8,
    embedding_bits: int | None = 4,
    activations: bool = True,
) -> Iterator[None]:
    """Run the model meanwhile as `quantize` with scheme int8-dynamic will leave it.

    Weights of linear layers go through `weight_bits` (8, or 7 for a CPU without an 8-bit dot
    product) by output channel, their inputs through 8 bits by text, and word embeddings through
    `embedding_bits` (8, 4, or None for fp32) in the blocks of `compress.quantize.embeddings`.
    Gradients pass straight through the rounding (Bengio, Léonard, Courville 2013), and the
    parameters themselves, and their names, stay as they are. Enter it after
    `compact_vocabulary`, which swaps the embeddings.
    """
    from torch import nn

    inputs = _Inputs() if activations else _unchanged
    forwards: dict[Any, Callable[..., Tensor]] = {
        module: partial(_linear, module, _LARGEST[weight_bits], inputs)
        for module in model.modules()
        if isinstance(module, nn.Linear)
    }
    if embedding_bits is not None:
        words = model.get_input_embeddings()  # type: ignore[operator]
        forwards[words] = partial(_look_up, words.forward, embedding_bits)
    for module, forward in forwards.items():
        module.forward = forward  # an instance's attribute: no parameter gets another name
    try:
        yield
    finally:
        for module in forwards:
            del module.forward


def fake_quantize_weight(weight: Tensor, largest: int) -> Tensor:
    """Round a weight (outputs, inputs) to integers of ±`largest` with a scale an output."""
    values = weight.detach()
    scale = values.abs().amax(dim=1, keepdim=True).clamp_(min=_LEAST_SCALE).div_(largest)
    return _straight_through(weight, (values / scale).round_().mul_(scale))


def fake_quantize_input(inputs: Tensor) -> Tensor:
    """Round each text of (texts, …) to 8 bits between its smallest and largest value and 0.

    As DynamicQuantizeLinear does for a batch of one, which is how the model will be run.
    """
    values = inputs.detach()
    axes = tuple(range(1, values.ndim))
    low = values.amin(dim=axes, keepdim=True).clamp_(max=0)
    high = values.amax(dim=axes, keepdim=True).clamp_(min=0)
    scale = ((high - low) / 255).clamp_(min=_LEAST_SCALE)
    zero = (-low / scale).round_()
    whole = (values / scale).round_().add_(zero).clamp_(0, 255)
    return _straight_through(inputs, whole.sub_(zero).mul_(scale))


def fake_quantize_rows(rows: Tensor, bits: int) -> Tensor:
    """Round the last axis in blocks, as `compress.quantize.embeddings.pack_rows` does."""
    import torch
    import torch.nn.functional as F  # noqa: N812

    width, block, half = rows.shape[-1], BLOCK[bits], 1 << (bits - 1)
    blocks = F.pad(rows.detach(), (0, -width % block)).reshape(*rows.shape[:-1], -1, block)
    low, high = blocks.amin(dim=-1, keepdim=True), blocks.amax(dim=-1, keepdim=True)
    scale = torch.where(-low > high, low, high) / -half
    scale = scale.half().float() if bits == 4 else scale
    scale = torch.where(scale == 0, 1.0, scale)
    rounded = (blocks / scale).round_().clamp_(-half, half - 1).mul_(scale)
    return _straight_through(rows, rounded.flatten(-2)[..., :width])


def _straight_through(values: Tensor, rounded: Tensor) -> Tensor:
    """Return the rounded values, with the gradient of the values themselves."""
    return values + (rounded - values).detach()


class _Inputs:
    """Round an input once, where several linear layers read it, as queries, keys and values do."""

    def __init__(self) -> None:
        self._last: tuple[Any, Any] = (None, None)

    def __call__(self, values: Tensor) -> Tensor:
        if self._last[0] is not values:
            self._last = (values, fake_quantize_input(values))
        found: Tensor = self._last[1]
        return found


def _unchanged(values: Tensor) -> Tensor:
    return values


def _linear(
    module: nn.Linear, largest: int, inputs: Callable[[Tensor], Tensor], values: Tensor
) -> Tensor:
    import torch.nn.functional as F  # noqa: N812

    return F.linear(inputs(values), fake_quantize_weight(module.weight, largest), module.bias)


def _look_up(forward: Callable[[Tensor], Tensor], bits: int, ids: Tensor) -> Tensor:
    return fake_quantize_rows(forward(ids), bits)
