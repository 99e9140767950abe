"""A separate Python environment for each peer, made once and kept."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from benchmarks.peers.job import last_line
from runtimes.digest import stable_hash
from runtimes.errors import BackendError
from runtimes.files import write_text

REPOSITORY = Path(__file__).parents[2]
_REQUIREMENTS = Path(__file__).with_name("requirements")
_WHOLE = "requirements.txt"
"""Written last: an environment without it is incomplete."""

_QUIET = {
    "HF_HUB_OFFLINE": "1",
    "HF_HUB_DISABLE_TELEMETRY": "1",
    "ORT_DISABLE_TELEMETRY": "1",
    "OLIVE_DISABLE_TELEMETRY": "1",
    "CUDA_VISIBLE_DEVICES": "",
    "PYTHONPATH": str(REPOSITORY),
}
"""The teacher is a folder, so peers need no network."""


def requirements(peer: str) -> str:
    """Return the pinned packages of a peer, as pip reads them."""
    return (_REQUIREMENTS / f"{peer}.txt").read_text(encoding="utf-8")


def place(peer: str, root: Path) -> Path:
    """Return the folder of a peer's environment; it depends on the pins and on the Python."""
    key = stable_hash([requirements(peer), sys.version_info[:2]])
    return root / f"{peer}-{key[:12]}"


def interpreter(peer: str, root: Path) -> Path:
    """Return the Python of a peer's environment; make the environment if it is missing.

    Raises BackendError when it cannot be made, for example without a network.
    """
    folder = place(peer, root)
    python = folder / "bin" / "python"
    if (folder / _WHOLE).is_file():
        return python
    folder.parent.mkdir(parents=True, exist_ok=True)
    _run(venv(folder), f"venv of {peer}")
    _run(pip(python, peer), f"pip install for {peer}")
    write_text(folder / _WHOLE, requirements(peer))
    return python


def venv(folder: Path) -> list[str]:
    """Return the command that makes an empty environment, replacing an existing one."""
    return [sys.executable, "-m", "venv", "--clear", str(folder)]


def pip(python: Path, peer: str) -> list[str]:
    """Return the command that installs a peer's packages."""
    quiet = ["--quiet", "--no-input", "--disable-pip-version-check"]
    return [str(python), "-m", "pip", "install", *quiet, "-r", str(_REQUIREMENTS / f"{peer}.txt")]


def surroundings(known: Mapping[str, str] = os.environ) -> dict[str, str]:
    """Return the environment variables that a peer's script runs under."""
    return {**known, **_QUIET}


def _run(command: Sequence[str], what: str) -> None:
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    if done.returncode:
        raise BackendError(
            f"{what}: {last_line(done.stdout)}",
            action="the package index must be reachable when a peer is used for the first time",
        )
