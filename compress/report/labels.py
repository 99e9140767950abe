"""Places for the labels of a scatter, so that none covers another, a mark or the frame."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

_GAPS = (4.0, 10.0, 20.0, 34.0, 50.0, 70.0, 95.0, 125.0)
_ANGLES = (0, 180, 270, 90, 315, 45, 225, 135, 290, 70, 250, 110)
_CHARACTER = 0.61
_HEIGHT = 1.15
_LEADER_FROM = 12.0
_LEADER_STEPS = 8


@dataclass(frozen=True, slots=True)
class Box:
    """A rectangle, by its corners."""

    left: float
    top: float
    right: float
    bottom: float

    def meets(self, other: Box) -> bool:
        """Tell whether two rectangles share any area."""
        return (
            self.left < other.right
            and other.left < self.right
            and self.top < other.bottom
            and other.top < self.bottom
        )

    def within(self, frame: Box) -> bool:
        """Tell whether this rectangle lies wholly in the frame."""
        return (
            frame.left <= self.left
            and self.right <= frame.right
            and frame.top <= self.top
            and self.bottom <= frame.bottom
        )


@dataclass(frozen=True, slots=True)
class Spot:
    """A mark that wants a label: centre and radius in the drawing's units.

    `short` is written where there is no room for `text`.
    """

    x: float
    y: float
    radius: float
    text: str
    short: str

    @property
    def box(self) -> Box:
        """Return the square around the mark."""
        side = self.radius
        return Box(self.x - side, self.y - side, self.x + side, self.y + side)


@dataclass(frozen=True, slots=True)
class Placed:
    """A label and its rectangle, and the line to its mark where the two are apart."""

    text: str
    box: Box
    leader: tuple[float, float, float, float] | None = None

    def leader_boxes(self) -> list[Box]:
        """Return small rectangles along the leader, the ends left out."""
        if self.leader is None:
            return []
        x1, y1, x2, y2 = self.leader
        shares = [step / _LEADER_STEPS for step in range(1, _LEADER_STEPS)]
        along = [(x1 + (x2 - x1) * share, y1 + (y2 - y1) * share) for share in shares]
        return [Box(x - 1, y - 1, x + 1, y + 1) for x, y in along]


def place(
    spots: Sequence[Spot], lines: Sequence[Box], frame: Box, font: float
) -> list[Placed | None]:
    """Return a label for each spot, None where even the short one finds no room.

    Greedy: spots are served in the order given; the full text at the nearest free place, else
    the short text, else the short text across one of the `lines`. A leader may cross lines,
    never a label or another mark.
    """
    marks = [spot.box for spot in spots]
    labels: list[Box] = []
    leaders: list[Box] = []
    placed: list[Placed | None] = []
    for spot in spots:
        tries = (
            (spot.text, [*marks, *labels, *leaders, *lines]),
            (spot.short, [*marks, *labels, *leaders, *lines]),
            (spot.short, [*marks, *labels]),
        )
        barred = [*labels, *(mark for mark in marks if mark != spot.box)]
        fits = (_fit(_candidates(spot, text, font), taken, barred, frame) for text, taken in tries)
        found = next((row for row in fits if row is not None), None)
        placed.append(found)
        labels += [found.box] if found else []
        leaders += found.leader_boxes() if found else []
    return placed


def _fit(
    candidates: Iterator[Placed], taken: Sequence[Box], barred: Sequence[Box], frame: Box
) -> Placed | None:
    return next(
        (
            row
            for row in candidates
            if row.box.within(frame)
            and not any(row.box.meets(other) for other in taken)
            and not any(part.meets(box) for part in row.leader_boxes() for box in barred)
        ),
        None,
    )


def _candidates(spot: Spot, text: str, font: float) -> Iterator[Placed]:
    half_width = len(text) * font * _CHARACTER / 2
    half_height = font * _HEIGHT / 2
    for gap in _GAPS:
        for angle in _ANGLES:
            across, down = math.cos(math.radians(angle)), math.sin(math.radians(angle))
            reach = spot.radius + gap
            x = spot.x + across * reach + _side(across) * half_width
            y = spot.y + down * reach + _side(down) * half_height
            box = Box(x - half_width, y - half_height, x + half_width, y + half_height)
            yield Placed(text, box, _leader(spot, box) if gap > _LEADER_FROM else None)


def _side(direction: float) -> float:
    return 0.0 if abs(direction) < 1e-9 else math.copysign(1.0, direction)


def _leader(spot: Spot, box: Box) -> tuple[float, float, float, float]:
    end_x = min(max(spot.x, box.left), box.right)
    end_y = min(max(spot.y, box.top), box.bottom)
    distance = math.hypot(end_x - spot.x, end_y - spot.y) or 1.0
    share = spot.radius / distance
    return (
        spot.x + (end_x - spot.x) * share,
        spot.y + (end_y - spot.y) * share,
        end_x,
        end_y,
    )
