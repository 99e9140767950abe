"""The real process: signals, closed pipes and plain terminals."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

COMMAND = [sys.executable, "-c", "from compress.cli.main import main; main()"]
ROOT = Path(__file__).parents[3]
HEAD = 'schema = 1\nname = "t"\n'
STAGE = '[[stage]]\nkind = "distill"\nlayers = 1\nepochs = 900\n'


@pytest.fixture
def environment(own_cache: Path) -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": str(ROOT), "PYTHONUNBUFFERED": ""}


@pytest.fixture
def running(
    ground: Path, tmp_path: Path, environment: dict[str, str]
) -> Iterator[subprocess.Popen[str]]:
    """Start a run that trains for minutes, in a session of its own, and wait until it does."""
    for name in ("train.csv", "test.csv"):
        shutil.copyfile(ground / name, tmp_path / name)
    rows = '[data]\ntrain = "train.csv"\ntest = "test.csv"\n'
    teacher = f'[teacher]\npath = "{ground / "teacher"}"\n'
    (tmp_path / "r.toml").write_text(HEAD + teacher + rows + STAGE)
    process = subprocess.Popen(
        [*COMMAND, "run", "r.toml", "--out", "out"],
        cwd=tmp_path,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
        preexec_fn=_listen,
    )
    try:
        _wait_for(process, Path(environment["EDGEPRESS_CACHE"]) / "scratch")
        yield process
    finally:
        if process.poll() is None:
            process.kill()
        process.communicate()


def _listen() -> None:
    """A test run in the background would hand an ignored Ctrl-C down."""
    signal.signal(signal.SIGINT, signal.default_int_handler)


def _wait_for(process: subprocess.Popen[str], place: Path, seconds: float = 90) -> None:
    end = time.monotonic() + seconds
    while time.monotonic() < end and process.poll() is None:
        if any(path.is_file() for path in place.rglob("*")):
            return
        time.sleep(0.05)
    process.kill()
    pytest.fail(f"training did not start: {process.communicate()[1]}")


@pytest.mark.parametrize(("sent", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_stopped_run_leaves_no_half_artifact_and_no_process(
    running: subprocess.Popen[str], tmp_path: Path, own_cache: Path, sent: signal.Signals, code: int
) -> None:
    os.killpg(running.pid, sent)
    said = running.communicate(timeout=60)[1]
    assert running.returncode == code
    assert "Traceback" not in said
    assert ("interrupted" if sent == signal.SIGINT else "terminated") in said
    assert "give the same command again" in said
    with pytest.raises(ProcessLookupError):
        os.killpg(running.pid, 0)
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["00-teacher", "run.json"]
    for folder in (own_cache / "stages").iterdir():
        assert (folder / "artifact.json").is_file()


def test_a_closed_pipe_is_quiet(environment: dict[str, str]) -> None:
    with subprocess.Popen(
        [*COMMAND, "profile", "list"],
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout
        assert process.stderr
        process.stdout.close()
        assert process.stderr.read() == ""
    assert process.returncode == 141


def test_a_terminal_without_the_characters_still_gets_the_rest(
    environment: dict[str, str],
) -> None:
    done = subprocess.run(
        [*COMMAND, "--help"],
        env={**environment, "PYTHONIOENCODING": "ascii"},
        capture_output=True,
        check=False,
    )
    assert done.returncode == 0
    assert b"edgepress" in done.stdout


def test_the_process_ends_with_the_command_s_code(environment: dict[str, str]) -> None:
    done = subprocess.run(
        [*COMMAND, "rnu"], env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 2
    assert "did you mean 'run'" in done.stderr
    assert done.stdout == ""
