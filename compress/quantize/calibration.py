"""Choose the real rows that determine static ranges."""

from __future__ import annotations

from typing import Any

import numpy as np

from compress.data.dataset import Dataset
from compress.models.feeds import Feeds
from compress.tasks import task_of
from runtimes.artifact import Artifact
from runtimes.encoder import Encoder
from runtimes.errors import DataError
from runtimes.fast_encoder import Encoded

LEAST_ROWS = 32


def calibration_feeds(source: Artifact, data: Dataset, rows: int) -> list[Feeds]:
    """Encode up to `rows` training texts, evenly spaced, each alone at its own length.

    Raises DataError for fewer than LEAST_ROWS: ranges from few or invented rows damage a model
    silently.
    """
    texts = (*data.train.inputs, *data.unlabeled)
    if len(texts) < LEAST_ROWS:
        raise DataError(
            f"{len(texts)} training rows to calibrate with",
            expected=f"at least {LEAST_ROWS} real ones",
            action="add training or unlabeled rows, or use scheme 'int8-dynamic'",
        )
    task = task_of(source.task)
    encoder = Encoder(source.path, source.max_length, source.files)
    names = [spec.name for spec in source.inputs]
    return [_feeds(encoder.encode(task.text(row)), names) for row in spaced_rows(data, rows)]


def spaced_rows(data: Dataset, count: int) -> list[Any]:
    """Return up to `count` training and unlabeled rows, evenly spaced."""
    rows = (*data.train.inputs, *data.unlabeled)
    places = np.unique(np.linspace(0, len(rows) - 1, min(count, len(rows))).round().astype(int))
    return [rows[place] for place in places]


def _feeds(row: Encoded, names: list[str]) -> Feeds:
    columns = {
        "input_ids": row.ids,
        "attention_mask": [1] * len(row.ids),
        "token_type_ids": row.type_ids,
    }
    return {name: np.array([columns[name]], dtype=np.int64) for name in names}
