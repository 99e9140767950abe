"""A model that never answers is stopped by Ctrl-C, by SIGTERM and by its caller's time limit."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from compress.run.bundle import write_bundle
from runtimes.artifact import read_artifact
from runtimes.errors import BackendError
from runtimes.stopping import stops_within
from runtimes.worker import Worker
from tests.runtimes.endless import endless_onnx
from tests.runtimes.launching import ROOT, process

STOPS = [signal.SIGINT, signal.SIGTERM]
PREDICT = [sys.executable, "-c", "from compress.cli.main import main; main()", "predict"]


@pytest.fixture(scope="module")
def endless(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return endless_onnx(tmp_path_factory.mktemp("endless")).path


@contextmanager
def _started(command: list[str]) -> Iterator[subprocess.Popen[str]]:
    """Start a process, and kill it at the end: a test of one that hangs must fail, not hang."""
    with subprocess.Popen(
        command,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
    ) as running:
        try:
            yield running
        finally:
            running.kill()


def _wait_until_busy(pid: int, seconds: float = 60) -> None:
    """Wait until a process has computed for two seconds more than its start takes."""
    end, ticks = time.monotonic() + seconds, os.sysconf("SC_CLK_TCK")
    while time.monotonic() < end:
        used = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[11]
        if int(used) > 4 * ticks:
            return
        time.sleep(0.1)
    pytest.fail("the model is not at work")


@pytest.mark.parametrize("sent", STOPS)
@pytest.mark.parametrize("bundled", [False, True])
def test_predict_stops(endless: Path, tmp_path: Path, sent: signal.Signals, bundled: bool) -> None:
    command = [*PREDICT, str(endless), "my card"]
    if bundled:
        write_bundle(read_artifact(endless), tmp_path / "bundle")
        command = [sys.executable, str(tmp_path / "bundle" / "predict.py"), "my card"]
    with _started(command) as running:
        try:
            _wait_until_busy(running.pid)
            running.send_signal(sent)
            out, said = running.communicate(timeout=20)
        finally:
            running.kill()  # leaving the block waits for the end of a process that hangs
    killed = bundled and sent == signal.SIGTERM  # which is the system's there
    assert running.returncode == (-sent if killed else 128 + sent)
    assert out == ""
    assert "Traceback" not in said


def test_a_worker_that_is_busy_for_ever_ends_at_its_time_limit(endless: Path) -> None:
    started = process(endless)
    worker = Worker(started, "model")
    with pytest.raises(BackendError, match="did not answer 'load' within 4 s"), worker:
        worker.ask("load", 4, row="my card")
    assert not Path(f"/proc/{started.pid}").exists()


@pytest.fixture
def ended() -> Iterator[list[int]]:
    """Kill what a failed test leaves."""
    pids: list[int] = []
    yield pids
    for pid in pids:
        if Path(f"/proc/{pid}").exists():
            os.kill(pid, signal.SIGKILL)


def test_a_worker_ends_when_its_parent_was_killed(endless: Path, ended: list[int]) -> None:
    script = (
        "import sys, time; from pathlib import Path\n"
        "from tests.runtimes.launching import process\n"
        "worker = process(Path(sys.argv[1]))\n"
        'worker.stdin.write(b\'{"do": "load", "row": "my card"}\\n\'); worker.stdin.flush()\n'
        "print(worker.pid, flush=True); time.sleep(600)\n"
    )
    with _started([sys.executable, "-c", script, str(endless)]) as parent:
        assert parent.stdout is not None
        ended.append(int(parent.stdout.readline()))
        _wait_until_busy(ended[0])
        parent.kill()
    limit = time.monotonic() + 20
    while Path(f"/proc/{ended[0]}/exe").exists() and time.monotonic() < limit:
        time.sleep(0.1)
    assert not os.path.lexists(f"/proc/{ended[0]}/cwd") or _is_zombie(ended[0])


def _is_zombie(pid: int) -> bool:
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"


def _interrupted_within(grace_s: float) -> None:
    with stops_within(grace_s):
        os.kill(os.getpid(), signal.SIGINT)
        time.sleep(5)


def test_what_ends_by_itself_is_left_alone() -> None:
    # A shell starts background jobs with SIGINT ignored, and Python keeps that.
    usual = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        _a_first_signal_interrupts()
    finally:
        signal.signal(signal.SIGINT, usual)


def _a_first_signal_interrupts() -> None:
    with pytest.raises(KeyboardInterrupt):
        _interrupted_within(0.3)
    time.sleep(0.5)  # the process is still there afterwards
    before = signal.set_wakeup_fd(-1)
    assert before == -1
