"""What an emulated device can tell of a model: what it says and what it takes, never how fast."""

from __future__ import annotations

from dataclasses import replace

from profiles.budget import is_timed
from profiles.measurement import Figures
from profiles.statistics import Interval, Sum
from runtimes.errors import UnsupportedError
from runtimes.facts import Facts

WHY = "emulated processor: its time says nothing about the board's"
_MEMORY = "the emulator's own memory counts with the model's"
_MEMORY_RATIOS = ("rss_peak_ratio", "rss_peak_vs_baseline")


def believed(figures: Figures, facts: Facts) -> Figures:
    """Return the figures without those that an emulated device cannot tell.

    None on time or energy stays. Where the emulator runs single programs, a process's memory holds
    the emulator's own too: it bounds the model's from above alone, and a ratio says nothing.
    """
    if not facts.emulated:
        return figures
    absent = dict(figures.absent)
    sums = {name: known for name, known in figures.sums.items() if not is_timed(name)}
    if facts.emulates_programs:
        absent |= dict.fromkeys(_MEMORY_RATIOS, _MEMORY)
        sums = {name: known for name, known in sums.items() if name not in _MEMORY_RATIOS}
        if "rss_peak_mb" in sums:
            sums["rss_peak_mb"] = _from_above(sums["rss_peak_mb"])
    known = {name: row for name, row in figures.processes.items() if name in sums}
    return Figures(sums, figures.source, absent, {}, known)


def _from_above(known: Sum | Interval) -> Sum:
    def bound(confidence: float) -> Interval:
        whole = known if isinstance(known, Interval) else known(confidence)
        reasons = dict.fromkeys(filter(None, (*whole.why.split("; "), _MEMORY)))
        return replace(whole, lower=None, why="; ".join(reasons))

    return bound


def require_times(facts: Facts, what: str) -> None:
    """Raise UnsupportedError where `what` goes by times, and the device's are an emulator's."""
    if facts.emulated:
        raise UnsupportedError(
            f"{what} goes by times, and the device is {facts.emulated}",
            expected=f"a real device; {WHY}",
            action="use the board itself; an emulator judges accuracy, size and memory: `gate`",
        )
