"""A command on a device that says itself how it ended, where the client's exit code does not tell.

adb's client exits with 0 when the device vanishes, and docker's with 1 or 137 when the engine or
the container does.
"""

from __future__ import annotations

import os
import re
from collections.abc import Sequence

from runtimes.process import HostProcess

CUT = 256
"""No command exits with this; it stands for one that did not say how it ended."""

_ENDED = "edgepress: ended "


class SayingProcess(HostProcess):
    """Run a command through a client whose last argument is a script for the device's shell."""

    def __init__(self, client: Sequence[str], command: str) -> None:
        script = f'(\n{command}\n)\necho "{_ENDED}$?" >&2'
        super().__init__([*client, script], dict(os.environ))

    def wait(self, seconds: float) -> int | None:
        """Wait for the end; return the exit code that the device said, or CUT."""
        code = super().wait(seconds)
        if code is None or code < 0:  # it runs, or this machine killed the client
            return code
        ends = re.findall(rf"^{_ENDED}(\d+)$", super().said(), re.MULTILINE)
        return int(ends[-1]) if ends else CUT

    def said(self) -> str:
        """Return what the command, or the client, wrote to stderr."""
        lines = super().said().splitlines()
        return "\n".join(line for line in lines if not line.startswith(_ENDED))
