"""Rivals of a search's answer: linear models of the same rows, which a user would try first."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from compress.linear.stage import Linear
from compress.search.workshop import Workshop, labeled, refit_rows
from compress.tasks import DEFAULT_TASK
from runtimes.artifact import Artifact

RIVALS: Mapping[str, Linear] = {
    "TF-IDF word": Linear(longest=0, augment=0, features=100_000),
    "TF-IDF word + character": Linear(augment=0, features=100_000),
}
"""Linear SVMs on the weighted counts of n-grams: words alone, and with each word's characters.

They run as linear students do: compiled to a lookup, which scikit-learn's pipeline is not.
"""


def made_rivals(shop: Workshop, *, refit: bool = True) -> Iterator[tuple[str, Artifact]]:
    """Yield each rival by name, trained on the labels of training rows alone.

    With `refit`, as for an answer, it learns the validation rows too. Its regularization is that of
    the best accuracy on them, before it learns them. No test row is used. A task other than text
    classification has none.
    """
    if shop.teacher.task != DEFAULT_TASK:
        return
    data = labeled(shop.data)
    for name, stage in RIVALS.items():
        shop.progress.note(f"rival {name}")
        yield name, shop.made(stage, refit_rows(data) if refit else data)
