"""The packages that a device was set up with, and whether this machine still has these versions."""

from __future__ import annotations

from collections.abc import Sequence
from importlib.metadata import PackageNotFoundError, version

from runtimes.errors import DeviceError

_HEAD = "# edgepress set this up with:"


def head_line(pins: Sequence[str]) -> str:
    """Return a script's first line, which keeps what a device was set up with: "numpy==2.3.5"."""
    return " ".join([_HEAD, *pins]) + "\n"


def pins_of(script: str) -> list[str]:
    """Return what the first line of a script keeps; nothing of one that was written by hand."""
    first = script.partition("\n")[0]
    return first.removeprefix(_HEAD).split() if first.startswith(_HEAD) else []


def check_versions(name: str, pins: Sequence[str], *, action: str) -> None:
    """Raise DeviceError where a device was set up by other versions than this machine has now.

    A package that is not installed here is compared with nothing.
    """
    changed = [(package, then, now) for package, then, now in map(_now, pins) if then != now != ""]
    if not changed:
        return
    theirs = ", ".join(f"{package} {then}" for package, then, _ in changed)
    ours = ", ".join(f"{package} {now}" for package, _, now in changed)
    raise DeviceError(
        f"{name}: it was set up with {theirs}; this machine has {ours}",
        expected="the same versions, so that the device computes with the same code",
        action=action,
        reason=f"it was set up with {theirs}; the machine that measures has {ours}",
    )


def _now(pin: str) -> tuple[str, str, str]:
    """Return a package, the version that was pinned, and the installed one; empty without one."""
    package, _, then = pin.partition("==")
    try:
        return package, then, version(package).partition("+")[0] if then else ""
    except PackageNotFoundError:
        return package, then, ""
