"""Classifiers whose attention heads were removed, for transformers' `trust_remote_code=True`.

This file is copied beside config.json, so it imports torch and transformers only.
`config.edgepress_heads` is the number of remaining heads of each layer; `num_attention_heads` keeps
the original number, from which a head's width is computed.
"""

# transformers is untyped here, and a mix-in's super() is whichever class it is mixed into.
# mypy: disable-error-code="misc, call-arg"

from typing import Any

from torch import nn
from transformers import (
    BertForQuestionAnswering,
    BertForSequenceClassification,
    BertForTokenClassification,
    DistilBertForQuestionAnswering,
    DistilBertForSequenceClassification,
    DistilBertForTokenClassification,
    ElectraForQuestionAnswering,
    ElectraForSequenceClassification,
    ElectraForTokenClassification,
    MPNetForQuestionAnswering,
    MPNetForSequenceClassification,
    MPNetForTokenClassification,
    PretrainedConfig,
    PreTrainedModel,
    RobertaForQuestionAnswering,
    RobertaForSequenceClassification,
    RobertaForTokenClassification,
    XLMRobertaForQuestionAnswering,
    XLMRobertaForSequenceClassification,
    XLMRobertaForTokenClassification,
)

_BERT = ("encoder.layer", "attention.self", ("query", "key", "value"), "attention.output.dense")
_LAYOUTS = {
    "bert": _BERT,
    "roberta": _BERT,
    "xlm-roberta": _BERT,
    "electra": _BERT,
    "distilbert": (
        "transformer.layer",
        "attention",
        ("q_lin", "k_lin", "v_lin"),
        "attention.out_lin",
    ),
    "mpnet": ("encoder.layer", "attention.attn", ("q", "k", "v"), "attention.attn.o"),
}


def resize_heads(model: PreTrainedModel, heads: int) -> None:
    """Give every layer of a classifier `heads` attention heads of the same width, in place.

    The new projections are empty: load or copy their weights afterwards.
    """
    layers, attention_path, projections, output_path = _LAYOUTS[model.config.model_type]
    for layer in model.base_model.get_submodule(layers):
        attention = layer.get_submodule(attention_path)
        width = heads * attention.attention_head_size
        for name in projections:
            old = attention.get_submodule(name)
            attention.set_submodule(name, _blank(old, old.in_features, width))
        output = layer.get_submodule(output_path)
        layer.set_submodule(output_path, _blank(output, width, output.out_features))
        _count_heads(attention, heads)
    if model.config.model_type == "mpnet":
        _resize_position_bias(model.base_model.encoder, heads)


def _blank(old: nn.Linear, inputs: int, outputs: int) -> nn.Linear:
    weight = old.weight
    return nn.Linear(inputs, outputs, old.bias is not None, weight.device, weight.dtype)


def _count_heads(attention: Any, heads: int) -> None:
    width = heads * attention.attention_head_size
    for name, value in (
        ("num_attention_heads", heads),
        ("n_heads", heads),
        ("all_head_size", width),
        ("dim", width),
    ):
        if hasattr(attention, name):
            setattr(attention, name, value)


def _resize_position_bias(encoder: Any, heads: int) -> None:
    old = encoder.relative_attention_bias
    encoder.n_heads = heads
    encoder.relative_attention_bias = nn.Embedding(
        old.num_embeddings, heads, device=old.weight.device, dtype=old.weight.dtype
    )


class _PrunedHeads:
    """Build the model as its configuration says, then remove the pruned heads."""

    def __init__(self, config: PretrainedConfig) -> None:
        super().__init__(config)
        resize_heads(self, config.edgepress_heads)


class PrunedBertForSequenceClassification(_PrunedHeads, BertForSequenceClassification):
    """BERT with fewer heads, which classifies texts."""


class PrunedDistilBertForSequenceClassification(_PrunedHeads, DistilBertForSequenceClassification):
    """DistilBERT with fewer heads, which classifies texts."""


class PrunedElectraForSequenceClassification(_PrunedHeads, ElectraForSequenceClassification):
    """ELECTRA with fewer heads, which classifies texts."""


class PrunedMPNetForSequenceClassification(_PrunedHeads, MPNetForSequenceClassification):
    """MPNet with fewer heads, which classifies texts."""


class PrunedRobertaForSequenceClassification(_PrunedHeads, RobertaForSequenceClassification):
    """RoBERTa with fewer heads, which classifies texts."""


class PrunedXLMRobertaForSequenceClassification(_PrunedHeads, XLMRobertaForSequenceClassification):
    """XLM-RoBERTa with fewer heads, which classifies texts."""


class PrunedBertForTokenClassification(_PrunedHeads, BertForTokenClassification):
    """BERT with fewer heads, which labels tokens."""


class PrunedDistilBertForTokenClassification(_PrunedHeads, DistilBertForTokenClassification):
    """DistilBERT with fewer heads, which labels tokens."""


class PrunedElectraForTokenClassification(_PrunedHeads, ElectraForTokenClassification):
    """ELECTRA with fewer heads, which labels tokens."""


class PrunedMPNetForTokenClassification(_PrunedHeads, MPNetForTokenClassification):
    """MPNet with fewer heads, which labels tokens."""


class PrunedRobertaForTokenClassification(_PrunedHeads, RobertaForTokenClassification):
    """RoBERTa with fewer heads, which labels tokens."""


class PrunedXLMRobertaForTokenClassification(_PrunedHeads, XLMRobertaForTokenClassification):
    """XLM-RoBERTa with fewer heads, which labels tokens."""


class PrunedBertForQuestionAnswering(_PrunedHeads, BertForQuestionAnswering):
    """BERT with fewer heads, which answers questions."""


class PrunedDistilBertForQuestionAnswering(_PrunedHeads, DistilBertForQuestionAnswering):
    """DistilBERT with fewer heads, which answers questions."""


class PrunedElectraForQuestionAnswering(_PrunedHeads, ElectraForQuestionAnswering):
    """ELECTRA with fewer heads, which answers questions."""


class PrunedMPNetForQuestionAnswering(_PrunedHeads, MPNetForQuestionAnswering):
    """MPNet with fewer heads, which answers questions."""


class PrunedRobertaForQuestionAnswering(_PrunedHeads, RobertaForQuestionAnswering):
    """RoBERTa with fewer heads, which answers questions."""


class PrunedXLMRobertaForQuestionAnswering(_PrunedHeads, XLMRobertaForQuestionAnswering):
    """XLM-RoBERTa with fewer heads, which answers questions."""


PRUNED = {
    "AutoModelForQuestionAnswering": {
        "bert": PrunedBertForQuestionAnswering,
        "distilbert": PrunedDistilBertForQuestionAnswering,
        "electra": PrunedElectraForQuestionAnswering,
        "mpnet": PrunedMPNetForQuestionAnswering,
        "roberta": PrunedRobertaForQuestionAnswering,
        "xlm-roberta": PrunedXLMRobertaForQuestionAnswering,
    },
    "AutoModelForSequenceClassification": {
        "bert": PrunedBertForSequenceClassification,
        "distilbert": PrunedDistilBertForSequenceClassification,
        "electra": PrunedElectraForSequenceClassification,
        "mpnet": PrunedMPNetForSequenceClassification,
        "roberta": PrunedRobertaForSequenceClassification,
        "xlm-roberta": PrunedXLMRobertaForSequenceClassification,
    },
    "AutoModelForTokenClassification": {
        "bert": PrunedBertForTokenClassification,
        "distilbert": PrunedDistilBertForTokenClassification,
        "electra": PrunedElectraForTokenClassification,
        "mpnet": PrunedMPNetForTokenClassification,
        "roberta": PrunedRobertaForTokenClassification,
        "xlm-roberta": PrunedXLMRobertaForTokenClassification,
    },
}
"""The classes for a transformers auto class, by `model_type`."""
