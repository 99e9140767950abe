"""Compute only what a classifier's head reads of the last layer: the first token."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from compress.models.architectures import FULL, architecture, part

if TYPE_CHECKING:
    from torch import nn


@contextmanager
def first_token_only(model: nn.Module) -> Iterator[None]:
    """Compute only the first token in the last layer, from the attention's output on.

    Logits and gradients stay the same: the heads of all architectures that distillation knows read
    no other token. A student of one layer saves three quarters of all products. Inside the context,
    the last hidden states have one token. Other architectures are left unchanged.
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
    """Cut (batch, tokens, width) to its first token, unless it is cut already.

    The residual connection before the norm would add one token to all tokens by broadcasting.
    """
    return (inputs[0][:, :1], *inputs[1:])
