"""Limits of the system: one line that says which, an exit code, and nothing half-written."""

from __future__ import annotations

import os
import resource
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

COMMAND = [sys.executable, "-c", "from compress.cli.main import main; main()"]
ROOT = Path(__file__).parents[3]


def _run(
    arguments: list[str], folder: Path, cache: Path, limit: Callable[[], object] | None
) -> subprocess.CompletedProcess[str]:
    """Run a command, with temporary files in a folder of its own, under a limit."""
    (folder / "temporary").mkdir()
    return subprocess.run(
        [*COMMAND, *arguments],
        cwd=folder,
        env={
            **os.environ,
            "PYTHONPATH": str(ROOT),
            "EDGEPRESS_CACHE": str(cache),
            "TMPDIR": str(folder / "temporary"),
        },
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
        preexec_fn=limit,
    )


@pytest.mark.parametrize("command", ["export", "quantize"])
def test_a_limit_on_the_size_of_files(
    ground: Path, onnx: Path, tmp_path: Path, own_cache: Path, command: str
) -> None:
    def limit() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, 20_000))

    lines = {
        "export": ["export", str(ground / "teacher"), "--out", "new/out", "-q"],
        "quantize": [
            *("quantize", str(onnx), "--train", str(ground / "train.csv"), "--out", "new/out"),
            *("--scheme", "int8-dynamic", "-q"),
        ],
    }
    done = _run(lines[command], tmp_path, own_cache, limit)
    assert done.returncode == 2, done.stderr
    assert "File too large" in done.stderr
    assert "  next:      raise the limit" in done.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["temporary"]
    assert not [path for path in (tmp_path / "temporary").rglob("*") if path.is_file()]
