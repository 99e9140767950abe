"""A torch classifier as the converters of mobile runtimes take it: tensors in, logits out."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from compress.graph.plain_mask import plain_masks
from compress.models.feeds import ExampleFeeds, Feeds
from runtimes.artifact import Artifact
from runtimes.runtime import TensorSpec


def inputs_of(source: Artifact, examples: ExampleFeeds) -> tuple[TensorSpec, ...]:
    """Return the inputs that differ from text to text; token types that are always 0 are none."""
    constant = {"token_type_ids"} if examples.opening.one_type else set()
    return tuple(spec for spec in source.inputs if spec.name not in constant)


def logits_of(model: Any) -> Any:
    """Wrap a transformers classifier in a module that returns its logits alone."""
    import torch

    class Logits(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.model = model

        # torch.export's dynamic shapes need arguments with names of their own
        def forward(
            self, input_ids: Any, attention_mask: Any = None, token_type_ids: Any = None
        ) -> dict[str, Any]:
            given = {"attention_mask": attention_mask, "token_type_ids": token_type_ids}
            others = {name: tensor for name, tensor in given.items() if tensor is not None}
            return {"logits": self.model(input_ids=input_ids, **others).logits}

    return Logits().eval()


def tensors(feeds: Feeds) -> dict[str, Any]:
    """Return input arrays as torch tensors."""
    import torch

    return {name: torch.from_numpy(array) for name, array in feeds.items()}


@contextmanager
def tracing() -> Iterator[None]:
    """Trace with plain masks and without gradients; a converter's warnings are no user's."""
    import torch

    with plain_masks(), torch.no_grad(), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield
