"""Limits of the system: one line that says which, an exit code, and nothing half-written."""

from __future__ import annotations

import contextlib
import os
import resource
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
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


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """Mount a disk of 4 MB, where the tests may."""
    place = tmp_path / "disk"
    place.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=4m", "tmpfs", str(place)]
    try:
        done = subprocess.run(mount, capture_output=True, check=False)
    except FileNotFoundError:
        pytest.skip("no mount here")
    if done.returncode != 0:
        pytest.skip("mounting needs a privilege that is not there")
    yield place
    subprocess.run(["umount", "--lazy", str(place)], check=True)


def test_a_disk_that_fills_while_a_student_trains(
    ground: Path, tmp_path: Path, small_disk: Path
) -> None:
    """The plan was refused where there was too little room; here another program takes it."""
    work = tmp_path / "work"
    work.mkdir()
    line = ["distill", str(ground / "teacher"), "--train", str(ground / "train.csv")]
    line += ["--out", str(work / "out"), "--layers", "1", "--set", "epochs=40"]
    with subprocess.Popen(
        [*COMMAND, *line],
        cwd=work,
        env={**os.environ, "PYTHONPATH": str(ROOT), "TMPDIR": str(small_disk)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as started:
        wait_for(lambda: any(small_disk.rglob("checkpoint.pt")))
        with contextlib.suppress(OSError), (small_disk / "others").open("wb", 0) as others:
            while True:
                others.write(b"\0" * 4096)
        out, err = started.communicate(timeout=300)
    assert (started.returncode, out) == (2, ""), err
    assert "no space left" in err.lower()
    assert "  next:      free some space" in err
    assert "Traceback" not in err
    assert not (work / "out").exists()


def wait_for(true: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 120
    while not true():
        assert time.monotonic() < deadline
        time.sleep(0.02)
