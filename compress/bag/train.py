"""Train a bag student against a teacher."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from compress.bag.graph import IDS
from compress.bag.network import Bag
from compress.bag.pairs import Pair
from compress.distill.rows import TrainingRows
from compress.stage import RunContext
from compress.tasks import Task, task_of
from compress.training.batches import Encoded, encode
from compress.training.loop import Fitted, Loss, TrainPlan, fit
from runtimes.artifact import Artifact
from runtimes.encoder import padding_id
from runtimes.fast_encoder import Encoded as Ids
from runtimes.piece_pairs import PiecePairs
from runtimes.tokenizing import load_tokenizer

if TYPE_CHECKING:
    from tokenizers import Tokenizer


@dataclass(frozen=True, slots=True)
class Pieces:
    """Encode texts as a model's own tokenizer does; `config` is the model's."""

    tokenizer: Tokenizer
    config: Any
    task: Task
    padding_id: int

    @classmethod
    def of(cls, source: Artifact, config: Any) -> Pieces:
        """Read a model's tokenizer."""
        tokenizer = load_tokenizer(source.path, source.max_length)
        return cls(tokenizer, config, task_of(source.task), padding_id(tokenizer))

    def encoded(self, texts: Sequence[Any]) -> Encoded:
        """Return the ids of the texts' pieces."""
        return encode(self.tokenizer, texts, self.config, self.task)


def with_pairs(texts: Encoded, pairs: Sequence[Pair], first_id: int, padding_id: int) -> Encoded:
    """Return texts with the ids of their pairs after those of their pieces, as devices encode."""
    known = PiecePairs({pair: first_id + place for place, pair in enumerate(pairs)})
    rows = [known.added(Ids(row.tolist(), [])).ids for row in texts.ids]
    ids = tuple(np.array(row, dtype=np.int64) for row in rows)
    return replace(texts, ids=ids, names=(IDS,), pad_id=padding_id, types=())


def train(
    network: Bag,
    texts: tuple[Encoded, Encoded],
    rows: TrainingRows,
    loss: Loss,
    plan: TrainPlan,
    task: Task,
    context: RunContext,
) -> Fitted:
    """Train `network` in place; `texts` are the encoded `rows` and the validation rows."""
    return fit(
        network,
        texts[0],
        (texts[1], context.data.validation.targets),
        loss,
        plan,
        task=task,
        labels=context.data.labels,
        scratch=context.scratch,
        progress=context.progress,
        name="bag",
        rows_of=rows.of_epoch,
    )
