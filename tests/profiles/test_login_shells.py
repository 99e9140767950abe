"""The login shell of a device, over a real ssh server: csh, fish or zsh, and files that print."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from profiles.transport import Transport, reach
from tests.profiles.sshd import Board, needs_sshd, serving

pytestmark = needs_sshd

HOSTILE = 'it\'s `id` $(id) $HOME !x \\ \\\\ "two"\n%d \ttab é'


@pytest.fixture(params=["bash", "busybox sh", "dash", "fish", "tcsh", "zsh"])
def shell(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Transport]:
    program, *words = str(request.param).split()
    found = shutil.which(program)
    if found is None:
        pytest.skip(f"needs {program}")
    login = tmp_path / "login"
    login.write_text(
        "#!/bin/sh\necho Welcome; echo Welcome >&2; printf 'no newline'\n"
        f'exec {" ".join([found, *words])} -c "$SSH_ORIGINAL_COMMAND"\n'
    )
    login.chmod(0o755)
    with serving(tmp_path / "board", ForceCommand=str(login)) as board:
        board.give_python()
        yield reach(board.profile())


def test_words_files_and_the_lock_pass_through_it(shell: Transport, tmp_path: Path) -> None:
    source = tmp_path / "some 'file'"
    source.write_text(HOSTILE)
    with shell.lock():
        place = shell.put(source)
        shell.get(place, tmp_path / "back")
        process = shell.run(
            [*shell.python, "-c", "import sys; print(ascii(sys.argv[1]))", HOSTILE], env={"A": "'"}
        )
        process.stdin.close()
        assert process.stdout.read().decode().strip() == ascii(HOSTILE)
        assert process.wait(20) == 0
        process.close()
    assert (tmp_path / "back").read_text() == HOSTILE
    assert shell.facts().arch


def test_a_configuration_for_people_does_not_disturb(tmp_path: Path) -> None:
    with serving(tmp_path / "board") as board:
        board.give_python()
        _add(board, "RemoteCommand tmux attach", "RequestTTY force", "ControlMaster auto")
        _add(board, f"ControlPath {tmp_path}/s", f"LocalForward {board.port} localhost:1")
        _add(board, "ExitOnForwardFailure yes")  # the port is taken: by the server itself
        assert reach(board.profile()).facts().arch


def _add(board: Board, *lines: str) -> None:
    with board.config.open("a") as config:
        config.writelines(f"  {line}\n" for line in lines)
