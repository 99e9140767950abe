"""`edgepress device` and `profile new`, on a board behind a real ssh server on loopback."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from compress.device.apt_sources import debian_sources
from profiles.device import load_profile
from runtimes.errors import EdgepressError
from tests.compress.cli.test_gate import Said, command
from tests.profiles.sshd import Board, needs_sshd, serving
from tests.runtimes.tiny import tiny_onnx

pytestmark = [pytest.mark.measured, needs_sshd]


@pytest.fixture
def board(tmp_path: Path) -> Iterator[Board]:
    with serving(tmp_path / "board") as board:
        board.write_profile()
        yield board


def asked(board: Board, *words: object) -> Said:
    name, *rest = words
    return command("device", name, board.profile_file, *rest)


def test_every_shipped_profile_says_how_it_is_reached() -> None:
    rows = {row["name"]: row for row in json.loads(command("device", "list", "--json").out)}
    assert rows["local"]["why_not"] == ""
    assert "EDGEPRESS_RPI5_HOST is not set" in rows["rpi5"]["why_not"]
    assert rows["rpi5"]["transport"] == "ssh"
    assert "this machine is another" in rows["graviton3"]["why_not"]


def test_a_board_without_python_is_looked_at_by_its_shell(board: Board) -> None:
    said = asked(board, "probe", "--json")
    assert said.code == 0, said.err
    seen = json.loads(said.out)
    assert seen["arch"] == "x86_64"
    assert seen["page_kb"] == 4
    assert seen["free_mb"] > 0
    assert seen["emulated"] == ""
    assert seen["matches"] is True
    assert seen["isa"]
    assert seen["memory_mb"] == pytest.approx(_here_mb(), rel=0.01)


def test_pages_of_16_kb_are_reported(board: Board, monkeypatch: pytest.MonkeyPatch) -> None:
    """A Raspberry Pi 5 has them; here the kernel's figure is one that the shell's tools say."""
    tools = board.folder / "tools"
    tools.mkdir()
    real = shutil.which("sed")
    (tools / "sed").write_text(
        f'#!/bin/sh\ncase "$*" in *KernelPageSize*) echo 16 ;; *) exec {real} "$@" ;; esac\n'
    )
    (tools / "sed").chmod(0o755)
    board.server.terminate()
    board.server.wait()
    with serving(board.folder, SetEnv=f"PATH={tools}:/usr/bin:/bin") as other:
        other.write_profile()
        assert json.loads(asked(other, "probe", "--json").out)["page_kb"] == 16


def test_a_profile_is_made_of_what_the_board_shows(
    board: Board, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = tmp_path / ".ssh" / "config"
    config.parent.mkdir()
    shutil.copy(board.config, config)
    wrapper = tmp_path / "bin" / "ssh"
    wrapper.parent.mkdir()
    wrapper.write_text(f'#!/bin/sh\nexec {shutil.which("ssh")} -F {config} "$@"\n')
    wrapper.chmod(0o755)
    monkeypatch.setenv("PATH", f"{wrapper.parent}:/usr/bin:/bin")
    out = tmp_path / "mine.toml"
    where = ("--transport", "ssh", "--host", "board")
    assert command("profile", "new", "mine", "--from-probe", *where, "--out", out).code == 0
    made = load_profile(str(out))
    assert (made.name, made.transport.kind, made.transport.host) == ("mine", "ssh", "board")
    assert made.hardware.arch == "x86_64"
    assert "suggestions" in out.read_text()


def test_a_name_that_no_profile_may_have() -> None:
    said = command("profile", "new", "My Board!", "--from-probe")
    assert said.code == 2
    assert "My Board!" in said.err


def test_a_model_answers_on_the_board(board: Board, tmp_path: Path) -> None:
    board.give_python()
    tiny_onnx(tmp_path / "model")
    said = asked(board, "run", tmp_path / "model", "my card is lost", "thank you", "--json")
    assert said.code == 0, said.err
    rows = [json.loads(line) for line in said.out.splitlines()]
    assert len(rows) == 2
    assert {"label", "score"} <= rows[0].keys()


def test_clean_leaves_nothing(board: Board, tmp_path: Path) -> None:
    board.give_python()
    tiny_onnx(tmp_path / "model")
    assert asked(board, "run", tmp_path / "model", "my card").code == 0
    assert (board.home / "trees").is_dir()
    said = asked(board, "clean")
    assert said.code == 0
    assert "nothing of edgepress is left" in said.out
    assert not board.home.exists()


def test_a_pack_of_another_architecture_is_refused_before_it_is_built(board: Board) -> None:
    board.write_profile(more='[hardware]\narch = "aarch64"\n')
    for name in ("pack", "setup"):
        said = asked(board, name)
        assert said.code == 4
        assert "its processor is x86_64" in said.err
    assert "aarch64, as the profile says" in said.err


def test_a_board_that_is_this_machine_takes_nothing(tmp_path: Path) -> None:
    for name in ("setup", "pack", "clean"):
        said = command("device", name, "local")
        assert said.code == 2
        assert "nothing is put there" in said.err


def test_options_of_a_system_without_one() -> None:
    said = command("device", "emulate", "rpi4", "--memory-mb", "256", "--out", "board")
    assert said.code == 2
    assert "--system" in said.err


@pytest.mark.slow
@pytest.mark.parametrize("how", ["setup", "pack"])
def test_a_board_without_a_network_is_made_ready_and_measured(
    how: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The board's server and all it starts live in a network namespace of their own."""
    if subprocess.run(["unshare", "-n", "true"], check=False, capture_output=True).returncode:
        pytest.skip("network namespaces are not allowed here")
    try:
        debian_sources()
    except EdgepressError as error:
        pytest.skip(str(error))
    cut_off = 'unshare -n sh -c \'[ -n "$SSH_ORIGINAL_COMMAND" ] && eval "$SSH_ORIGINAL_COMMAND"\''
    tiny_onnx(tmp_path / "model")
    (tmp_path / "rows.csv").write_text("text,label\n" + "my card is lost,billing\n" * 40)
    bare = f"PATH={Path(sys.executable).resolve().parent}:/usr/bin:/bin" if how == "setup" else ""
    options = {"SetEnv": bare} if bare else {}
    with serving(tmp_path / "board", ForceCommand=cut_off, **options) as board:
        board.write_profile(more='[hardware]\narch = "x86_64"\n')
        made = asked(board, how)
        assert made.code == 0, made.err
        assert "ready, with Python 3." in made.out
        gated = ("gate", tmp_path / "model", "--data", tmp_path / "rows.csv", "--tier", "quick")
        said = command(*gated, "--profile", board.profile_file)
        assert said.code == 0, said.out + said.err
        assert asked(board, "clean").code == 0
        assert not board.home.exists()


def _here_mb() -> float:
    lines = Path("/proc/meminfo").read_text().splitlines()
    return int(next(line for line in lines if line.startswith("MemTotal")).split()[1]) / 1024
