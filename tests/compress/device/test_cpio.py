"""The first files of a system, as cpio itself reads them."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from compress.device.cpio import archive, console, folder, program


def test_cpio_lists_and_unpacks_what_was_written(tmp_path: Path) -> None:
    if shutil.which("cpio") is None:
        pytest.skip("needs cpio")
    content = archive([folder("bin"), console(), program("bin/odd", b"12345"), program("e", b"")])
    listed = subprocess.run(
        ["cpio", "-tv", "--numeric-uid-gid"], input=content, capture_output=True, check=True
    )
    rows = [line.split() for line in listed.stdout.decode().splitlines()]
    assert [(row[0], row[-1]) for row in rows] == [
        ("drwxr-xr-x", "bin"),
        ("crw-------", "dev/console"),
        ("-rwxr-xr-x", "bin/odd"),
        ("-rwxr-xr-x", "e"),
    ]
    assert {(row[2], row[3]) for row in rows} == {("0", "0")}
    subprocess.run(
        ["cpio", "-id", "bin", "bin/odd", "e"], input=content, cwd=tmp_path, capture_output=True,
        check=True,
    )  # fmt: skip
    assert (tmp_path / "bin/odd").read_bytes() == b"12345"
    assert (tmp_path / "e").read_bytes() == b""
