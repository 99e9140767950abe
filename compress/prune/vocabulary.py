"""Reduce a model and its tokenizer to the word pieces that a task needs."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from compress.models.architectures import architecture, part
from compress.prune.pieces import PieceChoice, choose_pieces, token_ids, unknown_id
from compress.prune.slicing import keep_rows
from compress.prune.tokenizer_json import (
    Tree,
    id_table,
    pieces_of,
    rewrite_tokenizer,
    rewrite_tokenizer_config,
)
from compress.stage import RunContext
from compress.tasks import task_of
from runtimes.artifact import Artifact
from runtimes.errors import ArtifactError, QualityError
from runtimes.files import write_json
from runtimes.parsing import parse_json
from runtimes.tokenizing import encode_all, load_tokenizer

if TYPE_CHECKING:
    from tokenizers import Tokenizer
    from torch import nn


@dataclass(frozen=True, slots=True)
class Spelling:
    """Hold how a tokenizer splits some rows, without special tokens."""

    mean_tokens: float
    unknown_share: float


def prune_vocabulary(
    model: nn.Module, source: Artifact, context: RunContext, choice: PieceChoice, folder: Path
) -> dict[str, float]:
    """Drop the pieces that the task does not need: tokenizer files, embedding rows, config.

    The tokenizer files are written to `folder`; the model is changed in place. Pieces are counted
    over train and unlabeled text only. Where an alphabet of the seen characters makes more than
    `choice.most_unknown` of the validation rows' pieces unknown, all characters stay, with a
    warning. Returns figures on the validation rows, and the growth in length of the counted rows.
    Raises ArtifactError when the tokenizer does not fit the model.
    """
    config: Any = model.config
    old = load_tokenizer(source.path, source.max_length)
    tree = parse_json((source.path / "tokenizer.json").read_text(encoding="utf-8"))
    task, data = task_of(source.task), context.data
    texts = [task.text(value) for value in (*data.train.inputs, *data.unlabeled)]
    validation = [task.text(value) for value in data.validation.inputs]
    counts = count_pieces(old, texts)

    def cut(choice: PieceChoice) -> tuple[NDArray[np.int64], Tokenizer, dict[str, float]]:
        kept = choose_pieces(tree, counts, choice, config)
        table = id_table(kept, len(pieces_of(tree)))
        _write_files(source.path, tree, table, folder)
        new = load_tokenizer(folder, source.max_length)
        return kept, new, _figures(old, new, tree, table, validation)

    kept, new, figures = cut(choice)
    if choice.alphabet != "all" and (lost := _lost(figures)) > choice.most_unknown:
        context.progress.warn(
            f"prune: alphabet = {choice.alphabet!r} makes {lost:.2%} of the validation rows'"
            f" pieces unknown, over most_unknown = {choice.most_unknown:g}: all characters stay"
        )
        kept, new, figures = cut(dataclasses.replace(choice, alphabet="all"))
    table = id_table(kept, len(pieces_of(tree)))
    growth = _check_rows(old, new, table, unknown_id(tree), texts)
    _slice_embeddings(model, kept)
    _renumber(config, table)
    return figures | {"counted_token_growth": growth}


def count_pieces(tokenizer: Tokenizer, texts: Sequence[Any]) -> NDArray[np.int64]:
    """Return how often each id occurs in the texts."""
    counts = np.zeros(tokenizer.get_vocab_size(), dtype=np.int64)
    for row in encode_all(tokenizer, texts):
        np.add.at(counts, row.ids, 1)
    return counts


def spelling(tokenizer: Tokenizer, texts: Sequence[Any], unknown: int | None) -> Spelling:
    """Return the mean length and the share of unknown pieces over some texts."""
    rows = encode_all(tokenizer, texts, add_special_tokens=False)
    tokens = sum(len(row.ids) for row in rows)
    unknowns = sum(int(index == unknown) for row in rows for index in row.ids)
    return Spelling(tokens / max(1, len(rows)), unknowns / max(1, tokens))


def _lost(figures: dict[str, float]) -> float:
    """Return the share of unknown pieces that dropping pieces has added."""
    return figures["validation_unknown_share"] - figures["validation_unknown_share_before"]


def _slice_embeddings(model: nn.Module, kept: NDArray[np.int64]) -> None:
    config: Any = model.config
    path = architecture(config.model_type).word_embeddings
    rows = part(model, path).num_embeddings
    if len(kept) and kept[-1] >= rows:
        raise ArtifactError(
            f"the tokenizer has piece {int(kept[-1])}, the model has {rows} rows",
            expected="a tokenizer.json that belongs to this model",
            action="copy the tokenizer that the model was trained with",
        )
    keep_rows(model, path, kept)
    config.vocab_size = len(kept)


def _renumber(config: Any, table: NDArray[np.int64]) -> None:
    for name, index in token_ids(config).items():
        setattr(config, name, int(table[index]) if 0 <= index < len(table) else None)


def _write_files(source: Path, tree: Tree, table: NDArray[np.int64], folder: Path) -> None:
    write_json(folder / "tokenizer.json", rewrite_tokenizer(tree, table))
    settings = source / "tokenizer_config.json"
    if settings.is_file():
        content = parse_json(settings.read_text(encoding="utf-8"))
        write_json(folder / settings.name, rewrite_tokenizer_config(content, table))


def _check_rows(
    old: Tokenizer,
    new: Tokenizer,
    table: NDArray[np.int64],
    unknown: int | None,
    texts: Sequence[Any],
) -> float:
    """Return how much longer the counted rows became, 1.0 if none of their pieces was dropped.

    Raises QualityError unless every row whose pieces all stay is split into the same pieces as
    before, and no row has more unknown pieces.
    """
    before, after = encode_all(old, texts), encode_all(new, texts)
    for text, was, now in zip(texts, before, after, strict=True):
        ids = table[was.ids]
        whole = bool((ids >= 0).all())
        if (whole and ids.tolist() != now.ids) or _unknowns(
            now, None if unknown is None else int(table[unknown])
        ) > _unknowns(was, unknown):
            raise QualityError(
                f"the pruned tokenizer spells {text[:60]!r} in another way than before",
                expected=" ".join(was.tokens[:20]),
                available=" ".join(now.tokens[:20]),
                action="set vocabulary = false for this tokenizer, and report it",
            )
    lengths = [sum(len(row.ids) for row in rows) for rows in (after, before)]
    return round(lengths[0] / max(1, lengths[1]), 6)


def _unknowns(row: Any, unknown: int | None) -> int:
    return 0 if unknown is None else row.ids.count(unknown)


def _figures(
    old: Tokenizer,
    new: Tokenizer,
    tree: Tree,
    table: NDArray[np.int64],
    texts: Sequence[Any],
) -> dict[str, float]:
    unknown = unknown_id(tree)
    before = spelling(old, texts, unknown)
    after = spelling(new, texts, None if unknown is None else int(table[unknown]))
    return {
        "pieces_before": len(table),
        "pieces": int((table >= 0).sum()),
        "validation_unknown_share_before": round(before.unknown_share, 6),
        "validation_unknown_share": round(after.unknown_share, 6),
        "validation_token_growth": round(after.mean_tokens / max(before.mean_tokens, 1e-9), 6),
    }
