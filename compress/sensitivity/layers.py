"""How important each layer of a torch model is: left out alone, and by Fisher importance."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from compress.answers.effect import Effect, compared
from compress.answers.trained import Inference
from compress.data.rows import Rows
from compress.models.architectures import architecture, part, require
from compress.progress import Progress
from compress.prune.importance import fisher_importance
from runtimes.artifact import Artifact

if TYPE_CHECKING:
    from torch import nn


@dataclass(frozen=True, slots=True)
class LayerCost:
    """Hold a layer's importance: the effect of skipping it, and its share of Fisher importance."""

    layer: int
    fisher_share: float
    skipped: Effect


def layer_costs(
    model: Artifact, rows: Rows, seed: int, progress: Progress
) -> tuple[LayerCost, ...]:
    """Return the layers of a torch classifier, the most important first.

    A skipped layer passes its input on. Runs the model on the rows once for each layer, and once
    with gradients. Raises UnsupportedError for an architecture whose layers are unknown.
    """
    require(model.model_type, "prune")
    run = Inference.of(model, rows.inputs)
    network, task = run.network, run.task
    layers = list(part(network, architecture(model.model_type).layers))
    with progress.task("layers", len(layers) + 1) as advance:
        reference = run.answers()
        advance(1, "")
        effects = []
        for layer in layers:
            with _skipped(layer):
                given = run.answers()
                effects.append(compared(task, reference, given, rows.targets, model.labels))
            advance(1, "")
    with progress.task("importance", len(run.rows)) as advance:
        mass = fisher_importance(network, run.rows, task, seed, advance)
    share = mass.heads.sum(axis=1) + mass.ffn.sum(axis=1)
    share = share / share.sum()
    costs = [LayerCost(place, float(share[place]), effect) for place, effect in enumerate(effects)]
    return tuple(sorted(costs, key=lambda cost: -cost.skipped.kl))


@contextmanager
def _skipped(layer: nn.Module) -> Iterator[None]:
    """Make a layer return its input."""
    hook = layer.register_forward_hook(_pass_on())
    try:
        yield
    finally:
        hook.remove()


def _pass_on() -> Callable[[Any, tuple[Any, ...], Any], Any]:
    def replace(_: Any, inputs: tuple[Any, ...], output: Any) -> Any:
        return (inputs[0], *output[1:]) if isinstance(output, tuple) else inputs[0]

    return replace
