"""A Python of the target's version and architecture that runs on this machine."""

from __future__ import annotations

import platform
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from compress.device.apt_sources import RELEASES
from compress.device.emulate import write_prefix
from compress.device.pack_layout import CONTENTS, LAUNCHER, LIBRARIES
from profiles.transport.emulated import find_qemu
from runtimes.errors import DeviceError, InputError
from runtimes.parsing import parse_json

_ASKED = (
    "import sys, platform; print('%d.%d' % sys.version_info[:2], platform.machine(), sep='\\n')"
)
_ANSWER_S = 60

_GET = (
    "; `edgepress device pack {profile} --python {python} --out pack` makes one of Debian's"
    " packages (about 55 MB to download): then --interpreter pack"
)
_INSTALL = "; no pack has Python {python}: install it, then name its program by --interpreter"
_OTHER = "; packs have Python {packed} alone: package for one of these (--python)"

_CORE = "neoverse-n1"
"""Graviton2's core, which Lambda's arm64 functions run on at the least."""


@dataclass(frozen=True, slots=True)
class Interpreter:
    """Hold the words that start a Python; none, and why, where no fitting one is here."""

    command: tuple[str, ...] = ()
    why_not: str = ""
    emulated: bool = False


def find_interpreter(arch: str, python: str, named: Path | None, prefix: Path) -> Interpreter:
    """Return the `named` Python, or this machine's of that version.

    `named` is a program, or the folder of a pack (`edgepress device pack`), which brings a Python
    of another architecture: QEMU runs it, with what a kernel shows of the emulated core written to
    the new folder `prefix`. Raises InputError for a named one that does not fit.
    """
    if named is None:
        return _found(arch, python)
    emulated = named.is_dir() and arch != platform.machine()
    try:
        command = _of_pack(named, emulated, prefix) if named.is_dir() else (str(named.absolute()),)
    except DeviceError as error:  # no emulator
        return Interpreter(why_not=error.received)
    answered = _answered(command)
    if answered != [python, arch]:
        raise InputError(
            f"--interpreter {named}: {' on '.join(answered) or 'it does not start'}",
            expected=f"{python} on {arch}, as the target has it",
            action="name a Python that fits, or leave --interpreter out",
        )
    return Interpreter(command, emulated=emulated)


def _found(arch: str, python: str) -> Interpreter:
    if arch != platform.machine():
        return Interpreter(
            why_not=f"no Python for {arch} was named by --interpreter" + _how_to_get(arch, python)
        )
    own = ".".join(platform.python_version_tuple()[:2])
    program = sys.executable if own == python else shutil.which(f"python{python}")
    if program is None or _answered((program,)) != [python, arch]:  # pyenv leaves empty shims
        return Interpreter(
            why_not=f"no python{python} that starts is on the PATH, nor named by --interpreter"
            + _how_to_get(arch, python)
        )
    return Interpreter((program,))


def _how_to_get(arch: str, python: str) -> str:
    """Say which command makes a Python, or what to do where no pack has that version."""
    if python in RELEASES:
        profile = "lambda-x86" if arch == "x86_64" else "lambda-arm64"
        return _GET.format(profile=profile, python=python)
    if arch == platform.machine():
        return _INSTALL.format(python=python)
    return _OTHER.format(packed=" and ".join(RELEASES))


def _of_pack(folder: Path, emulated: bool, prefix: Path) -> tuple[str, ...]:
    """Return what starts a pack's Python, under QEMU where its architecture is another."""
    pack = folder.absolute()
    try:
        parts = parse_json((pack / CONTENTS).read_text(encoding="utf-8"))
        loader, program = pack / parts["loader"], pack / parts["program"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise InputError(
            f"--interpreter {folder}: not a pack ({error})",
            expected="a program, or a folder that `edgepress device pack` wrote",
            action="name one of these",
        ) from error
    if not emulated:
        return (str(pack / LAUNCHER),)
    write_prefix(prefix, _CORE)
    emulator = (find_qemu(), "-cpu", _CORE, "-L", str(prefix))
    libraries = ("--library-path", str(pack / LIBRARIES))
    start = ("--inhibit-cache", "--argv0", str(pack / LAUNCHER))
    return (*emulator, str(loader), *start, *libraries, str(program))


def _answered(command: tuple[str, ...]) -> list[str]:
    try:
        done = subprocess.run(
            [*command, "-I", "-S", "-c", _ASKED],
            env={},
            capture_output=True,
            text=True,
            timeout=_ANSWER_S,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return []
    return done.stdout.split()
