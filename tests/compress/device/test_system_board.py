"""A board that is emulated as a whole: booted, reached by key, bounded in memory, and ended."""

from __future__ import annotations

import os
import shutil
import subprocess
import tarfile
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

import numpy as np
import pytest

import runtimes
from compress.device.emulate_system import emulate_system
from compress.device.system_board import SystemBoard, running, stop
from profiles.device import load_profile
from runtimes.errors import BackendError, DeviceError
from runtimes.predict import open_predictor
from runtimes.process import HostProcess
from runtimes.worker import Worker, decoded
from tests.boards import MakePack
from tests.runtimes.tiny import TEXTS, tiny_onnx


def test_a_folder_without_a_system_is_said(tmp_path: Path) -> None:
    with pytest.raises(DeviceError, match="no board that is emulated as a system"):
        SystemBoard(tmp_path)
    (tmp_path / "board.json").write_text('{"mode": "user"}')
    with pytest.raises(DeviceError, match="no board that is emulated as a system"):
        SystemBoard(tmp_path)


def test_a_process_number_of_another_process_is_no_board(tmp_path: Path) -> None:
    (tmp_path / "qemu.pid").write_text("1\n")
    assert running(tmp_path) is None
    assert not stop(tmp_path)


@pytest.fixture(scope="module")
def board(device_cache: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[SystemBoard]:
    for tool in ("qemu-system-aarch64", "ssh", "ssh-keygen"):
        if shutil.which(tool) is None:
            pytest.skip(f"needs {tool}")
    folder = tmp_path_factory.mktemp("system") / "a board, of its own"
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("EDGEPRESS_CACHE", str(device_cache / "cache"))
        emulate_system("rpi4", folder, memory_mb=256, python=False)
    with SystemBoard(folder) as started:
        yield started


def _command(board: SystemBoard, command: str) -> list[str]:
    return ["ssh", "-F", str(board.folder / "ssh_config"), "edgepress-rpi4", command]


def _ssh(board: SystemBoard, command: str, stdin: IO[bytes] | None = None) -> tuple[int, str, str]:
    done = subprocess.run(_command(board, command), stdin=stdin, capture_output=True, check=False)
    return done.returncode, done.stdout.decode(), done.stderr.decode()


@pytest.mark.slow
@pytest.mark.alone
class TestSystemBoard:
    def test_its_profile_says_how_it_is_reached(self, board: SystemBoard) -> None:
        (file,) = board.folder.glob("*.toml")
        profile = load_profile(file)
        assert profile.name == "rpi4-emulated-system"
        assert profile.transport.kind == "ssh"
        assert profile.transport.config == str(board.folder / "ssh_config")
        assert profile.hardware.memory_mb == 256

    def test_it_is_an_arm64_machine_with_the_core_and_the_memory(self, board: SystemBoard) -> None:
        code, said, _ = _ssh(board, "uname -m; cat /proc/cpuinfo /proc/meminfo")
        assert code == 0
        assert said.startswith("aarch64\n")
        assert "CPU part\t: 0xd08" in said
        total = next(line for line in said.splitlines() if line.startswith("MemTotal"))
        assert 150_000 < int(total.split()[1]) < 256 * 1024

    def test_nobody_is_root_and_the_home_is_writable(self, board: SystemBoard) -> None:
        code, said, _ = _ssh(board, "id -u; echo kept > ~/file; cat ~/file; touch /etc/file")
        assert said == "1000\nkept\n"
        assert code != 0

    def test_it_has_no_python(self, board: SystemBoard) -> None:
        assert _ssh(board, "python3 -V")[0] == 127

    def test_its_network_reaches_nothing(self, board: SystemBoard) -> None:
        assert _ssh(board, "busybox wget -T 3 -O - http://10.0.2.2:80/")[0] != 0

    def test_no_other_key_is_let_in(self, board: SystemBoard, tmp_path: Path) -> None:
        key = tmp_path / "other"
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", key], check=True)
        config = tmp_path / "config"
        text = (board.folder / "ssh_config").read_text()
        config.write_text(text.replace(str(board.folder / "keys" / "id"), str(key)))
        done = subprocess.run(
            ["ssh", "-F", config, "-o", "BatchMode=yes", "edgepress-rpi4", "true"],
            capture_output=True,
            check=False,
        )
        assert done.returncode == 255
        assert b"Permission denied" in done.stderr

    def test_it_starts_once(self, board: SystemBoard) -> None:
        with pytest.raises(DeviceError, match="runs already"):
            SystemBoard(board.folder).start()

    def test_a_pack_answers_there_as_this_process_does(
        self, board: SystemBoard, make_pack: MakePack, tmp_path: Path
    ) -> None:
        artifact = tiny_onnx(tmp_path / "tiny")
        packed = tmp_path / "all.tar"
        with tarfile.open(packed, "w") as archive:
            archive.add(make_pack("aarch64").folder, "pack")
            archive.add(Path(runtimes.__file__).parent, "runtimes")
            archive.add(artifact.path, "model")
        with packed.open("rb") as stream:
            assert _ssh(board, "tar x", stdin=stream)[0] == 0
        command = "PYTHONPATH=$HOME pack/python -m runtimes.serve --model model"
        process = HostProcess(_command(board, f"{command} --runtime onnxruntime"), dict(os.environ))
        with Worker(process, "the board") as worker:
            worker.ask("load", 120, row=TEXTS[0])
            answered = worker.ask("answers", 120, rows=TEXTS)
            facts = worker.ask("facts", 60)
        assert facts["emulated"]
        assert facts["cpu_model"] == "cortex-a72"
        answers = np.stack([decoded(answer) for answer in answered["answers"]])
        model = open_predictor(artifact.path)
        assert np.abs(answers - np.stack([model.answer(text) for text in TEXTS])).max() < 1e-5

    def test_a_control_group_of_its_users_own_holds_a_worker(self, board: SystemBoard) -> None:
        def load(memory_mb: int) -> dict[str, Any]:
            command = "PYTHONPATH=$HOME pack/python -m runtimes.serve --model model --threads 1"
            words = _command(board, f"{command} --runtime onnxruntime --memory-mb {memory_mb}")
            with Worker(HostProcess(words, dict(os.environ)), "the board") as worker:
                return worker.ask("load", 120, row=TEXTS[0])

        assert load(160)["memory_limit"] == "cgroup"
        with pytest.raises(BackendError, match=r"memory ran out: it may have 8 MB \(cgroup\)"):
            load(8)
        assert "edgepress-" not in _ssh(board, "ls /sys/fs/cgroup/board")[1]

    def test_its_memory_is_a_limit(self, board: SystemBoard) -> None:
        held = "held = bytearray(400 << 20); print(len(held))"
        code, said, _ = _ssh(board, f'pack/python -c "{held}"')
        assert code != 0
        assert said == ""

    def test_it_ends_for_whoever_asks(self, board: SystemBoard) -> None:
        assert running(board.folder)
        assert stop(board.folder)
        assert running(board.folder) is None
        assert not stop(board.folder)

    def test_it_starts_again_with_its_home_and_another_clock(self, board: SystemBoard) -> None:
        with SystemBoard(board.folder, memory_mb=192, clock="2001-01-01T00:00:00") as again:
            code, said, _ = _ssh(again, "date +%Y; cat file")
            assert (code, said) == (0, "2001\nkept\n")
