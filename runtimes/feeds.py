"""What every session checks before it runs a batch of texts."""

from __future__ import annotations

from runtimes.artifact import TensorSpec
from runtimes.errors import InputError
from runtimes.session import Feeds, check_feeds


def check_text_feeds(inputs: tuple[TensorSpec, ...], feeds: Feeds) -> None:
    """Raise InputError when feeds are not the session's inputs, or differ in shape.

    Ids, mask and types describe the same tokens. OpenVINO and transformers take a mask of nine
    tokens for a text of four without a word.
    """
    check_feeds(inputs, feeds)
    shapes = {name: array.shape for name, array in feeds.items()}
    if len(set(shapes.values())) > 1:
        raise InputError(
            "inputs of different shapes: "
            + ", ".join(f"{name} {shape}" for name, shape in shapes.items()),
            expected="one shape, (batch, sequence), for all of them",
        )
