"""Encoders whose output is a text's vector: pooling, a linear layer and normalization inside.

It imports torch and transformers, so other modules import it in the functions that need it.
"""

# transformers is untyped here.
# mypy: disable-error-code="misc, no-untyped-call"

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from transformers import MODEL_MAPPING
from transformers.utils import ModelOutput

from compress.tasks.sentence import FIELD, Pooled, dense_weights, read_pooled
from runtimes.errors import ArtifactError, RecipeError, first_line

_SMALLEST = 1e-12
"""A shorter vector is divided by this, as in torch's `normalize`."""


@dataclass
class Embedding(ModelOutput):
    """Hold the vectors of a batch, shape (rows, dimensions), and where asked all hidden states.

    `basis` (dimensions, full) leads vectors that were cut back to the teacher's dimensions; a graph
    that is exported does not return it.
    """

    logits: Any = None
    hidden_states: Any = None
    basis: Any = None


class AutoModelForSentenceEmbedding:
    """Load an encoder with its pooling, as a transformers auto class does."""

    _resize: Callable[[Any, int], None] | None = None

    @classmethod
    def resized(cls, resize: Callable[[Any, int], None]) -> Any:
        """Return the class for models with fewer heads than their width says; `resize` cuts them.

        It takes a model that was just built, and `config.edgepress_heads`.
        """
        return type(cls.__name__, (cls,), {"_resize": staticmethod(resize)})

    @classmethod
    def from_pretrained(cls, folder: Path, *, config: Any, **options: Any) -> Any:
        """Return the model and what loading it missed.

        A folder of sentence-transformers keeps the weights of its linear layer in another file.
        """
        asked: int | None = (getattr(config, FIELD, None) or {}).get("dimensions")
        own = read_pooled(folder, _said_by(config))
        new = asked is not None and asked != own.dimensions
        pooled = replace(own, dimensions=asked or 0, dense=True, full=None) if new else own
        setattr(config, FIELD, pooled.to_json())
        kind: Any = type(config)
        built = _class_of(kind, cls._resize)
        model, loading = built.from_pretrained(folder, config=config, **options)
        weights = None if new else dense_weights(folder)
        blank = [name for name in loading["missing_keys"] if name.startswith("dense.")]
        if weights is not None and blank:
            _load_dense(model, weights)
            missing = [name for name in loading["missing_keys"] if name not in blank]
            loading = {**loading, "missing_keys": missing}
        return model, loading


def reduce_vectors(model: Any, basis: Any) -> None:
    """Fold a projection (fewer, dimensions) of the vector into the model's linear layer.

    The model keeps it to compare its vectors with a teacher's; exports leave it out. Raises
    RecipeError for a model whose linear layer has an activation, or was cut before.
    """
    pooled = Pooled(**getattr(model.config, FIELD))
    fewer, dimensions = basis.shape
    if pooled.activation != "identity" or pooled.full is not None or fewer > pooled.dimensions:
        raise RecipeError(
            f"dimensions = {fewer} of a vector with {pooled.dimensions}"
            + (", which was cut before" if pooled.full else "")
            + (f", after {pooled.activation}" if pooled.activation != "identity" else ""),
            expected="fewer than the vector has, once, of a linear output",
            action="lower dimensions, or leave it out",
        )
    with_dense(model)
    old = model.dense
    new = nn.Linear(old.in_features, fewer)
    with torch.no_grad():
        new.weight.copy_(basis @ old.weight)
        new.bias.copy_(basis @ old.bias)
    model.dense = new
    model.register_buffer("basis", basis.clone())
    _say(model, replace(pooled, dimensions=fewer, dense=True, full=dimensions))


def with_dense(model: Any) -> nn.Linear:
    """Return the model's linear layer; one that changes nothing is put in where it has none."""
    if not isinstance(model.dense, nn.Linear):
        pooled = Pooled(**getattr(model.config, FIELD))
        model.dense = nn.Linear(pooled.dimensions, pooled.dimensions)
        with torch.no_grad():
            model.dense.weight.copy_(torch.eye(pooled.dimensions))
            model.dense.bias.zero_()
        _say(model, replace(pooled, dense=True))
    dense: nn.Linear = model.dense
    return dense


def lifted(output: Embedding) -> Tensor:
    """Return a batch's vectors in the teacher's dimensions."""
    vectors: Tensor = output.logits
    return vectors if output.basis is None else vectors @ output.basis


def _say(model: Any, pooled: Pooled) -> None:
    setattr(model.config, FIELD, pooled.to_json())


def _said_by(config: Any) -> dict[str, Any]:
    """Return a configuration without what `Task.configure` asked of a new head."""
    content: dict[str, Any] = config.to_dict()
    known = content.get(FIELD)
    return content if known and "pooling" in known else {**content, FIELD: None}


def _load_dense(model: Any, file: Path) -> None:
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    try:
        weights = load_file(file)
        named = {name.removeprefix("linear."): tensor for name, tensor in weights.items()}
        model.dense.load_state_dict({"bias": torch.zeros_like(model.dense.bias), **named})
    except (SafetensorError, OSError, RuntimeError) as error:
        raise ArtifactError(
            f"{file}: not the weights of its Dense module ({first_line(error)})",
            expected="linear.weight and linear.bias, of the sizes in its config.json",
            action="copy or save the model again; a pickle must be converted to safetensors",
        ) from error


@cache
def _class_of(config: Any, resize: Any) -> Any:
    """Return the encoder's class for an architecture's configuration, as transformers names its."""
    backbone = MODEL_MAPPING[config]
    base = backbone.__mro__[1]
    name = f"{config.__name__.removesuffix('Config')}ForSentenceEmbedding"
    poolerless = "add_pooling_layer" in inspect.signature(backbone).parameters

    def build(self: Any, settings: Any) -> None:
        base.__init__(self, settings)
        options = {"add_pooling_layer": False} if poolerless else {}
        setattr(self, self.base_model_prefix, backbone(settings, **options))
        _add_head(self, Pooled(**getattr(settings, FIELD)))
        if resize is not None:
            resize(self, settings.edgepress_heads)
        self.post_init()

    return type(name, (base,), {"__init__": build, "forward": _forward, "__module__": __name__})


def _add_head(model: Any, pooled: Pooled) -> None:
    width = int(model.config.hidden_size)
    model.dense = nn.Linear(width, pooled.dimensions) if pooled.dense else nn.Identity()
    full = pooled.full
    model.register_buffer("basis", None if full is None else torch.eye(pooled.dimensions, full))


def _forward(
    self: Any,
    input_ids: Any = None,
    attention_mask: Any = None,
    token_type_ids: Any = None,
    inputs_embeds: Any = None,
    output_hidden_states: bool | None = None,
) -> Any:
    """Return the vectors of a batch of texts."""
    pooled = Pooled(**getattr(self.config, FIELD))
    inputs = {"token_type_ids": token_type_ids, "inputs_embeds": inputs_embeds}
    states = self.base_model(
        input_ids=input_ids,
        attention_mask=attention_mask,
        output_hidden_states=output_hidden_states,
        return_dict=True,
        **{name: value for name, value in inputs.items() if value is not None},
    )
    vectors = self.dense(_POOLED[pooled.pooling](states.last_hidden_state, attention_mask))
    if pooled.activation == "tanh":
        vectors = torch.tanh(vectors)
    if pooled.normalize:
        vectors = torch.nn.functional.normalize(vectors, dim=1, eps=_SMALLEST)
    basis = None if torch.compiler.is_exporting() else self.basis
    return Embedding(logits=vectors, hidden_states=states.hidden_states, basis=basis)


def _mean(states: Tensor, mask: Tensor) -> Tensor:
    kept = mask.unsqueeze(-1).to(states.dtype)
    return (states * kept).sum(dim=1) / kept.sum(dim=1)


def _first(states: Tensor, _mask: Tensor) -> Tensor:
    return states[:, 0]


def _largest(states: Tensor, mask: Tensor) -> Tensor:
    hidden = mask.unsqueeze(-1) == 0
    return states.masked_fill(hidden, torch.finfo(states.dtype).min).amax(dim=1)


_POOLED = {"mean": _mean, "cls": _first, "max": _largest}
