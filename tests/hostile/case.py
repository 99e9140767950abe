"""A hostile case: what is done to a fresh copy of good inputs, and how the command may end."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

BAD_INPUT = (2,)
TOLERATED = (0, 2)
"""The change may be harmless: what counts is that nothing breaks."""


def untouched(folder: Path) -> None:
    """Leave the inputs as they are."""


@dataclass(frozen=True, slots=True)
class Case:
    """Hold one case.

    `prepare` changes the copy, in which `arguments` then run. `says` must stand in what is printed
    on either stream.
    """

    kind: str
    name: str
    arguments: tuple[str, ...]
    prepare: Callable[[Path], object] = untouched
    codes: tuple[int, ...] = BAD_INPUT
    says: str = ""

    @property
    def id(self) -> str:
        """Name the case for a test."""
        return f"{self.kind}: {self.name}"


Cases = Iterator[Case]
