"""Train with the rounding of 4-bit storage, so that the weights adapt to it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING, Any

from compress.models.architectures import FULL, architecture

if TYPE_CHECKING:
    from torch import Tensor, nn

_HALF = 8
"""4-bit integers reach from minus this number to one less than it."""


@contextmanager
def quantization_aware(
    model: nn.Module, *, embedding_block: int | None = None, weight_block: int | None = None
) -> Iterator[None]:
    """Round, during the context, the weights that `quantize` will store in 4 bits.

    `embedding_block` is the block size for word embeddings, as `compress.quantize.embeddings`
    stores them, and `weight_block` that for the linear layers that int8-dynamic with `weights` int4
    stores in 4 bits; None leaves them unchanged. 8-bit weights and activations are left unchanged
    too: their rounding has no effect that training could correct. Gradients pass straight through
    the rounding (Bengio, Léonard, Courville 2013); parameters and their names stay unchanged. Enter
    this context after `compact_vocabulary`, which replaces the embeddings.
    """
    forwards: dict[Any, Callable[..., Tensor]] = {}
    if embedding_block is not None:
        words = model.get_input_embeddings()  # type: ignore[operator]
        forwards[words] = partial(_look_up, words.forward, embedding_block)
    if weight_block is not None:
        for module in one_token_layers(model):
            forwards[module] = partial(_multiply, module, weight_block)
    for module, forward in forwards.items():
        module.forward = forward  # an attribute of the instance: no parameter gets another name
    try:
        yield
    finally:
        for module in forwards:
            del module.forward


def one_token_layers(model: nn.Module) -> list[nn.Linear]:
    """Return the linear layers that an export computes for a text's first token alone.

    These are the layers of the last block from the attention's output on, its queries if a block
    precedes it, and the head's layers but the last. Empty for architectures that are not in FULL.
    """
    from torch import nn

    config: Any = model.config
    if config.model_type not in FULL:
        return []
    parts = architecture(config.model_type)
    last = getattr(config, parts.config_layers) - 1
    paths = [parts.attention_output, parts.ffn_in, parts.ffn_out, *([parts.query] if last else [])]
    linear = {name: one for name, one in model.named_modules() if isinstance(one, nn.Linear)}
    outside = (name for name in linear if not name.startswith(f"{parts.layers}."))
    *head, _ = [name for name in outside if "embeddings" not in name]
    return [linear[name] for name in (*(f"{parts.layers}.{last}.{path}" for path in paths), *head)]


def round_blocks(values: Tensor, block: int, *, fp16_scales: bool = False) -> Tensor:
    """Round the last axis to 4 bits and back, each `block` with its own scale.

    `compress.quantize.embeddings.pack_rows` does the same with fp16 scales, MatMulNBits with fp32.
    """
    import torch
    import torch.nn.functional as F  # noqa: N812

    width = values.shape[-1]
    blocks = F.pad(values.detach(), (0, -width % block)).reshape(*values.shape[:-1], -1, block)
    low, high = blocks.amin(dim=-1, keepdim=True), blocks.amax(dim=-1, keepdim=True)
    scale = torch.where(-low > high, low, high) / -_HALF
    scale = scale.half().float() if fp16_scales else scale
    scale = torch.where(scale == 0, 1.0, scale)
    rounded = (blocks / scale).round_().clamp_(-_HALF, _HALF - 1).mul_(scale)
    difference = rounded.flatten(-2)[..., :width] - values.detach()
    return values + difference  # the gradient is that of `values`


def _look_up(forward: Callable[[Tensor], Tensor], block: int, ids: Tensor) -> Tensor:
    return round_blocks(forward(ids), block, fp16_scales=True)


def _multiply(module: nn.Linear, block: int, values: Tensor) -> Tensor:
    import torch.nn.functional as F  # noqa: N812

    return F.linear(values, round_blocks(module.weight, block), module.bias)
