"""Control groups that hold a process to its memory, made, filled, killed and removed."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from runtimes import control_group
from runtimes.control_group import Group, make_group
from runtimes.last_peaks import last_peak_mb
from tests.runtimes.launching import ROOT

MANAGED = "run/systemd/system"


@pytest.fixture
def group() -> Iterator[Group]:
    made = make_group(64)
    if made is None:
        pytest.skip("this user may make no control group here")
    yield made
    made.remove()


def _held(code: str) -> subprocess.Popen[str]:
    """Start a process that limits itself to 64 MB, then runs `code`."""
    heard = "signal.signal(signal.SIGINT, signal.default_int_handler)"  # a shell's & ignores it
    lines = f"import os, signal, time\n{heard}\nfrom runtimes.limits import limit_memory\n{code}"
    return subprocess.Popen(
        [sys.executable, "-c", lines],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def _groups(pid: int) -> set[Path]:
    """List the groups that a process made; other tests make some of their own meanwhile."""
    made = make_group(64)
    assert made is not None
    parents = {path.parent for path in made._paths}
    made.remove()
    return {path for parent in parents for path in parent.glob(f"edgepress-{pid}-*")}


def test_what_needs_more_is_killed_and_says_so(group: Group) -> None:
    running = _held("print(limit_memory(64), flush=True); bytearray(200 * 2**20)")
    out, said = running.communicate(timeout=60)
    assert (out, running.returncode) == ("cgroup\n", -signal.SIGKILL)
    assert "memory ran out: it may have 64 MB (cgroup)" in said
    peak = last_peak_mb(said)
    assert peak is not None
    assert 50 < peak < 70
    assert _groups(running.pid) == set()


def test_what_fits_ends_as_it_would_without(group: Group) -> None:
    running = _held("limit_memory(64); bytearray(8 * 2**20); print('done'); raise SystemExit(7)")
    assert running.communicate(timeout=60) == ("done\n", "")
    assert running.returncode == 7
    assert _groups(running.pid) == set()


@pytest.mark.parametrize("sent", [signal.SIGKILL, signal.SIGTERM, signal.SIGSEGV, signal.SIGINT])
def test_a_process_that_is_killed_leaves_no_group(group: Group, sent: signal.Signals) -> None:
    running = _held("limit_memory(64); print(flush=True); time.sleep(60)")
    assert running.stdout is not None
    running.stdout.readline()
    assert _groups(running.pid)
    running.send_signal(sent)
    _, said = running.communicate(timeout=60)
    assert running.returncode != 0
    assert "memory" not in said
    assert _groups(running.pid) == set()


def test_two_groups_of_one_process_are_two(group: Group) -> None:
    other = make_group(128)
    assert other is not None
    assert set(other._paths).isdisjoint(group._paths)
    other.remove()


def test_a_group_whose_maker_was_killed_goes_with_the_next_one(group: Group) -> None:
    code = "from runtimes.control_group import make_group; make_group(64); os._exit(0)"
    running = _held(code)
    running.communicate(timeout=60)
    assert _groups(running.pid) == set()


def _killed_with_its_remover() -> subprocess.Popen[str]:
    """Kill a process and the one that removes its group at once, as the end of a container does."""
    lines = "from runtimes.limits import limit_memory; limit_memory(64); print(flush=True); input()"
    running = subprocess.Popen(
        [sys.executable, "-c", lines],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        start_new_session=True,
        text=True,
    )
    assert running.stdout is not None
    running.stdout.readline()
    os.killpg(running.pid, signal.SIGKILL)
    running.communicate(timeout=60)
    return running


def test_a_group_whose_remover_was_killed_too_goes_with_the_next_one(group: Group) -> None:
    running = _killed_with_its_remover()
    parents = {path.parent for path in group._paths}
    assert [left for parent in parents for left in parent.glob(f"edgepress-{running.pid}-*")]
    assert _groups(running.pid) == set()


def test_stale_groups_beside_and_inside_go_and_no_others_do(group: Group) -> None:
    (own,) = group._paths
    step, next_step = own.parent / "a step", own.parent / "the next step"
    gone = f"edgepress-{2**22 + 1}-77-0"
    stale = [next_step / gone, next_step / gone / f"edgepress-{2**22 + 2}-78-0", step / gone]
    kept = [step / own.name, step / "edgepress-of-another-kind", step / "other"]
    try:
        for folder in (*stale, *kept):
            folder.mkdir(parents=True, exist_ok=True)
        with subprocess.Popen(["sleep", "60"]) as running:
            (step / gone / "cgroup.procs").write_text(str(running.pid))
            control_group._remove_stale(next_step)
            assert [folder.exists() for folder in stale] == [False, False, True]
            running.kill()
            running.wait()
        control_group._remove_stale(next_step)
        assert not (step / gone).exists()
        assert all(folder.exists() for folder in (own, *kept))
    finally:
        for folder in (*reversed(stale), *kept, step, next_step):
            if folder.exists():
                folder.rmdir()


def test_a_group_with_another_inside_is_removed(group: Group) -> None:
    (folder,) = group._paths
    inner = folder / f"edgepress-{os.getpid()}-1-1"
    inner.mkdir()
    with subprocess.Popen(["sleep", "60"]) as running:
        (inner / "cgroup.procs").write_text(str(running.pid))
        group.remove()
        assert running.wait(10) == -signal.SIGKILL
    assert not folder.exists()


def test_a_group_that_is_removed_ends_what_is_in_it(group: Group) -> None:
    with subprocess.Popen(["sleep", "60"], preexec_fn=group.enter) as running:
        group.remove()
        assert running.wait(10) == -signal.SIGKILL
    assert not any(path.exists() for path in group._paths)


def test_a_share_of_the_processor_is_held() -> None:
    made = make_group(64, cpus=0.25)
    if made is None:
        pytest.skip("this user may make no control group with a share of the processor here")
    spin = "import time; t = time.process_time()\nwhile time.process_time() - t < 0.25: pass"
    began = time.monotonic()
    try:
        subprocess.run([sys.executable, "-S", "-c", spin], preexec_fn=made.enter, check=True)
    finally:
        made.remove()
    assert time.monotonic() - began > 0.6  # 0.25 s of work take 1 s, less the first period


def _hierarchy(root: Path, *, own: str = "/job", controllers: str = "memory") -> Path:
    """Make a picture of a mounted version 2 hierarchy; return this process's folder."""
    top = root / "sys/fs/cgroup"
    folder = top / own.lstrip("/")
    folder.mkdir(parents=True)
    (root / "proc/self").mkdir(parents=True)
    (root / "proc/self/cgroup").write_text(f"0::{own}\n")
    (root / "proc/self/mountinfo").write_text(
        "20 1 0:5 / /proc rw - proc proc rw\n"
        "24 1 0:26 / /sys/fs/cgroup rw,nosuid shared:4 - cgroup2 cgroup2 rw,nsdelegate\n"
    )
    for place in {top, folder}:
        (place / "cgroup.procs").touch()
        (place / "cgroup.subtree_control").write_text(controllers if place == top else "")
    return folder


def test_beside_a_group_that_holds_processes_with_version_2(tmp_path: Path) -> None:
    folder = _hierarchy(tmp_path)
    assert folder.name == "job"
    made = make_group(64, root=tmp_path)
    assert made is not None
    (path,) = made._paths
    assert path.parent == tmp_path / "sys/fs/cgroup"
    assert (path / "memory.max").read_text() == str(64 * 2**20)
    assert not (path / "memory.swap.max").exists()  # this kernel counts no swap


@pytest.mark.parametrize("refused", ["systemd", "owner", "outside", "no hierarchy", "file"])
def test_nothing_is_made_where_it_is_not_allowed(
    tmp_path: Path, refused: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = _hierarchy(tmp_path)
    if refused == "systemd":
        monkeypatch.setattr(os, "geteuid", lambda: 0)
        (tmp_path / MANAGED).mkdir(parents=True)
    elif refused == "owner":
        monkeypatch.setattr(os, "geteuid", lambda: 12345)
    elif refused == "outside":
        (tmp_path / "proc/self/cgroup").write_text("0::/../elsewhere\n")
    elif refused == "no hierarchy":
        (tmp_path / "proc/self/mountinfo").write_text("")
    else:
        for place in (folder, folder.parent):
            (place / "cgroup.subtree_control").unlink()
            (place / "cgroup.subtree_control").mkdir()
    if refused == "systemd" and folder.stat().st_uid != 0:
        pytest.skip("only root's folders are refused for systemd")
    assert make_group(64, root=tmp_path) is None
    assert not list((tmp_path / "sys").rglob("edgepress-*"))
