"""The memory and the processor time that a platform grants a function, enforced here."""

from __future__ import annotations

import math
import os
from types import TracebackType

from runtimes.control_group import Group, make_group
from runtimes.limits import CGROUP, DATA

MB_PER_CPU = 1_769
"""Lambda grants one vCPU at this much memory, and shares in proportion (its developer guide)."""

_MB = 2**20
_LEAST_CPUS = 0.01
"""The kernel takes no quota below 1 ms of a period of 100 ms."""


def granted_cpus(memory_mb: int) -> float:
    """Return the vCPUs that Lambda grants to a function with so much memory."""
    return memory_mb / MB_PER_CPU


def is_cpu_held(held_by: str, cpus: float) -> bool:
    """Tell whether what holds a process grants it that much of a CPU, and no more."""
    return held_by.startswith(CGROUP) or cpus == math.ceil(cpus)


class Share:
    """Hold one process to so many MiB and CPUs: by a control group, or else as well as it goes.

    Without a control group, RLIMIT_DATA bounds the memory, and the process stays on whole CPUs: a
    part of a CPU is not enforced then. Stopping and continuing the process by the clock would not
    do it: the kernel's quota counts the time that a process works, so that an event of less than
    its part of a period is not slowed down, while a stopped one waits as often as the clock says.
    Use it as a context manager.
    """

    def __init__(self, memory_mb: int, cpus: float) -> None:
        self.memory_mb = memory_mb
        self.cpus = cpus
        self._group: Group | None = make_group(memory_mb, max(cpus, _LEAST_CPUS))

    @property
    def line(self) -> str:
        """Say what holds the process to its share."""
        if self._group is not None:
            return f"{CGROUP}, which grants {self.cpus:.2f} CPU"
        whole = max(1, math.ceil(self.cpus))
        return f"{DATA}, on {whole} whole CPU{'s' * (whole > 1)} for {self.cpus:.2f}"

    @property
    def oom_kills(self) -> int:
        """Return how many of its processes the kernel killed for lack of memory."""
        return self._group.oom_kills if self._group else 0

    def take(self, pid: int) -> None:
        """Hold a process that has just started, and all that it starts."""
        if self._group is not None:
            self._group.take(pid)
            return
        import resource

        bound = self.memory_mb * _MB
        resource.prlimit(pid, resource.RLIMIT_DATA, (bound, bound))
        allowed = sorted(os.sched_getaffinity(0))
        os.sched_setaffinity(pid, allowed[: max(1, math.ceil(self.cpus))])

    def close(self) -> None:
        """Kill what is left, and remove the group."""
        if self._group is not None:
            self._group.remove()
            self._group = None

    def __enter__(self) -> Share:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()
