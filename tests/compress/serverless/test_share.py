"""A process gets no more of a CPU than its memory grants it, and no more memory."""

from __future__ import annotations

import os
import subprocess
import sys
import time

import pytest

from compress.serverless import share
from compress.serverless.share import Share, granted_cpus

BUSY = "import time\nend = time.monotonic() + {s}\nwhile time.monotonic() < end: pass\n"
BUSY += "print(time.process_time(), flush=True)\n"


def test_lambda_grants_a_cpu_at_1769_mb() -> None:
    assert granted_cpus(1_769) == 1.0
    assert granted_cpus(128) == pytest.approx(0.0724, abs=1e-4)


def _held(share_of: Share, program: str) -> subprocess.Popen[str]:
    process = subprocess.Popen(
        [sys.executable, "-S", "-c", f"input()\n{program}"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    share_of.take(process.pid)
    return process


def test_a_part_of_a_cpu_is_enforced_by_a_group() -> None:
    with Share(128, 0.2) as held:
        if not held.line.startswith("cgroup"):
            pytest.skip("this user may make no control group")
        assert held.line == "cgroup, which grants 0.20 CPU"
        process = _held(held, BUSY.format(s=2))
        said, _ = process.communicate("\n")
        assert float(said) < 0.2 * 2 + 0.25
        assert process.returncode == 0


def test_more_memory_kills_by_a_group() -> None:
    with Share(48, 1.0) as held:
        if not held.line.startswith("cgroup"):
            pytest.skip("this user may make no control group")
        process = _held(held, "x = bytearray(200 * 2**20)\n")
        process.communicate("\n")
        assert process.returncode == -9
        assert held.oom_kills == 1


def test_without_a_group_whole_cpus_and_data_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    if not hasattr(os, "sched_setaffinity"):
        pytest.skip("this system cannot pin a process")
    monkeypatch.setattr(share, "make_group", lambda *_: None)
    with Share(64, 0.5) as held:
        assert held.line == "RLIMIT_DATA, on 1 whole CPU for 0.50"
        process = _held(
            held, "import os\nprint(len(os.sched_getaffinity(0)))\nx = bytearray(2**28)"
        )
        said, _ = process.communicate("\n")
        assert said == "1\n"
        assert process.returncode == 1  # MemoryError
        assert held.oom_kills == 0


def test_closing_ends_what_is_left() -> None:
    with Share(64, 1.0) as held:
        if not held.line.startswith("cgroup"):
            pytest.skip("this user may make no control group")
        process = _held(held, "import time\ntime.sleep(60)\n")
        began = time.monotonic()
    process.communicate("\n")
    assert process.returncode == -9
    assert time.monotonic() - began < 30
