"""Why a budget is undecided, and how many more samples would decide it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from profiles.budget import Budget
from profiles.deciding import samples_to_decide
from profiles.measurement import Measurement

Noun = Literal["rows", "cold starts", "processes", "samples"]
Cause = Literal["few samples", "on the limit", "noise", "many checks", "slowed", "slow processes"]

FEW: Cause = "few samples"

_HOPELESS = 1_000
"""Advice that asks for more than this many times the samples at hand is left out."""


@dataclass(frozen=True, slots=True)
class Doubt:
    """Hold why a check is undecided, and the unit of its samples.

    `needed` samples would decide it, None if unknown; there are `have`. `detail` says more.
    """

    cause: Cause
    noun: Noun
    have: int
    needed: int | None = None
    detail: str = ""

    def __str__(self) -> str:
        """Describe it for a table's note."""
        if self.detail:
            return self.detail
        match self.cause:
            case "noise":
                return "beyond the limit, but the machine was noisy"
            case "slowed":
                return "meets the limit at the machine's full pace, but the machine slowed down"
            case "many checks":
                return "beyond the limit by itself, but not among so many budgets (Holm)"
            case "on the limit":
                return f"too close to the limit for any number of {self.noun}"
            case _ if self.needed is None:
                return f"not enough {self.noun}"
        return f"needs about {self.needed:,} {self.noun} (have {self.have:,})"


def doubt_of(budget: Budget, figure: Measurement, cause: Cause = FEW) -> Doubt:
    """Return why a figure whose interval holds the limit is undecided.

    `needed` samples would decide it four times of five, if the truth is the value that was seen.
    That is extrapolated from the interval's width, which shrinks with the square root of the
    samples. The interval of a paired figure, such as retention, is as wide as the two models
    disagree: its number of rows is that of the discordant pairs.
    """
    noun, value = noun_of(budget), figure.value
    doubt = Doubt(cause, noun, figure.samples)
    if cause != FEW or value is None or figure.confidence is None:
        return doubt
    beyond = figure.lower if value > budget.limit else figure.upper
    if beyond is None:
        return doubt
    reach, margin = abs(beyond - value), abs(value - budget.limit)
    if _HOPELESS * margin**2 <= reach**2:
        return Doubt("on the limit", noun, figure.samples)
    needed = samples_to_decide(figure.samples, reach, margin, figure.confidence, figure.freedom)
    return Doubt(cause, noun, figure.samples, _rounded(needed))


def noun_of(budget: Budget) -> Noun:
    """Name the unit of a budget's samples."""
    if not budget.kind.machine_bound:
        return "rows"
    if budget.metric.startswith("cold_start"):
        return "cold starts"
    of_processes = budget.metric.startswith(("rss_peak", "throughput"))
    return "processes" if of_processes or budget.kind.against == "baseline" else "samples"


def _rounded(count: int) -> int:
    """Round up to two digits: the estimate is no more precise."""
    step = int(10 ** max(len(str(count)) - 2, 0))
    return -(-count // step) * step
