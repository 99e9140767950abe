"""What the validation rows cannot tell, and what would help a search without an answer."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from compress.search.choice import (
    SEEDS,
    WORTH_FEWER_BITS,
    Goal,
    Standing,
    fastest_in_any_bits,
    meets,
    nearest,
)
from compress.search.trial import Control

_FEW_ROWS = 1000
_POINTS = 100


def cannot_tell(rows: Sequence[Standing], goal: Goal, count: int) -> str | None:
    """Warn of few validation rows, with the difference that they resolve; None for more rows."""
    best = nearest(rows)
    if count >= _FEW_ROWS or best is None:
        return None
    margin = best.retention - best.lower
    return (
        f"{count} validation rows tell retentions apart that differ by {_points(margin)} or more:"
        f" only a shape that measures {goal.retention + margin:.1%} is known to keep"
        f" {goal.retention:.1%}; {_FEW_ROWS:,} rows or more are better"
    )


def doubts(
    rows: Sequence[Standing], goal: Goal, answer: Standing | None, control: Control, count: int
) -> Iterator[str]:
    """Yield the warnings of a search's answer: few validation rows, luck, a weak control."""
    few = cannot_tell(rows, goal, count)
    if few is not None:
        yield few
    if answer is None:
        return
    most = fastest_in_any_bits(rows, goal)
    if most is not None and most.trial.shape != answer.trial.shape:
        gain = most.trial.latency.speedup / answer.trial.latency.speedup
        yield (
            f"{most.trial.name} is {gain:.3f} times as fast as {answer.trial.name}: fewer bits"
            f" are shipped from {WORTH_FEWER_BITS} times on, so the answer is the latter"
        )
    if answer.seeds < SEEDS:
        yield (
            f"the answer was trained with {answer.seeds} of {SEEDS} seeds: its retention may be"
            " luck, for which its bound allows; give more --time"
        )
    if control.shape is None:
        return
    if answer.trial.shape == control.shape:
        yield "the answer is the control itself: its retention is only what quantizing costs"
    elif answer.trial.epochs > control.epochs:
        yield (
            f"the control was trained for {control.epochs} epochs only, the answer for"
            f" {answer.trial.epochs}: retention is overestimated; give more --time"
        )


def what_helps(
    rows: Sequence[Standing], goal: Goal, count: int, control: Control, *, time_is_up: bool
) -> tuple[str, ...]:
    """Say why there is no answer and what would help: rows, time or another goal.

    Empty where a shape meets the goal.
    """
    if not rows:
        return ("no student was trained: give more --time",)
    if control.stands_in:
        return (f"{control.why}: give more --time",)
    if any(meets(row, goal) for row in rows):
        return ()
    return tuple(_helps(rows, goal, count, time_is_up))


def _helps(rows: Sequence[Standing], goal: Goal, count: int, time_is_up: bool) -> Iterator[str]:
    fit = [row for row in rows if goal.fits(row.trial)]
    if not fit:
        yield "no shape is fast and small enough: raise latency_p90_ms or artifact_mb"
        return
    best = nearest(fit)
    assert best is not None
    yield (
        f"{best.trial.name} comes nearest: it keeps {best.retention:.1%} on {count} validation"
        f" rows, which shows at least {best.lower:.1%}"
    )
    above = best.retention - goal.retention
    if above > 0:
        times = ((best.retention - best.lower) / above) ** 2
        yield f"rows: about {_rounded(count * times)} validation rows would show it"
    else:
        yield f"time: no shape measured {goal.retention:.1%} yet; larger ones need more --time"
    if time_is_up and best.seeds < SEEDS:
        yield f"time: it was trained with {best.seeds} of {SEEDS} seeds when the time was up"
    yield f"goal: --retention {max(best.lower, 0.0):.3f} is met by these rows"


def _points(share: float) -> str:
    return f"{_POINTS * share:.1f} points"


def _rounded(rows: float) -> str:
    """Return two significant digits: more would say more than is known."""
    return f"{float(f'{rows:.1e}'):,.0f}"
