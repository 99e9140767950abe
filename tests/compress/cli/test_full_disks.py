"""A disk that is full, or becomes so: one clear line, nothing half-written, a retry succeeds.

The disks are small file systems in memory. The board is behind a real ssh server on loopback.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from compress.device import pack as packs
from compress.device import setup
from compress.device.bare import Interpreter
from compress.device.pack import Pack, PackPlan
from compress.device.pack_parts import Parts
from profiles.transport import lock, reach
from profiles.transport.remote import Remote
from runtimes.errors import DeviceError
from tests.compress.cli.test_board_faults import answers, gated, left, one_line
from tests.compress.cli.test_board_faults import brief as brief
from tests.compress.cli.test_gate import Said, command
from tests.compress.cli.test_gate import ground as ground
from tests.profiles.sshd import Board, needs_sshd, serving

pytestmark = needs_sshd

SMALL_FILES = 30


class Disk:
    """Hold a small file system: its folder, and how to change and fill it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir()
        self._filler = folder / "filler"

    def resize(self, options: str) -> None:
        """Change how many bytes (`size=`) or files (`nr_inodes=`) it takes."""
        subprocess.run(["mount", "-o", f"remount,{options}", str(self.folder)], check=True)

    def fill(self) -> None:
        """Take all of its room, as another program there may."""
        with self._filler.open("ab", buffering=0) as stream:
            try:
                for size in (65_536, 4096):
                    while stream.write(bytes(size)) == size:
                        pass
            except OSError:
                return

    def free(self) -> None:
        """Give the room back."""
        self._filler.unlink()


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Disk]:
    made = Disk(tmp_path / "disk")
    mounting = ["mount", "-t", "tmpfs", "-o", "size=12m,mode=755", "tmpfs", str(made.folder)]
    if not shutil.which("mount") or subprocess.run(mounting, check=False).returncode:
        pytest.skip("mounting is not allowed here")
    try:
        yield made
    finally:
        subprocess.run(["umount", "-l", str(made.folder)], check=True)


@pytest.fixture
def board(tmp_path: Path, disk: Disk) -> Iterator[Board]:
    """Serve a board whose folder lies on the small disk."""
    with serving(tmp_path / "board") as board:
        board.home.symlink_to(disk.folder / "home")
        (disk.folder / "home").mkdir()
        board.write_profile()
        yield board


@pytest.fixture
def pack(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Let `device pack` and `device setup` send a folder that is made here, without a network."""
    folder = tmp_path / "pack"
    folder.mkdir()
    (folder / "python").write_text(f'exec {sys.executable} "$@"\n')
    for number in range(SMALL_FILES):
        (folder / f"module{number}").write_text(str(number))
    (folder / "library").write_bytes(os.urandom(1 << 20))
    interpreter = Interpreter(sys.executable, "3.11", (2, 17), fits=True)

    def unpacked(_wheels: object, target: Path) -> None:
        shutil.copytree(folder, target)

    monkeypatch.setattr(packs, "build_pack", lambda *_args, **_more: Pack(folder, {}))
    monkeypatch.setattr(
        setup, "plan_set_up", lambda *_args: setup.SetUpPlan(interpreter, wheels=())
    )
    monkeypatch.setattr(setup, "fetch_wheels", lambda *_args: [])
    monkeypatch.setattr(setup, "unpack_wheels", unpacked)
    return folder


def half_written(board: Board) -> list[str]:
    """List what a broken transfer may leave on the board."""
    home = board.home.resolve()
    found = [*home.glob("incoming/*"), *home.glob("trees/.new-*"), *home.glob("*.new")]
    return [str(path.relative_to(home)) for path in found] + left(board)


def made_ready(board: Board, how: str) -> Said:
    return command("device", how, board.profile_file)


def test_too_little_room_for_a_model_is_said_before_it_is_sent(
    board: Board, disk: Disk, ground: Path, brief: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(ground)
    board.give_python()
    disk.resize("size=200k")
    said = gated(board)
    assert said.code == 4
    assert "MB are free" in one_line(said)
    disk.resize("size=50m")
    assert answers(board)


def test_small_files_take_whole_blocks(board: Board, disk: Disk, tmp_path: Path) -> None:
    many = tmp_path / "many"
    many.mkdir()
    for number in range(100):
        (many / str(number)).write_text(str(number))
    disk.resize("size=300k")
    with pytest.raises(DeviceError, match=r"0\.3 MB are free"):
        reach(board.profile()).put(many)
    assert half_written(board) == []


@pytest.mark.parametrize("how", ["pack", "setup"])
@pytest.mark.parametrize("files", [SMALL_FILES // 2, 2 * SMALL_FILES])
def test_a_boards_disk_that_fills_while_files_arrive(
    board: Board, disk: Disk, pack: Path, how: str, files: int
) -> None:
    """A disk may lack room for one more file where `df` shows room for their contents."""
    disk.resize(f"nr_inodes={files}")
    said = made_ready(board, how)
    assert said.code == 4
    assert "No space left" in one_line(said)
    assert "device clean" in said.err
    assert half_written(board) == []
    assert not (board.home / "python").exists()
    disk.resize("nr_inodes=10000")
    assert made_ready(board, how).code == 0
    assert half_written(board) == []


def test_each_place_where_a_disk_may_become_full(board: Board, disk: Disk, pack: Path) -> None:
    """However many files fit: nothing half-written is left, and what was ready stays so."""
    transport = reach(board.profile())
    assert isinstance(transport, Remote)
    assert transport.root
    refused = []
    for files in range(5, 3 * SMALL_FILES, 4):
        disk.resize(f"nr_inodes={files}")
        try:
            place = transport.put(pack)
        except DeviceError as error:
            refused.append(error.received)
            assert half_written(board) == []
        else:
            break
    assert len(refused) > 10
    assert all("No space left" in said for said in refused)
    assert len(list(Path(place).iterdir())) == SMALL_FILES + 2


def test_another_program_that_fills_the_boards_disk(
    board: Board, disk: Disk, tmp_path: Path
) -> None:
    large = tmp_path / "large.bin"
    large.write_bytes(os.urandom(11_000_000))
    transport = reach(board.profile())
    assert isinstance(transport, Remote)
    transport.sent = lambda _count: disk.fill()
    with pytest.raises(DeviceError, match="No space left"):
        transport.put(large)
    assert half_written(board) == []
    disk.free()
    transport.sent = lambda _count: None
    assert Path(transport.put(large)).stat().st_size == large.stat().st_size


def test_a_full_disk_takes_no_lock_and_can_be_cleaned(
    board: Board, disk: Disk, ground: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(ground)
    board.give_python()
    assert answers(board)
    disk.fill()
    began = time.monotonic()
    said = gated(board)
    assert said.code == 4
    assert "its disk is full" in one_line(said)
    assert "device clean --break-lock" in said.err
    assert time.monotonic() - began < 25  # it does not wait until a lock would be given up
    assert left(board) == []
    assert command("device", "clean", board.profile_file, "--break-lock").code == 0
    disk.free()
    board.home.resolve().mkdir()
    board.give_python()
    assert answers(board)


def test_a_lock_is_kept_while_the_disk_is_full(
    board: Board, disk: Disk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lock, "_BEAT_S", 0.05)
    with reach(board.profile()).lock():
        (held,) = (board.home / "lock").glob("held-*")
        disk.fill()
        first = held.read_text()
        for _ in range(400):  # the device's seconds change once a second
            if held.read_text() != first:
                break
            time.sleep(0.05)
        assert held.read_text() != first
        other = reach(board.profile())
        with pytest.raises(DeviceError, match="holds the same device"), other.lock():
            pass
    assert left(board) == []


def test_a_full_disk_takes_no_folder_of_edgepress(board: Board, disk: Disk) -> None:
    (disk.folder / "home").rmdir()
    disk.fill()
    with pytest.raises(DeviceError, match="its disk is full"):
        reach(board.profile(folder=str(disk.folder / "home"))).facts()
    assert not (disk.folder / "home").exists()


@pytest.mark.parametrize("step", ["unpack_wheels", "build"])
def test_this_machines_disk_that_fills_while_a_pack_is_made(
    step: str, disk: Disk, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The cache and the temporary files lie on the disk; the room was there when it began."""
    cache, scratch = disk.folder / "cache", disk.folder / "scratch"
    scratch.mkdir()
    monkeypatch.setenv("EDGEPRESS_CACHE", str(cache))
    monkeypatch.setattr(tempfile, "tempdir", str(scratch))
    plan = PackPlan(Parts("x86_64", "onnxruntime"), "3.11", (2, 36), (), ())
    monkeypatch.setattr(packs, "plan_pack", lambda *_args: plan)

    def written(*words: object) -> None:
        folder = words[-1]
        assert isinstance(folder, Path)
        folder.mkdir(exist_ok=True)
        for number in range(20):
            (folder / str(number)).write_bytes(bytes(1 << 20))

    for name in ("unpack_wheels", "build"):
        monkeypatch.setattr(packs, name, written if name == step else lambda *_args: None)
    profile = tmp_path / "board.toml"
    profile.write_text(
        'schema = 1\nname = "board"\n[hardware]\narch = "x86_64"\n'
        "[budgets]\nartifact_mb = {max = 5}\n"
    )
    said = command("device", "pack", profile, "--out", disk.folder / "pack")
    assert said.code == 2
    assert "no space left" in one_line(said)
    assert list(scratch.iterdir()) == []
    assert not (cache / "packs").exists()
    assert not (disk.folder / "pack").exists()
