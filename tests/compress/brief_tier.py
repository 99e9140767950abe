"""A quick tier of one process, for gates whose outcome rests on nothing that is timed."""

from __future__ import annotations

from dataclasses import replace

import pytest

from compress.judge import tiers


def shorten(patch: pytest.MonkeyPatch) -> None:
    """Let the quick tier take one process and one block, also for cold starts."""
    plan = replace(tiers.TIERS["quick"].plan, blocks=1)
    patch.setitem(tiers.TIERS, "quick", tiers.Tier((1,), plan))
    patch.setattr(tiers, "samples_needed", lambda _q, _confidence: 1)
