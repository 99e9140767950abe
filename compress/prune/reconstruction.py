"""Refit the remaining weights of a pruned model, so that its states match the whole model's."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from compress.models.architectures import architecture, part
from compress.progress import Advance
from compress.training.batches import Encoded, in_order

if TYPE_CHECKING:
    from torch import Tensor, nn

_BATCH = 32
_RIDGE = 1e-2
"""The weight of the present weights against the fit, as a share of the inputs' mean square."""
_TOKENS = 32_768
"""Ten times the units of the widest FFN; their states must fit in memory for rows of any length."""


def reconstruct(model: nn.Module, whole: nn.Module, rows: Encoded, advance: Advance) -> None:
    """Refit the output projections of a pruned model, layer by layer, in place.

    Where heads or FFN units were removed, the attention output and the FFN's second linear layer
    are solved in closed form for the least squared difference from the whole model's residual
    stream, given the states after the refit of the layers below. All tokens have equal weight; rows
    are used up to 32,768 tokens. `whole` is the model before pruning.

    Source: Kwon et al. 2022, "A Fast Post-Training Pruning Framework for Transformers", section
    4.3, with a free projection instead of one factor for each unit. Their section 4.2 (rearranging
    masks by a layer's Fisher matrix) is left out: after the refit it loses more than it gains.
    """
    import torch

    config: Any = model.config
    parts = architecture(config.model_type)
    blocks = ((parts.query, parts.attention_output), (parts.ffn_in, parts.ffn_out))
    with torch.no_grad():
        few = _first_tokens(rows)
        mine, theirs = (_first_calls(one, parts.layers, few) for one in (model, whole))
        for small, large in zip(part(model, parts.layers), part(whole, parts.layers), strict=True):
            wanted = [_Seen.of(large, blocks, call).after for call in theirs]
            for reads, writes in blocks:
                if part(small, writes).in_features < part(large, writes).in_features:
                    seen = (_Seen.of(small, ((reads, writes),), call) for call in mine)
                    _refit(part(small, writes), writes, seen, wanted)
            for calls, layer in ((mine, small), (theirs, large)):
                for call in calls:
                    call.states = call.run(layer)
            advance(1, "")


def _refit(
    linear: Any, name: str, seen: Iterable[_Seen], wanted: Iterable[dict[str, Tensor]]
) -> None:
    """Solve a projection (outputs, inputs) and its bias by ridge regression around itself."""
    import torch

    inputs = linear.in_features + 1
    gram = torch.zeros(inputs, inputs, dtype=torch.float64)
    cross = torch.zeros(inputs, linear.out_features, dtype=torch.float64)
    for mine, after in zip(seen, wanted, strict=True):
        units = mine.units[name]
        units = torch.cat([units, torch.ones(len(units), 1)], 1).double()
        gram += units.T @ units
        cross += units.T @ (after[name] - mine.after[name]).double()
    gram += _RIDGE * gram[:-1, :-1].diagonal().mean() * torch.eye(inputs, dtype=torch.float64)
    step = torch.linalg.solve(gram, cross).to(linear.weight.dtype)
    linear.weight += step[:-1].T
    linear.bias += step[-1]


@dataclass(slots=True)
class _Call:
    """Hold a layer's arguments for one batch, and which tokens are not padding."""

    states: Tensor
    others: tuple[Any, ...]
    named: dict[str, Any]
    real: Tensor

    def run(self, layer: nn.Module) -> Tensor:
        output = layer(self.states, *self.others, **self.named)
        states: Tensor = output[0] if isinstance(output, tuple) else output
        return states


@dataclass(frozen=True, slots=True)
class _Seen:
    """Hold each block's units, and the stream after it, (tokens, width), by last module."""

    units: dict[str, Tensor]
    after: dict[str, Tensor]

    @classmethod
    def of(cls, layer: nn.Module, blocks: Sequence[tuple[str, str]], call: _Call) -> _Seen:
        """Run a layer; a block is a pair of modules that read from the stream and write to it."""
        seen = cls({}, {})
        with _hooked([hook for block in blocks for hook in seen._watch(layer, *block, call.real)]):
            call.run(layer)
        return seen

    def _watch(self, layer: nn.Module, reads: str, writes: str, real: Tensor) -> Iterator[Any]:
        def before(_: Any, inputs: tuple[Any, ...]) -> None:
            self.after[writes] = inputs[0][real]

        def after(_: Any, inputs: tuple[Any, ...], output: Any) -> None:
            self.units[writes] = inputs[0][real]
            self.after[writes] = self.after[writes] + output[real]

        yield part(layer, reads).register_forward_pre_hook(before)
        yield part(layer, writes).register_forward_hook(after)


class _ReachedError(Exception):
    """End a forward pass at the requested layer."""


def _first_tokens(rows: Encoded) -> Encoded:
    """Return the first rows, at least one, up to the number of tokens that are used."""
    count = max(1, int((np.cumsum(rows.lengths()) <= _TOKENS).sum()))
    return rows.first(count)


def _first_calls(model: nn.Module, layers: str, rows: Encoded) -> list[_Call]:
    """Return the arguments of a model's first layer, one for each batch, shortest rows first."""
    calls: list[_Call] = []

    def keep(_: Any, inputs: tuple[Any, ...], named: dict[str, Any]) -> None:
        calls.append(_Call(inputs[0], inputs[1:], named, batch.inputs["attention_mask"].bool()))
        raise _ReachedError

    with _hooked([part(model, layers)[0].register_forward_pre_hook(keep, with_kwargs=True)]):
        for batch in in_order(rows, _BATCH):
            with suppress(_ReachedError):
                model(**batch.inputs)
    return calls


@contextmanager
def _hooked(hooks: Sequence[Any]) -> Iterator[None]:
    try:
        yield
    finally:
        for hook in hooks:
            hook.remove()
