"""What the validation rows cannot tell, and what would help a search without an answer."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from compress.search.choice import SEEDS, Goal, Standing, meets, nearest
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
