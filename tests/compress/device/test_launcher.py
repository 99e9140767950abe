"""A pack's launcher finds its own folder in every shell, and passes on what it is given."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from compress.device.pack_layout import write_launcher

SHELLS = (["sh"], ["dash"], ["bash"], ["busybox", "sh"], ["mksh"], ["zsh"])
LOADER = """#!/bin/sh
echo "$PYTHONPATH|$PYTHONHOME|$LD_PRELOAD"
for part in "$0" "$@"; do echo "$part"; done
"""


@pytest.fixture(params=["pack", 'a pack\'s "own" $HOME folder ü'])
def pack(tmp_path: Path, request: pytest.FixtureRequest) -> Path:
    folder = tmp_path / str(request.param)
    (folder / "lib").mkdir(parents=True)
    loader = folder / "lib" / "ld-linux-aarch64.so.1"
    loader.write_text(LOADER)
    loader.chmod(0o755)
    write_launcher(folder, "aarch64", "python3.11")
    return folder


def _expected(pack: Path, *arguments: str) -> list[str]:
    return [
        "mine||",
        f"{pack}/lib/ld-linux-aarch64.so.1",
        *("--inhibit-cache", "--argv0", f"{pack}/python", "--library-path", f"{pack}/lib"),
        *(f"{pack}/bin/python3.11", "-s", *arguments),
    ]


def _said(command: list[str], cwd: Path, **env: str) -> list[str]:
    known = {"PATH": os.environ["PATH"], "PYTHONPATH": "mine", "PYTHONHOME": "/x", **env}
    done = subprocess.run(command, cwd=cwd, env=known, capture_output=True, text=True, check=True)
    return done.stdout.splitlines()


@pytest.mark.parametrize("shell", SHELLS, ids=" ".join)
def test_every_shell_starts_it(pack: Path, shell: list[str], tmp_path: Path) -> None:
    if shutil.which(shell[0]) is None:
        pytest.skip(f"needs {shell[0]}")
    expected = _expected(pack, "-c", "print('a  b')", "*", "")
    arguments = ["-c", "print('a  b')", "*", ""]
    for cwd, script in (
        (Path("/"), str(pack / "python")),
        (tmp_path, f"{pack.name}/python"),
        (pack, "python"),
        (pack, "./python"),
    ):
        assert _said([*shell, script, *arguments], cwd, LD_PRELOAD="") == expected


def test_it_is_a_program_that_path_and_links_find(pack: Path, tmp_path: Path) -> None:
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "python-of-board").symlink_to(pack / "python")
    assert _said([str(tmp_path / "bin" / "python-of-board")], tmp_path) == _expected(pack)
    path = f"{pack}:{os.environ['PATH']}"
    assert _said(["sh", "-c", "python -V"], tmp_path, PATH=path) == _expected(pack, "-V")


def test_a_link_to_the_folder_is_followed(pack: Path, tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(pack)
    assert _said([str(tmp_path / "link" / "python")], tmp_path) == _expected(pack)


def test_cdpath_leads_nowhere_else(pack: Path, tmp_path: Path) -> None:
    (tmp_path / "decoy" / pack.name).mkdir(parents=True)
    said = _said(["sh", f"{pack.name}/python"], tmp_path, CDPATH=str(tmp_path / "decoy"))
    assert said == _expected(pack)
