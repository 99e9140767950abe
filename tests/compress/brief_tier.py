"""A quick tier of few processes, for gates whose outcome rests on nothing that is timed."""

from __future__ import annotations

from dataclasses import replace

import pytest

from compress.judge import tiers


def shorten(patch: pytest.MonkeyPatch, *, processes: int = 1, blocks: int = 1) -> None:
    """Let the quick tier take so many processes in one look, and one cold start."""
    plan = replace(tiers.TIERS["quick"].plan, blocks=blocks)
    patch.setitem(tiers.TIERS, "quick", tiers.Tier((processes,), plan))
    patch.setattr(tiers, "samples_needed", lambda _q, _confidence: 1)
