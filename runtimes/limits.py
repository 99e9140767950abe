"""What a measuring process may use: the cores that a profile names, and a device's memory."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from typing import Union

from runtimes.control_group import Group, make_group
from runtimes.errors import BackendError
from runtimes.last_peaks import peak_line

Cores = Union[str, Sequence[int]]
"""Cores by number, or by a name: `big`, `little` or a core's own. Nothing means any."""

_MB = 2**20

CGROUP, DATA = "cgroup", "RLIMIT_DATA"
"""What may hold a process to its memory."""

RAN_OUT = "memory ran out"


def pin(cores: Cores) -> None:
    """Keep this process on the named cores; raise BackendError where that is not possible.

    A name is looked up here, on the device: `runtimes.clusters`.
    """
    if not cores:
        return
    numbers = _named(cores) if isinstance(cores, str) else cores
    try:
        os.sched_setaffinity(0, numbers)
    except (OSError, AttributeError) as error:
        allowed: set[int] = getattr(os, "sched_getaffinity", lambda _: set())(0)
        raise BackendError(
            f"this process cannot be pinned to the cores {', '.join(map(str, numbers))}",
            expected="cores that the device has and this process may use",
            available=", ".join(map(str, sorted(allowed))) or "a system that cannot pin a process",
            action="correct `cores` in the profile's [runtime]",
        ) from error


def _named(name: str) -> tuple[int, ...]:
    from runtimes.clusters import clusters, cores_named

    known = clusters()
    numbers = cores_named(name, known)
    if not numbers:
        raise BackendError(
            f"the device has no cores named {name!r}",
            expected="big or little where it has both, or a core's name",
            available="; ".join(map(str, known)) or "cores that the system does not describe",
            action="correct `cores` in the profile's [runtime]",
        )
    return numbers


def parsed_cores(text: str) -> Cores:
    """Return the cores that a command line names: numbers between commas, or a name."""
    if re.fullmatch(r"\d+(,\d+)*", text):
        return tuple(map(int, text.split(",")))
    return text


def limit_memory(memory_mb: int | None) -> str:
    """Let this process have no more than `memory_mb` MiB; return what holds it: CGROUP or DATA.

    Empty without a limit. Where this process may make a control group, the kernel kills it beyond
    the limit; it counts all memory that it cannot take back. Elsewhere RLIMIT_DATA counts private
    writable memory, which weights and buffers are; address space (RLIMIT_AS) counts what is only
    reserved, and would fail far too early. An emulator of single programs ignores it. Call it
    before any thread starts. Raises BackendError where neither is possible.
    """
    if memory_mb is None:
        return ""
    return CGROUP if _held_by_group(memory_mb) else limit_data(memory_mb)


def ran_out(memory_mb: int, held_by: str) -> str:
    """Say that a process reached its limit, and what held it."""
    return f"{RAN_OUT}: it may have {memory_mb} MB ({held_by})"


def _held_by_group(memory_mb: int) -> bool:
    group = make_group(memory_mb)
    if group is None:
        return False

    def last_words(ended: Group) -> str:
        if not ended.oom_kills:
            return ""
        peak = "" if ended.peak_mb is None else peak_line(ended.peak_mb)
        return f"{peak}{ran_out(memory_mb, CGROUP)}\n"

    group.remove_after_me(last_words)
    try:
        group.enter()
    except OSError:  # its own process removes it
        return False
    return True


def limit_data(memory_mb: int) -> str:
    """Limit this process by RLIMIT_DATA alone; return its name."""
    try:
        import resource

        resource.setrlimit(resource.RLIMIT_DATA, (memory_mb * _MB, memory_mb * _MB))
    except (ImportError, OSError, ValueError) as error:
        raise BackendError(
            f"this process cannot be limited to {memory_mb} MB ({error})",
            action="measure on Linux, or take memory_mb out of the profile's [hardware]",
        ) from error
    return DATA


_WORDS = (
    "bad_alloc",
    "bad allocation",
    "MemoryError",
    "Failed to allocate memory",
    "Cannot allocate",
    RAN_OUT,
)


def is_lack_of_memory(said: str) -> bool:
    """Tell whether a library's or Python's message says that memory ran out."""
    return any(word in said for word in _WORDS)
