"""Measurements, answers, noise and facts of a device, over any transport."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from profiles.device import DeviceProfile
from profiles.emulated import WHY
from profiles.noise import Noise, noise, unobserved
from profiles.probe import matches
from profiles.transport import Transport, reach, settings_of, why_elsewhere
from profiles.transport.local import Local
from profiles.transport.serving import TIMEOUT_S, serve
from runtimes.activity import Activity
from runtimes.facts import Facts
from runtimes.measure import MeasurePlan, Samples, Variant, measure
from runtimes.worker import Worker, decoded

Advance = Callable[[int, str], None]

_CHUNK = 16
_ROW_S = 15.0
"""How long one row may take: an emulated board needs 7 s for a small fp32 model."""
_OBSERVED_S = 0.8


def _silent(_units: int, _note: str) -> None:
    """Report nothing."""


class Job:
    """Measure on one device, reached by one transport; on this machine by default."""

    def __init__(self, transport: Transport | None = None) -> None:
        self.transport: Transport = transport or Local()

    @classmethod
    def on(cls, profiles: Sequence[DeviceProfile]) -> Job:
        """Return the job on the first profile's device; on this machine without profiles.

        Raises DeviceError when this version cannot reach the device of a profile.
        """
        reached = [reach(profile) for profile in profiles]
        return cls(reached[0] if reached else None)

    @classmethod
    def nearest(cls, profiles: Sequence[DeviceProfile]) -> Job:
        """Return the job on the first profile's device; on this machine if out of reach."""
        return cls(reach(profiles[0]) if profiles and settings_of(profiles[0]) else None)

    @property
    def here(self) -> bool:
        """Tell whether the device is the machine that edgepress runs on."""
        return self.transport.here

    def why_elsewhere(self, profile: DeviceProfile) -> str:
        """Say why this device is not the profile's; empty where it may be the same."""
        return why_elsewhere(profile, self.transport)

    def lock(self) -> AbstractContextManager[str]:
        """Keep other jobs from the device: see `Transport.lock`."""
        return self.transport.lock()

    def facts(self) -> Facts:
        """Return the device's hardware, probed once."""
        return self._facts

    def fits(self, profile: DeviceProfile) -> bool:
        """Tell whether this device is the profile's."""
        return not self.why_elsewhere(profile) and matches(profile, self.facts())[0]

    def noise(self, threads: int) -> Noise:
        """Return how noisy the device is for a measurement with so many threads.

        An emulated device is not observed: noise changes nothing that it can tell.
        """
        if self.facts().emulated:
            return unobserved(threads, WHY)
        with serve(self.transport) as worker:

            def observe() -> Activity:
                return Activity.from_json(worker.ask("activity", TIMEOUT_S, seconds=_OBSERVED_S))

            return noise(observe, self.facts(), threads)

    def measure(
        self,
        variants: Sequence[Variant],
        rows: Sequence[Any],
        plan: MeasurePlan,
        *,
        advance: Advance = _silent,
        stream: Path | None = None,
    ) -> dict[str, Samples]:
        """Measure the variants on the device, interleaved: see `runtimes.measure.measure`."""
        return measure(variants, rows, plan, launch=self._launch, advance=advance, stream=stream)

    def answers(
        self, variant: Variant, rows: Sequence[Any], *, advance: Advance = _silent
    ) -> list[NDArray[np.float32]]:
        """Return the device's answer to each row, each row run alone at its own length.

        Raises BackendError when the device's runtime refuses the model or fails on a row.
        """
        answers: list[NDArray[np.float32]] = []
        if not rows:
            return answers
        with self._launch(variant) as worker:
            worker.ask("load", TIMEOUT_S, row=rows[0])
            for first in range(0, len(rows), _CHUNK):
                chunk = list(rows[first : first + _CHUNK])
                timeout_s = TIMEOUT_S + _ROW_S * len(chunk)
                reply = worker.ask("answers", timeout_s, rows=chunk, first=first)
                answers += [decoded(answer) for answer in reply["answers"]]
                advance(len(chunk), "")
        return answers

    def memory(self, variant: Variant, rows: Sequence[Any]) -> list[dict[str, Any]]:
        """Return the memory that a fresh process holds after each step of loading and answering.

        Each step has `step`, `rss_mb`, `peak_mb` and `file_mb`, in MB (10^6 bytes).
        """
        timeout_s = TIMEOUT_S + _ROW_S * len(rows)
        with self._launch(variant) as worker:
            return list(worker.ask("memory", timeout_s, rows=list(rows))["steps"])

    def runtime_version(self, variant: Variant, row: Any) -> str:
        """Return the version of the runtime that runs the variant on the device."""
        with self._launch(variant) as worker:
            return str(worker.ask("load", TIMEOUT_S, row=row)["version"])

    @cached_property
    def _facts(self) -> Facts:
        return self.transport.facts()

    def _launch(self, variant: Variant) -> Worker:
        return serve(self.transport, variant)
