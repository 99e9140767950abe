"""The memory of a process that is killed for lack of it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from runtimes.last_peaks import last_peak_mb, says_peaks, without_peaks

GROWS = """
import sys, time
from pathlib import Path
from runtimes.last_peaks import says_peaks
with says_peaks(1_000_000, Path(sys.argv[1])):
    held = []
    for _ in range(6):
        held.append(bytearray(20_000_000))
        time.sleep(0.15)
    import os, signal
    os.kill(os.getpid(), signal.SIGKILL)
"""


def machine(root: Path, free_kb: int) -> Path:
    (root / "proc").mkdir(parents=True)
    (root / "proc" / "meminfo").write_text(f"MemTotal: 999 kB\nMemAvailable:   {free_kb} kB\n")
    return root


def test_a_killed_process_has_said_what_it_held(tmp_path: Path) -> None:
    tight = machine(tmp_path / "tight", 2_000)
    done = subprocess.run(
        [sys.executable, "-c", GROWS, str(tight)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == -9
    peak = last_peak_mb(done.stderr)
    assert peak is not None
    assert peak > 110
    assert without_peaks(done.stderr) == ""


def test_where_there_is_room_nothing_is_said(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    with says_peaks(1_000_000, machine(tmp_path / "roomy", 2_000_000)):
        pass
    with says_peaks(1_000_000, tmp_path / "no such root"):
        pass
    assert capfd.readouterr().err == ""


def test_other_words_stay() -> None:
    said = "edgepress: memory 12.0 MB\nKilled\nedgepress: memory 34.5 MB"
    assert last_peak_mb(said) == 34.5
    assert without_peaks(said) == "Killed"
    assert last_peak_mb("Killed") is None
