"""Input arrays of an exported model, and examples of them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from compress.models.opening import Opening
from compress.tasks import task_of
from runtimes.artifact import Artifact
from runtimes.parsing import parse_json
from runtimes.tokenizing import load_tokenizer

Feeds = dict[str, NDArray[np.int64]]
"""Inputs by name, each of shape (rows, tokens)."""


@dataclass(frozen=True, slots=True)
class ExampleFeeds:
    """Draw inputs for a classifier with this tokenizer."""

    inputs: tuple[str, ...]
    vocabulary: int
    pad_id: int
    opening: Opening

    @classmethod
    def of(cls, artifact: Artifact) -> ExampleFeeds:
        """Read the vocabulary size, padding and opening of an artifact's tokenizer."""
        tokenizer = load_tokenizer(artifact.path, artifact.max_length)
        pad = _pad_token(artifact.path)
        pad_id = tokenizer.token_to_id(pad) if pad else None
        names = tuple(spec.name for spec in artifact.inputs)
        pairs = task_of(artifact.task).pairs
        opening = Opening.of(artifact.path, artifact.max_length, pairs=pairs)
        return cls(names, tokenizer.get_vocab_size(), pad_id or 0, opening)

    def draw(self, rows: int, length: int, padding: int = 0) -> Feeds:
        """Return int64 (rows, length) arrays; the last row ends with `padding` masked tokens.

        Rows begin as the tokenizer's rows do, since a graph may rely on this.
        """
        source = np.random.default_rng(rows * 4099 + length)
        ids = source.integers(0, self.vocabulary, (rows, length))
        ids[ids == self.pad_id] = (self.pad_id + 1) % self.vocabulary  # no text holds padding
        if self.opening.first_id is not None:
            ids[:, 0] = self.opening.first_id
        mask = np.ones_like(ids)
        if padding:
            mask[-1, -padding:] = 0
            ids[-1, -padding:] = self.pad_id
        types = np.zeros_like(ids)
        if not self.opening.one_type:
            types[:, length // 2 :] = 1
        columns = {"input_ids": ids, "attention_mask": mask, "token_type_ids": types * mask}
        return {name: columns[name] for name in self.inputs}


def _pad_token(folder: Path) -> str | None:
    path = folder / "tokenizer_config.json"
    content = parse_json(path.read_text(encoding="utf-8")) if path.is_file() else {}
    token = content.get("pad_token")
    return token.get("content") if isinstance(token, dict) else token
