"""Train only what a classifier's head reads of the last layer: the first token."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from compress.models.architectures import FULL, architecture, part

if TYPE_CHECKING:
    from torch import nn


@contextmanager
def first_token_only(model: nn.Module) -> Iterator[None]:
    """Compute of the last layer, from the attention's output on, the first token alone.

    Logits and gradients stay as they are: the heads of all architectures that distilling knows
    read no other token. For a student of one layer it is three quarters of all products.
    Inside, the last hidden states have one token. Other architectures are left alone.
    """
    config: Any = model.config
    if config.model_type not in FULL:
        yield
        return
    parts = architecture(config.model_type)
    last = part(model, parts.layers)[-1]
    hooks = [
        part(last, path).register_forward_pre_hook(_first_token)
        for path in (parts.attention_output, parts.attention_norm)
    ]
    try:
        yield
    finally:
        for hook in hooks:
            hook.remove()


def _first_token(_: nn.Module, inputs: tuple[Any, ...]) -> tuple[Any, ...]:
    """Cut (batch, tokens, width) to its first token; what is cut already stays.

    The residual connection before the norm adds one token to all of them, by broadcasting.
    """
    return (inputs[0][:, :1], *inputs[1:])
