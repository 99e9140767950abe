"""Propose budgets that a model meets today and that later models must still meet."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

from profiles.budget import METRICS
from profiles.measurement import Measurement

DRIFT = 0.05
"""The drift of a shared machine's speed from day to day, which one session does not show."""

_ALLOWANCES = {
    "latency_p50_ms": DRIFT,
    "latency_p90_ms": DRIFT,
    "cold_start_p50_ms": 2 * DRIFT,
    "cold_start_p90_ms": 2 * DRIFT,
    "rss_peak_mb": 0.05,
    "artifact_mb": 0.02,
    "accuracy": 0.0,
    "accuracy_retention": 0.0,
    "f1_macro": 0.0,
    "f1": 0.0,
    "f1_retention": 0.0,
    "speedup": DRIFT,
    "compression": 0.02,
    "latency_p50_ratio": 0.0,
    "latency_p90_ratio": 0.0,
}
"""By metric: the share by which a figure may change although the model has not."""

_CONFIDENCE = 0.95
"""What a budget asks for by default, and what models are measured with for a suggestion."""

_WARN = ("cold_start_p50_ms", "cold_start_p90_ms")


@dataclass(frozen=True, slots=True)
class Suggestion:
    """Propose one budget, with the reason for its limit."""

    metric: str
    side: str
    limit: float
    level: str
    confidence: float | None
    reason: str

    def toml(self) -> str:
        """Return the budget as a line of a profile, with its reason above it."""
        parts = [f"{self.side} = {self.limit:g}", f'level = "{self.level}"']
        parts += [] if self.confidence is None else [f"confidence = {self.confidence:g}"]
        return f"# {self.reason}\n{self.metric} = {{{', '.join(parts)}}}"


def suggest_budgets(
    figures: Mapping[str, Measurement], headroom: float = 0.0
) -> tuple[list[Suggestion], list[str]]:
    """Propose a limit for each figure that supports one; list the others with reasons.

    The limit starts at the bound on the bad side and moves away from the value: by the distance
    between value and bound once more, so that a repeated measurement of the same model nearly
    always passes; by the machine's drift from day to day; and by `headroom` (a share). Then it is
    rounded outwards to three digits.
    """
    suggestions, refused = [], []
    for metric in _ALLOWANCES:
        figure = figures.get(metric)
        if figure is None:
            continue
        kind = METRICS[metric]
        bad = figure.upper if kind.side == "max" else figure.lower
        if kind.highest:
            bad = figure.value  # the allowance covers what few processes do not show
        if figure.value is None or bad is None:
            refused.append(f"{metric}: {figure.why or 'not measured'}")
        elif 2 * bad <= figure.value:
            refused.append(f"{metric}: too uncertain for a limit; measure more (--tier)")
        else:
            suggestions.append(_suggestion(figure, figure.value, bad, headroom))
    return suggestions, refused


def _suggestion(figure: Measurement, value: float, bad: float, headroom: float) -> Suggestion:
    kind = METRICS[figure.metric]
    sign = 1 if kind.side == "max" else -1
    allowance = _ALLOWANCES[figure.metric] + headroom
    limit = _outwards((2 * bad - value) * (1 + allowance) ** sign, bad, up=sign > 0)
    parts = [f"{value:.4g} here" + ("" if figure.exact else f", bound {bad:.4g}")]
    parts += [] if figure.exact else ["twice its distance from the value"]
    parts += [f"{allowance:.0%} for drift and head-room"] if allowance else []
    return Suggestion(
        metric=figure.metric,
        side=kind.side,
        limit=limit,
        level="warn" if figure.metric in _WARN else "error",
        confidence=None if figure.exact else _CONFIDENCE,
        reason="; ".join(parts),
    )


def _outwards(value: float, bad: float, *, up: bool) -> float:
    """Round to three digits, away from the measured value: `bad` must meet the result."""
    step = 10.0 ** (math.floor(math.log10(value)) - 2)
    away = 1 if up else -1
    # A tiny number keeps a limit that is round already; if it is too large, go one step back.
    steps = math.ceil(value / step - 1e-9) if up else math.floor(value / step + 1e-9)
    limit = float(f"{steps * step:.6g}")
    return limit if (limit - bad) * away >= 0 else float(f"{(steps + away) * step:.6g}")
