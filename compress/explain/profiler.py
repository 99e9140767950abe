"""The result of a runtime's profiler: operators and their times."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Protocol

from compress.explain.op_kinds import PRODUCT, kind_of

if TYPE_CHECKING:
    from runtimes.runtime import Feeds


@dataclass(frozen=True, slots=True)
class Node:
    """Hold one operator as the runtime executes it, after the runtime's fusions.

    `ms` is the mean over runs of the lower quartile over rounds. `compute` is the type in which a
    matrix product multiplies, "" for other operators; `weights` is its constant operand's type and
    shape, "" for a product of two activations. `module` is the layer that it came from, "" if
    neither names nor metadata tell.
    """

    name: str
    op: str
    ms: float
    compute: str = ""
    weights: str = ""
    module: str = ""

    @property
    def kind(self) -> str:
        """Return the operator's kind."""
        return kind_of(self.op)

    @property
    def is_product(self) -> bool:
        """Tell whether the operator multiplies matrices."""
        return self.kind == PRODUCT

    @property
    def on_float_path(self) -> bool:
        """Tell whether the operator multiplies weights in floating point."""
        return self.is_product and bool(self.weights) and self.compute.startswith(("fp", "bf"))


class Profiler(Protocol):
    """Run a model with its runtime's profiler on.

    `counts_itself` says that an operator's time includes some of the profiler's: see `_floor`.
    """

    counts_itself: ClassVar[bool]

    def infer(self, feeds: Feeds) -> None:
        """Run one row."""

    def finish(self) -> list[Mapping[str, float]]:
        """Stop, and return each run's operators: ms by name."""

    def nodes(self, ms: Mapping[str, float]) -> list[Node]:
        """Describe the operators, after `finish`."""
