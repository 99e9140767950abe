"""The machine's noise around each session, so that a disturbance counts only where it was."""

from __future__ import annotations

import functools
from collections.abc import Callable

from profiles.noise import Noise
from runtimes.measure import Samples, joined


class Surroundings:
    """Observe the noise before the first session, and after each one where it matters.

    A session is quiet when both observations beside it are. With `once` there is one observation,
    which stands for every session: no budget asks for more.
    """

    def __init__(self, observe: Callable[[], Noise], *, once: bool) -> None:
        self._observe = observe
        self._once = once
        self._seen: list[Noise] = [observe()]
        self._taken: list[list[Samples]] = [[]]

    def took(self, samples: Samples) -> None:
        """Keep samples that the session took."""
        self._taken[-1].append(samples)

    def after_session(self) -> Noise | None:
        """End a session and observe again; return what was seen, None where once is enough."""
        self._taken.append([])
        if self._once:
            return None
        self._seen.append(self._observe())
        return self._seen[-1]

    def quiet(self, session: int) -> bool:
        """Tell whether nothing disturbed a session (0 is the first)."""
        beside = self._seen[:1] if self._once else self._seen[session : session + 2]
        return all(noise.quiet for noise in beside)

    def quiet_samples(self) -> Samples | None:
        """Return the samples of the quiet sessions alone, None where there are none."""
        quiet = [
            samples
            for session, taken in enumerate(self._taken[:-1])
            if self.quiet(session)
            for samples in taken
        ]
        whole = functools.reduce(joined, quiet) if quiet else None
        return whole if whole and whole.blocks else None

    @property
    def worst(self) -> Noise:
        """Return the first observation with reasons against measuring, or else the first one."""
        return next((noise for noise in self._seen if not noise.quiet), self._seen[0])
