"""The sizes that the drawings of a report share: one drawing for wide screens, one for narrow."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Layout:
    """Hold the sizes of a drawing, in its own units; `name` is the CSS class of its screens."""

    name: str
    width: float
    font: float
    left: float
    right: float = 14.0

    @property
    def end(self) -> float:
        """Return where the right axis is, or would be."""
        return self.width - self.right
