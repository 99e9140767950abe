"""Remove layers, heads and FFN units physically, so that every runtime is faster.

Widths stay uniform over the layers: config.json then describes the smaller model. All functions
change the model in place and its configuration with it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from compress.models.architectures import Architecture, architecture, part

if TYPE_CHECKING:
    from torch import nn

MULTIPLE = 32
"""FFN widths are multiples of this number, which suits the kernels, if the FFN is wide enough."""


def ffn_width(width: int, share: float) -> int:
    """Return how many FFN units stay when the share `share` of `width` is removed."""
    kept = width * (1 - share)
    if width >= 8 * MULTIPLE:
        return min(width, max(1, round(kept / MULTIPLE)) * MULTIPLE)
    return max(1, round(kept))


def head_count(heads: int, share: float) -> int:
    """Return how many heads stay when the share `share` of `heads` is removed."""
    return max(1, round(heads * (1 - share)))


def prune_ffn(model: nn.Module, kept: Sequence[NDArray[np.int64]]) -> None:
    """Keep the FFN units `kept[layer]` of each layer; the same number in every layer."""
    config: Any = model.config
    parts = architecture(config.model_type)
    for layer, units in zip(part(model, parts.layers), kept, strict=True):
        layer.set_submodule(parts.ffn_in, linear_rows(part(layer, parts.ffn_in), units))
        layer.set_submodule(parts.ffn_out, linear_columns(part(layer, parts.ffn_out), units))
    setattr(config, parts.config_ffn, len(kept[0]))


def prune_heads(model: nn.Module, kept: Sequence[NDArray[np.int64]]) -> None:
    """Keep the heads `kept[layer]` of each layer; the same number in every layer.

    transformers builds attention from hidden_size and num_attention_heads alone, so these stay and
    `edgepress_heads` says how many heads there are. Where heads share a position bias (MPNet),
    every layer must keep the same ones.
    """
    import torch

    from compress.models.modeling_edgepress import resize_heads

    config: Any = model.config
    parts = architecture(config.model_type)
    weights = _sliced_attention(model, parts, kept)
    resize_heads(model, len(kept[0]))
    with torch.no_grad():
        for name, weight in weights.items():
            model.get_parameter(name).copy_(weight)
    say_heads(model, len(kept[0]))


def cut_positions(model: nn.Module, max_length: int) -> None:
    """Drop the position embeddings that texts of at most `max_length` tokens never reach.

    RoBERTa and MPNet number positions from padding's id + 1.
    """
    config: Any = model.config
    embeddings = part(model, architecture(config.model_type).embeddings)
    old = embeddings.position_embeddings
    first = 0 if old.padding_idx is None else old.padding_idx + 1
    if first + max_length >= old.num_embeddings:
        return
    keep_rows(embeddings, "position_embeddings", np.arange(first + max_length))
    for name in ("position_ids", "token_type_ids"):
        if hasattr(embeddings, name):
            setattr(embeddings, name, getattr(embeddings, name)[:, : first + max_length])
    config.max_position_embeddings = first + max_length


def keep_rows(model: nn.Module, path: str, kept: NDArray[np.int64]) -> None:
    """Keep the given rows of the embedding at `path`."""
    old = part(model, path)
    model.set_submodule(path, resized_embedding(old.weight.detach()[kept], old.padding_idx))


def resized_embedding(weight: Any, padding_idx: int | None) -> nn.Embedding:
    """Return an embedding with a copy of these weights."""
    from torch import nn

    rows, width = weight.shape
    return nn.Embedding(rows, width, padding_idx, _weight=weight.clone())


def say_heads(model: nn.Module, heads: int) -> None:
    """Write `edgepress_heads` where the heads do not add up to the hidden width."""
    from compress.models.modeling_edgepress import PRUNED

    config: Any = model.config
    if heads == getattr(config, architecture(config.model_type).config_heads):
        for name in ("edgepress_heads", "auto_map"):
            if hasattr(config, name):
                delattr(config, name)
        return
    config.edgepress_heads = heads
    auto = f"AutoModelFor{type(model).__name__.rpartition('For')[2]}"
    if auto in PRUNED:
        config.auto_map = {auto: f"modeling_edgepress.{PRUNED[auto][config.model_type].__name__}"}


def head_counts(model: nn.Module) -> tuple[int, int]:
    """Return (heads in each layer now, width of a head)."""
    config: Any = model.config
    parts = architecture(config.model_type)
    built = int(getattr(config, parts.config_heads))
    width = int(config.hidden_size) // built
    return int(getattr(config, "edgepress_heads", None) or built), width


def shares_heads(model: nn.Module) -> bool:
    """Tell whether all layers must keep the same heads."""
    config: Any = model.config
    return architecture(config.model_type).position_bias is not None


def _sliced_attention(
    model: nn.Module, parts: Architecture, kept: Sequence[NDArray[np.int64]]
) -> dict[str, Any]:
    _, width = head_counts(model)
    weights: dict[str, Any] = {}
    for number, heads in enumerate(kept):
        units = (heads[:, None] * width + np.arange(width)).ravel()
        for path in (parts.query, parts.key, parts.value):
            name = f"{parts.layers}.{number}.{path}"
            weights |= _named(name, linear_rows(part(model, name), units))
        name = f"{parts.layers}.{number}.{parts.attention_output}"
        weights |= _named(name, linear_columns(part(model, name), units))
    if parts.position_bias is not None:
        bias = part(model, parts.position_bias)
        weights[f"{parts.position_bias}.weight"] = bias.weight.detach()[:, kept[0]].clone()
    return weights


def _named(name: str, module: nn.Module) -> dict[str, Any]:
    return {f"{name}.{key}": value.detach() for key, value in module.named_parameters()}


def linear_rows(linear: nn.Linear, units: NDArray[np.int64]) -> nn.Linear:
    """Return a linear layer with the given outputs."""
    bias = None if linear.bias is None else linear.bias.detach()[units]
    return _linear(linear.weight.detach()[units], bias)


def linear_columns(linear: nn.Linear, units: NDArray[np.int64]) -> nn.Linear:
    """Return a linear layer with the given inputs."""
    bias = None if linear.bias is None else linear.bias.detach()
    return _linear(linear.weight.detach()[:, units], bias)


def _linear(weight: Any, bias: Any) -> nn.Linear:
    import torch
    from torch import nn

    outputs, inputs = weight.shape
    new = nn.Linear(inputs, outputs, bias is not None, weight.device, weight.dtype)
    with torch.no_grad():
        new.weight.copy_(weight)
        if bias is not None:
            new.bias.copy_(bias)
    return new
