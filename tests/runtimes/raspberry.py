"""The facts of a Raspberry Pi 5, for tests that compare machines."""

from __future__ import annotations

import dataclasses

from runtimes.facts import Facts

_FACTS = Facts(
    arch="aarch64",
    cpu_model="cortex-a76",
    cores=4,
    cpus=4.0,
    isa=("asimd", "asimddp"),
    memory_mb=8063,
    kernel="Linux 6.6",
    libc="glibc 2.36",
    python="3.11.2",
    device_tree_model="Raspberry Pi 5 Model B Rev 1.0",
)


def raspberry(**changes: object) -> Facts:
    """Return the facts, with some of them changed."""
    return dataclasses.replace(_FACTS, **changes)  # type: ignore[arg-type]
