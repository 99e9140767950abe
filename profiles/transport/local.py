"""The machine that edgepress runs on."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import ClassVar

from runtimes.facts import Facts, probe
from runtimes.measure import MeasurePlan, Samples, Variant, measure


class Local:
    """Reach this machine, without a wire."""

    kind: ClassVar[str] = "local"

    def facts(self) -> Facts:
        """Probe this machine."""
        return probe()

    def measure(
        self,
        variants: Sequence[Variant],
        texts: Sequence[str],
        plan: MeasurePlan,
        *,
        advance: Callable[[int, str], None],
        stream: Path | None,
    ) -> dict[str, Samples]:
        """Measure the variants here, each in fresh processes."""
        return measure(variants, texts, plan, advance=advance, stream=stream)
