"""Where each architecture keeps its layers, heads, FFN and embeddings."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from runtimes.errors import UnsupportedError

if TYPE_CHECKING:
    from torch import nn


@dataclass(frozen=True, slots=True)
class Architecture:
    """Name the parts of one `model_type`; paths are dotted attributes of the whole model.

    `base` is the backbone's attribute. Paths under `layers` are relative to one layer. `config_*`
    are the keys of config.json that change when a part is resized. `position_bias` is an embedding
    with one column a head that all layers share, if there is one. The classifier is `head_out`,
    which reads `head_in`'s output for the first token, or each token's state where there is none.
    """

    model_type: str
    base: str
    layers: str
    query: str
    key: str
    value: str
    attention_output: str
    attention_norm: str
    ffn_in: str
    ffn_out: str
    word_embeddings: str
    head_in: str | None
    head_out: str
    config_layers: str = "num_hidden_layers"
    config_heads: str = "num_attention_heads"
    config_ffn: str = "intermediate_size"
    position_bias: str | None = None
    stages: frozenset[str] = frozenset({"finetune", "distill", "prune", "quantize", "export"})

    @property
    def embeddings(self) -> str:
        """Return the path of the module that sums word, position and type embeddings."""
        return self.word_embeddings.rpartition(".")[0]


def _bert_like(
    model_type: str,
    base: str,
    head_in: str = "classifier.dense",
    head_out: str = "classifier.out_proj",
) -> Architecture:
    return Architecture(
        model_type=model_type,
        base=base,
        layers=f"{base}.encoder.layer",
        query="attention.self.query",
        key="attention.self.key",
        value="attention.self.value",
        attention_output="attention.output.dense",
        attention_norm="attention.output.LayerNorm",
        ffn_in="intermediate.dense",
        ffn_out="output.dense",
        word_embeddings=f"{base}.embeddings.word_embeddings",
        head_in=head_in,
        head_out=head_out,
    )


_FULL = (
    _bert_like("bert", "bert", head_in="bert.pooler.dense", head_out="classifier"),
    _bert_like("roberta", "roberta"),
    _bert_like("xlm-roberta", "roberta"),
    _bert_like("electra", "electra"),
    Architecture(
        model_type="distilbert",
        base="distilbert",
        layers="distilbert.transformer.layer",
        query="attention.q_lin",
        key="attention.k_lin",
        value="attention.v_lin",
        attention_output="attention.out_lin",
        attention_norm="sa_layer_norm",
        ffn_in="ffn.lin1",
        ffn_out="ffn.lin2",
        word_embeddings="distilbert.embeddings.word_embeddings",
        head_in="pre_classifier",
        head_out="classifier",
        config_layers="n_layers",
        config_heads="n_heads",
        config_ffn="hidden_dim",
    ),
    Architecture(
        model_type="mpnet",
        base="mpnet",
        layers="mpnet.encoder.layer",
        query="attention.attn.q",
        key="attention.attn.k",
        value="attention.attn.v",
        attention_output="attention.attn.o",
        attention_norm="attention.LayerNorm",
        ffn_in="intermediate.dense",
        ffn_out="output.dense",
        word_embeddings="mpnet.embeddings.word_embeddings",
        head_in="classifier.dense",
        head_out="classifier.out_proj",
        position_bias="mpnet.encoder.relative_attention_bias",
    ),
)

_ONE_LAYER_HEADS = {
    "ForTokenClassification": "classifier",
    "ForQuestionAnswering": "qa_outputs",
    "ForSentenceEmbedding": "dense",
}
"""Heads that are one layer, the same for every architecture, by the ending of a class's name."""

UNKNOWN = "unknown"
"""The `model_type` of a model that another tool exported and nothing describes."""

BAG = "bag"
"""The `model_type` of a student without layers, which the stage of that name makes."""

FULL = {row.model_type: row for row in _FULL}
"""Architectures that every stage supports."""

PARTIAL = {
    "deberta-v2": frozenset({"finetune", "quantize", "export"}),
    "modernbert": frozenset({"finetune", "quantize", "export"}),
    "albert": frozenset({"finetune", "quantize", "export"}),
}
"""Architectures that some stages support, by stage."""

_MADE = {BAG: frozenset({"quantize", "export"})}
"""What a stage makes and no teacher is, with the stages that take it."""


def supports(model_type: str, stage: str) -> bool:
    """Tell whether a stage supports this architecture."""
    if model_type in FULL:
        return stage in FULL[model_type].stages
    return stage in {**PARTIAL, **_MADE}.get(model_type, frozenset())


def require(model_type: str, stage: str) -> None:
    """Raise UnsupportedError when a stage does not support this architecture."""
    if supports(model_type, stage):
        return
    known = sorted(name for name in (*FULL, *PARTIAL) if supports(name, stage))
    raise UnsupportedError(
        f"{stage} does not support the architecture {model_type!r}",
        available=", ".join(known),
        action="leave the stage out, or start from a teacher of one of these",
    )


def architecture(model_type: str) -> Architecture:
    """Return the parts' names of an architecture that every stage supports."""
    if model_type not in FULL:
        require(model_type, "prune")
    return FULL[model_type]


def parts_of(model: nn.Module) -> Architecture:
    """Return the parts' names of a model, with those of its own head."""
    config: Any = model.config
    parts = architecture(config.model_type)
    last = _ONE_LAYER_HEADS.get(f"For{type(model).__name__.rpartition('For')[2]}")
    return replace(parts, head_in=None, head_out=last) if last else parts


def part(model: nn.Module, path: str) -> Any:
    """Return the submodule at a dotted path."""
    return model.get_submodule(path)
