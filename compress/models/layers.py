"""Keep some of a model's layers: evenly spaced ones, or named ones."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from compress.models.architectures import architecture, part
from runtimes.errors import RecipeError

if TYPE_CHECKING:
    from torch import nn


def evenly_spaced(total: int, keep: int) -> tuple[int, ...]:
    """Return `keep` of `total` layer numbers, evenly spaced, the last one always included.

    6 → 3 gives (1, 3, 5). Raises RecipeError unless 1 ≤ keep ≤ total.
    """
    if not 1 <= keep <= total:
        raise RecipeError(
            f"layers = {keep}",
            expected=f"1 to {total}: the model has {total} layers",
            action="ask for fewer layers, or leave `layers` out to keep all",
        )
    return tuple((place + 1) * total // keep - 1 for place in range(keep))


def keep_layers(model: nn.Module, indices: Sequence[int]) -> None:
    """Keep the given layers, in the given order."""
    from torch import nn

    config: Any = model.config
    parts = architecture(config.model_type)
    old = part(model, parts.layers)
    model.set_submodule(parts.layers, nn.ModuleList(old[index] for index in indices))
    setattr(config, parts.config_layers, len(indices))
