"""The outline of a model: what stages know of it before they run."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

from compress.models.torch_model import load_config
from compress.stage import TORCH, Outline
from runtimes.artifact import Artifact
from runtimes.errors import RecipeError


def outline_of(model: Artifact) -> Outline:
    """Return the outline from a model's manifest and a torch model's configuration."""
    return Outline(
        format=model.format,
        precision=model.precision,
        model_type=model.model_type,
        task=model.task,
        layers=load_config(model.path).num_hidden_layers if model.format == TORCH else None,
    )


def cut_layers(source: Outline, kind: str, layers: int | None, keep: Sequence[int] = ()) -> Outline:
    """Return the outline with so many `layers`, or with the layers that `keep` names.

    Raises RecipeError when the source has too few.
    """
    depth = source.layers
    wanted = max((layers or 0, *(place + 1 for place in keep)))
    if depth is not None and wanted > depth:
        raise RecipeError(
            f"{kind} keeps layer {wanted} of a model with {depth}",
            expected=f"layers from 1 to {depth}" if layers else f"places from 0 to {depth - 1}",
            action="lower it; stages run in the order of the recipe",
        )
    kept = len(keep) or depth if layers is None else layers
    return dataclasses.replace(source, layers=kept)
