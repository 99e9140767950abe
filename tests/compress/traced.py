"""Run a command under strace with an empty home, and say what it sent and what it wrote there."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
MUST_TRACE = "EDGEPRESS_MUST_TRACE"
"""The environment variable under which a missing strace is a failure, as in .ci/run."""

_CALLS = "trace=connect,sendto,sendmsg,sendmmsg"
_STRIPPED = ("HF_", "TRANSFORMERS_", "XDG_", "ORT_", "DO_NOT_TRACK", "DISABLE_", "EDGEPRESS_")
"""What begins the names of variables that could keep a library from the network or from home."""
_OWN = (Path(".cache/edgepress"), Path(".local/state/edgepress"))
_LIMIT_S = 900.0
_HELD = "import atexit, sys, time; atexit.register(time.sleep, float(sys.argv.pop(1))); "
COMMAND = _HELD + "from compress.cli.main import main; main()"
"""The command line, whose process lives on for as many seconds as its first argument says."""


@dataclass(frozen=True, slots=True)
class Traced:
    """Hold how a command ended, which addresses it used, and what it wrote below its home."""

    code: int
    said: str
    sent: tuple[str, ...]
    written: tuple[str, ...]


def needs_strace() -> None:
    """Skip a test where processes cannot be traced; fail it where they must be."""
    why = _why_not()
    if why and os.environ.get(MUST_TRACE):
        pytest.fail(f"{why}, and {MUST_TRACE} is set")
    if why:
        pytest.skip(why)


@cache
def _why_not() -> str:
    if shutil.which("strace") is None:
        return "strace is not installed"
    done = subprocess.run(["strace", "-f", "true"], capture_output=True, text=True)
    return "" if done.returncode == 0 else f"strace cannot trace here: {done.stderr[-200:]}"


def traced(
    command: Sequence[str], folder: Path, lines: Sequence[str] = (), held_s: float = 0.0
) -> Traced:
    """Run `command` with home `folder`/home; no variable keeps it from the network.

    Of the `lines` of its stdin the last comes after `held_s` seconds.
    """
    home, log = folder / "home", folder / "strace.log"
    home.mkdir(parents=True)
    process = subprocess.Popen(
        ["strace", "-f", "--seccomp-bpf", "-e", _CALLS, "-s", "200", "-o", str(log), *command],
        env=_environment(home),
        cwd=folder,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )
    said = _talk(process, lines, held_s)
    calls = log.read_text(encoding="utf-8", errors="replace").splitlines()
    files = (path.relative_to(home) for path in sorted(home.rglob("*")) if path.is_file())
    return Traced(
        process.returncode,
        said,
        tuple(call for call in calls if "AF_INET" in call),
        tuple(str(path) for path in files if not any(map(path.is_relative_to, _OWN))),
    )


def held(seconds: float, *arguments: object) -> list[str]:
    """Return the command line of edgepress, whose process lives `seconds` longer."""
    return [sys.executable, "-c", COMMAND, str(seconds), *map(str, arguments)]


def _environment(home: Path) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith(_STRIPPED)}
    return {**kept, "HOME": str(home), "PYTHONPATH": str(ROOT)}


def _talk(process: subprocess.Popen[str], lines: Sequence[str], held_s: float) -> str:
    assert process.stdin is not None
    try:
        for line in lines[:-1]:
            process.stdin.write(line + "\n")
        process.stdin.flush()
        if lines:
            time.sleep(held_s)
        last = "".join(line + "\n" for line in lines[-1:])
        return process.communicate(last, timeout=_LIMIT_S)[0]
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
