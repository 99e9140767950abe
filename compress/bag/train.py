"""Train a bag student against a teacher."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from compress.bag.graph import IDS
from compress.bag.network import Bag
from compress.bag.pairs import Pair
from compress.distill.rows import TrainingRows
from compress.distill.train import loss_of
from compress.stage import RunContext
from compress.tasks import Task
from compress.training.batches import Encoded
from compress.training.loop import Fitted, TrainPlan, fit
from runtimes.artifact import Artifact
from runtimes.fast_encoder import Encoded as Pieces
from runtimes.piece_pairs import PiecePairs


@dataclass(frozen=True, slots=True)
class Loss:
    """Weigh the teacher's answers, softened by the temperature, against the labels."""

    temperature: float
    alpha: float


def with_pairs(texts: Encoded, pairs: Sequence[Pair], first_id: int, padding_id: int) -> Encoded:
    """Return texts with the ids of their pairs after those of their pieces, as devices encode."""
    known = PiecePairs({pair: first_id + place for place, pair in enumerate(pairs)})
    rows = [known.added(Pieces(row.tolist(), [])).ids for row in texts.ids]
    ids = tuple(np.array(row, dtype=np.int64) for row in rows)
    return replace(texts, ids=ids, names=(IDS,), pad_id=padding_id, types=())


def train(
    network: Bag,
    texts: tuple[Encoded, Encoded],
    rows: TrainingRows,
    teacher: Artifact,
    context: RunContext,
    plan: TrainPlan,
    task: Task,
    loss: Loss,
) -> Fitted:
    """Train `network` in place on labels and the teacher's answers.

    `texts` are the encoded `rows` and the validation rows.
    """
    known = rows.teacher_answers(teacher, context)
    return fit(
        network,
        texts[0],
        (texts[1], context.data.validation.targets),
        loss_of(task, known, rows.targets, loss.temperature, loss.alpha),
        plan,
        task=task,
        labels=context.data.labels,
        scratch=context.scratch,
        progress=context.progress,
        name="bag",
        rows_of=rows.of_epoch,
    )
