"""What goes wrong with a board, over a real ssh server: one clear line, nothing left, a retry.

Each fault is met by `edgepress gate`; the board answers again once the fault is gone.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from compress.judge import tiers
from compress.places import cache_root
from profiles.job import Job
from profiles.transport import reach
from profiles.transport.remote import Remote
from runtimes.artifact import read_artifact
from runtimes.errors import DeviceError
from runtimes.measure import Variant
from tests.compress.brief_tier import shorten
from tests.compress.cli.test_gate import Said, command
from tests.compress.cli.test_gate import ground as ground
from tests.profiles.sshd import Board, needs_sshd, serving
from tests.runtimes.tiny import TEXTS, tiny_onnx

pytestmark = [pytest.mark.measured, needs_sshd]


@pytest.fixture
def board(tmp_path: Path) -> Iterator[Board]:
    with serving(tmp_path / "board") as board:
        board.give_python()
        yield board


@pytest.fixture
def brief(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the quick tier take one process, also for starts: a fault needs no more."""
    shorten(monkeypatch)


@pytest.fixture
def gate(
    board: Board, ground: Path, brief: None, monkeypatch: pytest.MonkeyPatch
) -> Callable[[], Said]:
    """Gate the model on the board, at the quick tier."""
    monkeypatch.chdir(ground)
    return lambda: gated(board)


def answers(board: Board, **changes: object) -> bool:
    """Say whether a model answers on the board, as a gate's worker does; a gate takes longer."""
    device = Job.on([board.profile(**changes)])
    model = Variant("model", read_artifact(Path("model")), "onnxruntime")
    with device.lock():
        return len(device.answers(model, TEXTS)) == len(TEXTS)


def gated(board: Board, folder: str | Path | None = None) -> Said:
    profile = board.write_profile(folder=folder)
    return command("gate", "model", "--data", "rows.csv", "--tier", "quick", "--profile", profile)


def workers(board: Board) -> list[int]:
    """List the processes that work in the board's folder."""
    found = []
    for link in Path("/proc").glob("[0-9]*/cwd"):
        try:
            if link.readlink().is_relative_to(board.home):
                found.append(int(link.parent.name))
        except OSError:
            continue
    return found


def left(board: Board) -> list[str]:
    """Say what is left on the board: processes, and the lock; a process may take 6 s to end."""
    for _ in range(80):
        rest = [f"process {pid}" for pid in workers(board)]
        rest += ["the lock"] if (board.home / "lock").exists() else []
        if not rest:
            return []
        time.sleep(0.1)
    return rest


@contextmanager
def meanwhile(act: Callable[[], bool]) -> Iterator[None]:
    """Try to act again and again until it is done, or the block ends."""

    def watch() -> None:
        while not done.wait(0.02) and not act():
            pass

    done = threading.Event()
    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        yield
    finally:
        done.set()
        watcher.join()


def one_line(said: Said) -> str:
    """Return the error's first line; nothing but errors in their form was said, no traceback."""
    assert "Traceback" not in said.err
    lines = [line for line in said.err.splitlines() if line.startswith("error: ")]
    assert len(lines) == 1, said.err
    assert "next:" in said.err
    return lines[0]


def test_a_connection_that_breaks_while_measuring(board: Board, gate: Callable[[], Said]) -> None:
    def cut() -> bool:
        kept = [file.read_text() for file in (cache_root() / "interrupted").glob("*.jsonl")]
        if any('"kind": "block"' in text for text in kept):
            board.cut()
            return True
        return False

    with meanwhile(cut):
        said = gate()
    assert said.code == 4
    assert "connection broke" in one_line(said)
    assert "were measured until then" in said.err
    kept = said.err.split("edgepress judge ")[1].split("`")[0]
    assert command("judge", kept, "--budget", "artifact_mb=5").code == 0
    assert left(board) == []
    assert gate().code == 0
    assert left(board) == []


def test_a_connection_that_breaks_while_a_file_travels(board: Board, tmp_path: Path) -> None:
    large = tmp_path / "large.bin"
    large.write_bytes(os.urandom(1 << 20) * 100)
    first = reach(board.profile())
    assert isinstance(first, Remote)
    travelled: list[int] = []

    def cut_midway(count: int) -> None:
        before = sum(travelled)
        travelled.append(count)
        if before <= 30 << 20 < before + count:
            board.cut()

    first.sent = cut_midway
    with pytest.raises(DeviceError, match="connection broke"):
        first.put(large)
    assert left(board) == []  # what arrived is written to its end
    (part,) = (board.home / "incoming").iterdir()
    there = part.stat().st_size
    assert 0 < there < large.stat().st_size
    second = reach(board.profile())
    sent: list[int] = []
    assert isinstance(second, Remote)
    second.sent = sent.append
    assert Path(second.put(large)).read_bytes() == large.read_bytes()
    assert sum(sent) == large.stat().st_size - there  # what had arrived did not travel again
    sent.clear()
    second.put(large)
    assert sent == []


def test_what_arrives_damaged_is_deleted_and_sent_again(board: Board, tmp_path: Path) -> None:
    large = tmp_path / "large.bin"
    large.write_bytes(os.urandom(1 << 20))
    transport = reach(board.profile())
    incoming = board.home / "incoming"
    incoming.mkdir()
    digest = subprocess.run(["sha256sum", large], capture_output=True, text=True, check=True)
    (incoming / digest.stdout.split()[0]).write_bytes(b"not what the file begins with")
    with pytest.raises(DeviceError, match="arrived damaged"):
        transport.put(large)
    assert list(incoming.iterdir()) == []
    assert Path(transport.put(large)).read_bytes() == large.read_bytes()


def test_another_host_key(board: Board, gate: Callable[[], Said]) -> None:
    known = board.folder / "known_hosts"
    right = known.read_text()
    other = (board.folder / "user_key.pub").read_text().split()[1]
    known.write_text(" ".join([*right.split()[:2], other]))
    said = gate()
    assert said.code == 4
    assert "host key is not the known one" in one_line(said)
    known.write_text("")
    said = gate()
    assert said.code == 4
    assert "host key is not the known one" in one_line(said)
    known.write_text(right)
    assert answers(board)


def test_a_key_that_is_not_accepted(board: Board, gate: Callable[[], Said]) -> None:
    accepted = board.folder / "authorized"
    right = accepted.read_text()
    accepted.write_text("")
    said = gate()
    assert said.code == 4
    assert "accepts no key" in one_line(said)
    accepted.write_text(right)
    assert answers(board)


def test_a_board_that_is_off(board: Board, gate: Callable[[], Said]) -> None:
    board.server.terminate()
    board.server.wait()
    said = gate()
    assert said.code == 4
    assert "does not answer" in one_line(said)


def test_a_home_that_takes_no_files(board: Board, gate: Callable[[], Said]) -> None:
    said = gated(board, "/sys/edgepress")
    assert said.code == 4
    assert "cannot be written" in one_line(said)
    assert "[transport] folder" in said.err


def test_a_folder_of_someone_else_is_left_alone(board: Board, gate: Callable[[], Said]) -> None:
    own = board.folder / "photographs"
    own.mkdir()
    (own / "one.jpg").write_text("a photograph")
    said = gated(board, own)
    assert said.code == 4
    assert "edgepress did not make it" in one_line(said)
    assert [file.name for file in own.iterdir()] == ["one.jpg"]


def test_a_board_without_python(board: Board, gate: Callable[[], Said]) -> None:
    (board.home / "python").unlink()
    said = gate()
    assert said.code == 4
    assert "no Python with a runtime is set up" in one_line(said)
    assert "edgepress device setup" in said.err
    board.give_python()
    assert answers(board)


BLOCKED = """import sys


class Blocked:
    def find_spec(self, name, path=None, target=None):
        if name == "onnxruntime":
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)


sys.meta_path.insert(0, Blocked())
"""


def test_a_board_that_was_set_up_for_another_runtime(
    board: Board, gate: Callable[[], Said]
) -> None:
    lacking = board.folder / "lacking"
    lacking.mkdir()
    (lacking / "sitecustomize.py").write_text(BLOCKED)
    launcher = f'PYTHONPATH="{lacking}:$PYTHONPATH" exec {sys.executable} "$@"\n'
    (board.home / "python").write_text(launcher)
    said = gate()
    assert said.code == 4
    assert "onnxruntime is not installed on its device" in one_line(said)
    assert "edgepress device setup PROFILE" in said.err
    assert "pip install" not in said.err
    assert left(board) == []


def test_a_python_of_another_architecture(board: Board, gate: Callable[[], Said]) -> None:
    foreign = board.home / "foreign"
    content = bytearray(Path("/bin/true").resolve().read_bytes())
    content[18:20] = (0x15).to_bytes(2, "little")  # e_machine: PowerPC, 64 bits
    foreign.write_bytes(content)
    foreign.chmod(0o755)
    (board.home / "python").write_text(f'exec {foreign} "$@"\n')
    said = gate()
    assert said.code == 4
    assert "built for another processor" in one_line(said)
    board.give_python()
    assert answers(board)


@contextmanager
def held_by_another_process(board: Board) -> Iterator[int]:
    """Let another process hold the board's lock; yield its id."""
    code = (
        "import sys\n"
        "from profiles.device import load_profile\n"
        "from profiles.transport import reach\n"
        "with reach(load_profile(sys.argv[1])).lock():\n"
        "    print('held', flush=True); sys.stdin.read()\n"
    )
    holder = subprocess.Popen(
        [sys.executable, "-c", code, board.write_profile()],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    assert holder.stdin is not None
    assert holder.stdout is not None
    assert holder.stdout.readline() == b"held\n"
    try:
        yield holder.pid
    finally:
        holder.stdin.close()
        holder.wait()
        holder.stdout.close()


def test_a_board_that_another_job_holds(board: Board, gate: Callable[[], Said]) -> None:
    with held_by_another_process(board) as holder:
        said = gate()
        assert said.code == 4
        assert "locked by" in one_line(said)
        assert f"process {holder})" in said.err
    assert answers(board)


def test_a_lock_that_a_reboot_left_is_taken_and_said(
    board: Board, gate: Callable[[], Said]
) -> None:
    _leave_lock(board, "another-boot", os.getpid())
    said = gate()
    assert said.code == 0, said.out + said.err
    assert "the lock of ann@desk was stale" in said.err
    assert left(board) == []


def test_a_lock_that_a_kill_left_is_taken(board: Board) -> None:
    boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    _leave_lock(board, boot, 2**22 + 1)
    with Job.on([board.profile()]).lock() as former:
        assert "ann@desk" in former
    assert left(board) == []


def _leave_lock(board: Board, boot: str, pid: int) -> None:
    lock = board.home / "lock"
    lock.mkdir()
    content = f"owner ann@desk\npid {pid}\nboot {boot}\nsince 5\nbeat 5\n"
    (lock / f"held-{boot}-{pid}").write_text(content)


def test_an_owner_who_is_not_heard_from_loses_the_lock(board: Board) -> None:
    silent = reach(board.profile())
    with silent.lock():
        (held,) = (board.home / "lock").glob("held-*")
        held.write_text(held.read_text().replace("\nbeat ", "\nbeat -"))
        with reach(board.profile()).lock() as former:
            assert "process" in former
    assert left(board) == []


def test_two_takers_of_a_stale_lock(board: Board) -> None:
    lock = board.home / "lock"
    lock.mkdir()
    (lock / "held-old-1").write_text("owner ann\npid 1\nboot old\nsince 1\nbeat 1\n")
    together, results = threading.Barrier(3), []

    def take() -> None:
        transport = reach(board.profile())
        assert isinstance(transport, Remote)
        assert transport.root
        together.wait()
        try:
            with transport.lock():
                results.append("taken")
                for _ in range(600):  # hold it until the others have tried
                    if len(results) == 3:
                        break
                    time.sleep(0.05)
        except DeviceError:
            results.append("refused")

    takers = [threading.Thread(target=take) for _ in range(3)]
    for taker in takers:
        taker.start()
    for taker in takers:
        taker.join()
    assert sorted(results) == ["refused", "refused", "taken"]


def test_a_worker_that_is_killed(board: Board, gate: Callable[[], Said]) -> None:
    with meanwhile(lambda: signalled(board, signal.SIGKILL)):
        said = gate()
    assert said.code == 5
    assert "SIGKILL" in said.out
    assert left(board) == []
    assert answers(board)


def test_a_worker_that_hangs(
    board: Board, gate: Callable[[], Said], monkeypatch: pytest.MonkeyPatch
) -> None:
    quick = tiers.TIERS["quick"]
    hasty = replace(quick, plan=replace(quick.plan, timeout_s=8.0))
    monkeypatch.setitem(tiers.TIERS, "quick", hasty)
    with meanwhile(lambda: signalled(board, signal.SIGSTOP)):
        said = gate()
    assert said.code == 5
    assert "within" in said.out
    assert left(board) == []
    monkeypatch.undo()


def signalled(board: Board, number: int) -> bool:
    """Send a signal to a process that measures a model; say whether there was one."""
    for pid in workers(board):
        try:
            words = Path(f"/proc/{pid}/cmdline").read_text().split("\0")
            if "runtimes.serve" in words and any(word.startswith("--model=") for word in words):
                os.kill(pid, number)
                return True
        except OSError:
            continue
    return False


def test_a_clock_that_is_wrong_by_years(tmp_path: Path) -> None:
    """No timed run: libfaketime 0.9 breaks the sleep between two of them."""
    faked = next(Path("/usr/lib").glob("*/faketime/libfaketime.so.1"), None)
    if faked is None:
        pytest.skip("libfaketime is not installed")
    model = Variant("model", tiny_onnx(tmp_path / "model"), "onnxruntime")
    wrong = f"LD_PRELOAD={faked} FAKETIME=-20y FAKETIME_DONT_FAKE_MONOTONIC=1"
    with serving(tmp_path / "board", SetEnv=wrong) as board:
        board.give_python()
        device = Job.on([board.profile()])
        there = [*device.transport.python, "-c", "import time; print(time.time())"]
        process = device.transport.run(there, env={})
        assert float(process.stdout.readline()) < time.time() - 19 * 365 * 86_400
        assert process.wait(30) == 0
        process.close()
        with device.lock() as former:
            assert former == ""
            assert len(device.answers(model, TEXTS)) == len(TEXTS)
            other = Job.on([board.profile()])
            with pytest.raises(DeviceError, match="holds the same device"), other.lock():
                pass
        assert left(board) == []
