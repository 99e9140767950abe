"""Narrow the residual stream: every layer then reads and writes fewer dimensions."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from compress.models.architectures import Architecture, architecture, part, parts_of
from compress.prune.slicing import (
    head_counts,
    linear_columns,
    linear_rows,
    resized_embedding,
    say_heads,
)
from runtimes.errors import RecipeError

if TYPE_CHECKING:
    from torch import nn


def prune_hidden(model: nn.Module, stream: NDArray[np.int64], head: NDArray[np.int64]) -> None:
    """Keep the given dimensions of the residual stream, and as many of the head's inner layer.

    A head without an inner layer reads the stream itself.

    Heads keep their width. If the heads do not add up to the new width, the model needs
    `edgepress_heads`; otherwise it is a plain transformers model.
    """
    config: Any = model.config
    parts = parts_of(model)
    heads, width = head_counts(model)
    _check_projection(model, len(stream))
    for path in stream_points(model):
        model.set_submodule(path, _narrow(part(model, path), stream))
    _narrow_embeddings(model, parts, stream)
    for layer in part(model, parts.layers):
        for path in (parts.query, parts.key, parts.value, parts.ffn_in):
            layer.set_submodule(path, linear_columns(part(layer, path), stream))
        for path in (parts.attention_output, parts.ffn_out):
            layer.set_submodule(path, linear_rows(part(layer, path), stream))
    inner = stream
    if parts.head_in is not None:
        inner = head
        narrow = linear_rows(linear_columns(part(model, parts.head_in), stream), head)
        model.set_submodule(parts.head_in, narrow)
    model.set_submodule(parts.head_out, linear_columns(_last_layer(model, parts), inner))
    config.hidden_size = len(stream)
    setattr(config, parts.config_heads, len(stream) // width)
    say_heads(model, heads)


def _last_layer(model: nn.Module, parts: Architecture) -> nn.Linear:
    """Return the head's linear layer; a head that is none gets one, so that its outputs stay."""
    from torch import nn

    last = part(model, parts.head_out)
    if isinstance(last, nn.Linear):
        return last
    from compress.tasks.sentence_encoder import with_dense

    return with_dense(model)


def hidden_width(model: nn.Module, wanted: int | None) -> tuple[int, int]:
    """Return the new width of the residual stream, and the number of heads that add up to it.

    Without `wanted`, both are the model's own. Raises RecipeError for a width that is no whole
    number of heads, or larger than the model's.
    """
    config: Any = model.config
    heads, width = head_counts(model)
    own = int(config.hidden_size)
    if wanted is None:
        return own, heads
    if wanted > own or wanted % width:
        raise RecipeError(
            f"prune: hidden = {wanted}",
            expected=f"at most {own}, the model's, and a multiple of {width}, a head's width",
            action=f"write hidden = {max(width, min(wanted, own) // width * width)}",
        )
    return wanted, wanted // width


def stream_points(model: nn.Module) -> list[str]:
    """Return the paths of the modules whose output is the residual stream.

    These are the layer norms, and ELECTRA's projection of narrower embeddings, whose norm comes
    before the stream.
    """
    from torch import nn

    config: Any = model.config
    parts = architecture(config.model_type)
    projection = _projection(model)
    names = dict(model.named_modules())
    before = f"{parts.embeddings}." if projection in names else None
    points = [
        name
        for name, module in names.items()
        if isinstance(module, nn.LayerNorm) and not (before and name.startswith(before))
    ]
    return [projection, *points] if before else points


def _check_projection(model: nn.Module, width: int) -> None:
    config: Any = model.config
    if _projection(model) in stream_points(model) and config.embedding_size == width:
        raise RecipeError(
            f"prune: hidden = {width}",
            expected=f"another width than embedding_size: at that one {config.model_type} has no"
            " projection from its embeddings",
            action="choose a width one head wider or narrower",
        )


def _projection(model: nn.Module) -> str:
    config: Any = model.config
    return f"{architecture(config.model_type).base}.embeddings_project"


def _narrow_embeddings(model: nn.Module, parts: Architecture, stream: NDArray[np.int64]) -> None:
    """Keep the given columns, unless a projection connects the embeddings to the stream."""
    from torch import nn

    config: Any = model.config
    if _projection(model) in stream_points(model):
        return
    embeddings = part(model, parts.embeddings)
    for name, old in list(embeddings.named_children()):
        if isinstance(old, nn.Embedding):
            new = resized_embedding(old.weight.detach()[:, stream], old.padding_idx)
            embeddings.set_submodule(name, new)
    if hasattr(config, "embedding_size"):
        config.embedding_size = len(stream)


def _narrow(module: nn.Module, stream: NDArray[np.int64]) -> nn.Module:
    """Return a layer norm or a linear layer with the given outputs."""
    import torch
    from torch import nn

    if isinstance(module, nn.Linear):
        return linear_rows(module, stream)
    assert isinstance(module, nn.LayerNorm)
    new = nn.LayerNorm(len(stream), module.eps)
    with torch.no_grad():
        new.weight.copy_(module.weight[stream])
        new.bias.copy_(module.bias[stream])
    return new
