"""Take the positions out of a model: a token's vector no longer says where it stands."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from compress.models.architectures import FULL, architecture
from runtimes.errors import UnsupportedError

if TYPE_CHECKING:
    from torch.nn import Parameter
    from transformers import PreTrainedModel


_TYPED = frozenset(("bert", "electra"))
"""Architectures whose token types say in which text of a pair a token is."""


def may_drop(model_type: str, *, pairs: bool) -> bool:
    """Tell whether a model can do without positions: they are a table of vectors alone.

    Of `pairs` nothing but types would say which text a token is in.
    """
    plain = model_type in FULL and FULL[model_type].position_bias is None
    return plain and (model_type in _TYPED or not pairs)


def require_positions(model_type: str, *, pairs: bool) -> None:
    """Raise UnsupportedError for an architecture that cannot do without positions."""
    if may_drop(model_type, pairs=pairs):
        return
    task = " and pairs: without token types nothing else tells both texts apart" if pairs else ""
    raise UnsupportedError(
        f"positions = false for the architecture {model_type!r}{task}",
        available=", ".join(sorted(name for name in FULL if may_drop(name, pairs=pairs))),
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
