"""Take the positions out of a model: a token's vector no longer says where it stands."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from compress.models.architectures import FULL, architecture
from runtimes.errors import UnsupportedError

if TYPE_CHECKING:
    from torch.nn import Parameter
    from transformers import PreTrainedModel


def require_positions(model_type: str) -> None:
    """Raise UnsupportedError for an architecture whose positions are no table of vectors alone."""
    if model_type in FULL and FULL[model_type].position_bias is None:
        return
    known = sorted(name for name, row in FULL.items() if row.position_bias is None)
    raise UnsupportedError(
        f"positions = false for the architecture {model_type!r}",
        available=", ".join(known),
        action="leave positions out",
    )


def drop_positions(model: PreTrainedModel) -> None:
    """Give every position the mean of all: its size is that which the layers were trained for."""
    import torch

    table = _table(model)
    with torch.no_grad():
        table[:] = table.mean(dim=0)


def keep_dropped(model: PreTrainedModel) -> None:
    """Do not train the positions of a model that has none: all their vectors are equal."""
    kind = model.config.model_type
    if kind in FULL and FULL[kind].position_bias is None:
        table = _table(model)
        table.requires_grad = bool((table != table[0]).any())


def _table(model: PreTrainedModel) -> Parameter:
    parts = architecture(model.config.model_type)
    table: Any = model.get_submodule(f"{parts.embeddings}.position_embeddings")
    weight: Parameter = table.weight
    return weight
