"""Answer texts on a device with the model and the code that a bundle carries."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path, PurePosixPath

import runtimes
from profiles.transport import Transport
from runtimes.artifact import Artifact
from runtimes.errors import BackendError, DeviceError
from runtimes.process import end_of

_MAIN = "import sys; from pathlib import Path; from runtimes import command; \
sys.exit(command.main(Path(sys.argv[1]), sys.argv[2:]))"
_LONGEST_S = 600.0


def run_there(
    device: Transport, model: Artifact, arguments: Sequence[str], show: Callable[[str], None]
) -> int:
    """Put a model and its code on the device, and answer there; return the exit code.

    Each line of the answers goes to `show` as it comes. Raises BackendError for a process that is
    ended from outside, with its last words, DeviceError when the device is gone.
    """
    place = device.put(model.path)
    code = PurePosixPath(device.put(Path(runtimes.__file__).parent)).parent
    env = {"PYTHONPATH": str(code), "PYTHONSAFEPATH": "1", "ORT_DISABLE_TELEMETRY": "1"}
    process = device.run([*device.python, "-c", _MAIN, place, *arguments], env=env)
    process.stdin.close()
    answered = False
    for line in process.stdout:
        answered = True
        show(line.decode(errors="replace").rstrip("\n"))
    ended, said = process.wait(_LONGEST_S), process.said()
    lost = process.lost()
    process.close()
    if lost:
        raise lost
    if ended is None or ended < 0:
        why = "it did not end" if ended is None else end_of(process, ended).why
        raise BackendError(
            f"the process on the device ended early: {why}",
            available=said[-600:] or "it said nothing",
            action="see what the device has: `edgepress device probe`",
        )
    if not ended and not answered:
        raise DeviceError(
            f"{device.kind}: Python ended there without an answer",
            expected="an answer to each text",
            available=said[-600:] or "it said nothing",
            action="run `edgepress device setup` or `edgepress device pack` again",
        )
    if said:
        show(said)
    return ended
