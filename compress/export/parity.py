"""Check that an exported file computes the same as its source."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from compress.models.feeds import ExampleFeeds, Feeds
from runtimes.errors import AnswerError, QualityError
from runtimes.runtime import RUNTIMES, Runtime, TensorSpec, model_files, runs_in
from runtimes.soundness import require_sound

TOLERANCE = 1e-4
"""Allowed difference of a logit, relative to the largest logit (at least 1)."""

Run = Callable[[Feeds], NDArray[np.float32]]


def check_parity(
    expected: Run,
    exported: Run,
    examples: ExampleFeeds,
    max_length: int,
    path: Path,
    stated: TensorSpec | None = None,
    lengths: Sequence[int] = (),
) -> float:
    """Compare two models' logits at several shapes; return the largest difference.

    Differences are relative to the largest logit. `lengths` are those that the file has graphs of
    their own for: each is filled, and used with padding. Raises AnswerError when the source's
    logits are none, or not of the shape that its manifest has `stated`, QualityError for a
    difference beyond TOLERANCE.
    """
    worst = 0.0
    drawn: list[tuple[Feeds, NDArray[np.float32]]] = []
    for rows, length, padding in _shapes(max_length, lengths):
        feeds = examples.draw(rows, length, padding)
        logits = expected(feeds)
        if stated is not None:
            _require_shape(logits, stated, path)
        drawn.append((feeds, logits))
        _require_sound(drawn, f"the source of {path.name}")
        difference = _difference(logits, exported(feeds))
        if not difference <= TOLERANCE:
            raise QualityError(
                f"{path.name}: logits differ from the source's by {difference:.2g} of the largest"
                f" (batch {rows}, {length} tokens, {padding} of the last row's padding)",
                expected=f"at most {TOLERANCE:g}",
                action="report the architecture; do not deploy this export",
            )
        worst = max(worst, difference)
    return worst


def _require_shape(logits: NDArray[np.float32], stated: TensorSpec, path: Path) -> None:
    sizes = [size if isinstance(size, int) else None for size in stated.shape]
    if len(sizes) == logits.ndim and all(
        size in (None, seen) for size, seen in zip(sizes, logits.shape, strict=True)
    ):
        return
    raise AnswerError(
        f"the source of {path.name}: the model returned shape {logits.shape}",
        expected=f"{stated.shape}, as its artifact.json says of {stated.name!r}",
        action="make the artifact again, from the model that these labels belong to",
    )


def _require_sound(drawn: Sequence[tuple[Feeds, NDArray[np.float32]]], source: str) -> None:
    """Raise AnswerError when a source's logits are not finite, or the same for every row."""
    rows = [ids.tolist() for feeds, _ in drawn for ids in feeds["input_ids"]]
    require_sound(rows, [answer for _, logits in drawn for answer in logits], source)


def torch_run(model: Any) -> Run:
    """Return a function from a torch classifier's input arrays to its logits."""
    import torch

    def run(feeds: Feeds) -> NDArray[np.float32]:
        with torch.inference_mode():
            tensors = {name: torch.from_numpy(array) for name, array in feeds.items()}
            logits: NDArray[np.float32] = model(**tensors).logits.numpy()
        return logits

    return run


def file_run(folder: Path, model_format: str) -> Run:
    """Return a function from an exported folder's inputs to its logits, as in a bundle.

    Feeds that the model has no input for are left out, as in the bundle.
    """
    runtime: Runtime = RUNTIMES.resolve(runs_in(model_format))()
    opened = runtime.open(folder / model_files(model_format)[0], 1)
    inputs = [spec.name for spec in opened.inputs]

    def run(feeds: Feeds) -> NDArray[np.float32]:
        outputs = opened.run({name: feeds[name] for name in inputs})
        return np.asarray(
            outputs["logits"] if "logits" in outputs else next(iter(outputs.values()))
        )

    return run


def _shapes(max_length: int, lengths: Sequence[int]) -> Iterator[tuple[int, int, int]]:
    """Yield rows, tokens of a row, and how many of the last row's are padding."""
    longest = max(max_length, 2)
    middle = min(17, longest)
    yield from ((1, 2, 0), (1, min(8, longest), 0), (3, middle, middle // 3), (2, longest, 0))
    for length in lengths:
        yield from ((1, length, 0), (1, max(length - 3, 2), 0))


def _difference(expected: NDArray[Any], exported: NDArray[Any]) -> float:
    if expected.shape != exported.shape:
        return float("inf")
    scale = max(1.0, float(np.abs(expected).max()))
    return float(np.abs(expected - exported).max()) / scale
