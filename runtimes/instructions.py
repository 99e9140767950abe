"""Count the instructions that this thread retires, where the kernel and the processor let it.

A count does not depend on the clock, on other work or on a hypervisor, so it says whether a model
does more work even where latencies are too noisy. It does not say how long the work takes.
"""

from __future__ import annotations

import ctypes
import os
import platform
import struct

_HARDWARE, _INSTRUCTIONS = 0, 1  # PERF_TYPE_HARDWARE, PERF_COUNT_HW_INSTRUCTIONS
_SYSCALLS = {"x86_64": 298, "aarch64": 241}
_SIZE = 64  # PERF_ATTR_SIZE_VER0
_USER_ONLY = 1 << 5 | 1 << 6  # exclude_kernel, exclude_hv


class InstructionCounter:
    """Count from now on, for the thread that makes the counter (perf_event_open(2)).

    `why` says why it cannot count; then `read` returns None. Another `kind` and `config` count
    another event.
    """

    def __init__(self, kind: int = _HARDWARE, config: int = _INSTRUCTIONS) -> None:
        self._file, self.why = _opened(kind, config)

    def read(self) -> int | None:
        """Return the count so far."""
        if self._file is None:
            return None
        return int.from_bytes(os.read(self._file, 8), "little")

    def close(self) -> None:
        """Stop counting."""
        if self._file is not None:
            os.close(self._file)
            self._file = None


def _opened(kind: int, config: int) -> tuple[int | None, str]:
    number = _SYSCALLS.get(platform.machine())
    if platform.system() != "Linux" or number is None:
        return None, "instructions are counted on Linux, x86-64 or arm64, only"
    head = struct.pack("<IIQ24xQ", kind, _SIZE, config, _USER_ONLY)
    attributes = ctypes.create_string_buffer(head.ljust(_SIZE, b"\0"), _SIZE)
    kernel = ctypes.CDLL(None, use_errno=True)
    this_thread, any_core, no_group, flags = 0, -1, -1, 8  # PERF_FLAG_FD_CLOEXEC
    file = kernel.syscall(number, attributes, this_thread, any_core, no_group, flags)
    if file >= 0:
        return file, ""
    return None, f"the kernel does not let this process count ({os.strerror(ctypes.get_errno())})"
