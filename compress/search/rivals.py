"""Rivals of a search's answer: linear models of the same rows, which a user would try first."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping

from compress.data.dataset import Dataset
from compress.linear.stage import Linear
from compress.search.workshop import Workshop, refit_rows
from compress.tasks import DEFAULT_TASK
from runtimes.artifact import Artifact
from runtimes.digest import stable_hash

RIVALS: Mapping[str, Linear] = {
    "TF-IDF word": Linear(longest=0, augment=0, features=100_000),
    "TF-IDF word + character": Linear(augment=0, features=100_000),
}
"""Linear SVMs on the weighted counts of n-grams: words alone, and with each word's characters.

They run as linear students do: compiled to a lookup, which scikit-learn's pipeline is not.
"""


def made_rivals(shop: Workshop) -> Iterator[tuple[str, Artifact]]:
    """Yield each rival by name, trained on the labels of training and validation rows alone.

    Its regularization is that of the best accuracy on the validation rows, before it learns them.
    No test row is used. A task other than text classification has none.
    """
    if shop.teacher.task != DEFAULT_TASK:
        return
    data = _labeled(shop.data)
    for name, stage in RIVALS.items():
        shop.progress.note(f"rival {name}")
        chosen = shop.made(stage, data).history[-1].metrics["regularization"]
        fixed = dataclasses.replace(stage, regularization=chosen)
        yield name, shop.made(fixed, refit_rows(data))


def _labeled(data: Dataset) -> Dataset:
    """Return a data set without its unlabeled text: only a teacher could answer that."""
    digest = stable_hash([data.digest, "labeled"])
    return dataclasses.replace(data, unlabeled=(), digest=digest)
