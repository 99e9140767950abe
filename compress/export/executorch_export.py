"""Export a torch classifier to ExecuTorch, for XNNPACK, with one bounded dynamic length."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from compress.graph.executorch_program import lower, trace, traceable
from compress.models.feeds import ExampleFeeds

_EXAMPLE = 8


def export_executorch(
    model: Any, examples: ExampleFeeds, names: tuple[str, ...], max_length: int, path: Path
) -> dict[str, float]:
    """Write a classifier's .pte file with int64 inputs `names` (1, tokens) and output logits.

    Returns how often each operator runs outside XNNPACK. Raises BackendError when the model cannot
    be traced or lowered.
    """
    drawn = examples.draw(1, _EXAMPLE)
    feeds = {name: drawn[name] for name in names}
    return lower(trace(traceable(model), feeds, max_length), path)
