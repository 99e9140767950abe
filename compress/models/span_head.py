"""Models that answer questions, with the logits of starts and ends as one output."""

from __future__ import annotations

from typing import Any

_ENDING = "ForQuestionAnswering"


def spans_as_logits(model: Any) -> Any:
    """Let a model of spans return `logits` (batch, tokens, 2): each token's start and end logit.

    transformers returns `start_logits` and `end_logits`; every stage and every export reads one
    output, `logits`. The weights, their names and what is saved stay transformers' own. A model of
    another kind is returned as it is.
    """
    kind = type(model)
    if not kind.__name__.endswith(_ENDING):
        return model
    import torch
    from transformers.modeling_outputs import TokenClassifierOutput

    class Spans(kind):  # type: ignore[misc, valid-type]
        # torch.export's dynamic shapes need arguments with names of their own
        def forward(
            self,
            input_ids: Any = None,
            attention_mask: Any = None,
            token_type_ids: Any = None,
            **options: Any,
        ) -> TokenClassifierOutput:
            if token_type_ids is not None:
                options["token_type_ids"] = token_type_ids
            said = super().forward(input_ids=input_ids, attention_mask=attention_mask, **options)
            return TokenClassifierOutput(
                logits=torch.stack((said.start_logits, said.end_logits), dim=-1),
                hidden_states=said.hidden_states,
                attentions=said.attentions,
            )

    Spans.__name__ = Spans.__qualname__ = kind.__name__
    model.__class__ = Spans
    return model
