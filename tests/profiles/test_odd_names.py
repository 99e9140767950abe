"""Odd names of hosts, folders and files: they arrive as they are, or are refused in one line."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from profiles.device import load_profile
from profiles.transport import reach
from profiles.transport.remote import Remote
from runtimes.errors import DeviceError, InputError, ProfileError
from tests.profiles.sshd import Board, needs_sshd, serving

pytestmark = needs_sshd


@pytest.fixture(scope="module")
def board(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Board]:
    """Serve a board whose commands begin in an empty home."""
    folder = tmp_path_factory.mktemp("odd") / "board"
    home = folder / "empty"
    home.mkdir(parents=True)
    login = folder / "login"
    login.write_text(f'#!/bin/sh\ncd {home}\nexec sh -c "$SSH_ORIGINAL_COMMAND"\n')
    login.chmod(0o755)
    with serving(folder, ForceCommand=str(login)) as board:
        yield board


def reached(board: Board, folder: str) -> Remote:
    device = reach(board.profile(folder=folder))
    assert isinstance(device, Remote)
    return device


@pytest.mark.parametrize("folder", [".", "~", "~/", "./", "..", "/"])
def test_the_home_and_what_holds_it_are_never_taken(board: Board, folder: str) -> None:
    with pytest.raises(DeviceError, match="edgepress did not make it"):
        _ = reached(board, folder).root
    assert list((board.folder / "empty").iterdir()) == []


@pytest.mark.parametrize(
    ("folder", "place"),
    [("~/ep", "ep"), ("-x", "-x"), ("-", "-"), ("sp ace'q$(id)", "sp ace'q$(id)")],
)
def test_a_folder_is_what_its_name_says(board: Board, folder: str, place: str) -> None:
    device = reached(board, folder)
    where = board.folder / "empty" / place
    assert Path(device.root) == where
    device.clean()
    assert list((board.folder / "empty").iterdir()) == []


def test_another_users_home_is_refused(board: Board) -> None:
    with pytest.raises(DeviceError, match="begins with a user's name"):
        _ = reached(board, "~bob/ep").root
    assert list((board.folder / "empty").iterdir()) == []


def test_an_empty_folder_of_the_user_stays_when_the_device_is_cleaned(board: Board) -> None:
    own = board.folder / "empty" / "own"
    own.mkdir()
    device = reached(board, str(own))
    with device.lock():
        device.clean()
    assert list(own.iterdir()) == []
    own.rmdir()


def test_a_folder_that_is_deleted_meanwhile_is_said(board: Board) -> None:
    first, second = reached(board, "~/ep"), reached(board, "~/ep")
    assert first.root == second.root
    first.clean()
    with pytest.raises(DeviceError, match="was deleted meanwhile"), second.lock():
        pytest.fail("the lock of no folder was taken")
    assert second.clean() == 0
    assert list((board.folder / "empty").iterdir()) == []


def test_an_empty_launcher_is_no_python(board: Board) -> None:
    device = reached(board, "~/ep")
    (Path(device.root) / "python").touch()
    with pytest.raises(DeviceError, match="no Python with a runtime is set up"):
        _ = device.python
    device.clean()


@pytest.mark.parametrize("name", ["-m", " lead", "trail ", "a'b$(id)\"", "back\\slash", "END"])
def test_names_arrive_as_they_are(board: Board, tmp_path: Path, name: str) -> None:
    source = tmp_path / name / name
    source.mkdir(parents=True)
    (source / name).write_text("content")
    (source / name).chmod(0o755)
    device = reached(board, str(board.home))
    arrived = Path(device.put(tmp_path / name))
    assert arrived.name == name
    assert (arrived / name / name).read_text() == "content"


def test_a_dot_has_the_folders_name(
    board: Board, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "here" / "below").mkdir(parents=True)
    (tmp_path / "here" / "file").write_text("content")
    device = reached(board, str(board.home))
    for start, name in ((tmp_path / "here", "."), (tmp_path / "here" / "below", "..")):
        monkeypatch.chdir(start)
        assert (Path(device.put(Path(name))) / "file").read_text() == "content"


def test_a_line_break_in_a_name_is_refused(board: Board, tmp_path: Path) -> None:
    (tmp_path / "two\nlines").write_text("content")
    with pytest.raises(InputError, match="line break"):
        reached(board, str(board.home)).put(tmp_path)


@pytest.mark.parametrize("key", ["host", "folder", "config"])
@pytest.mark.parametrize("text", ["a\\u0000b", "a\\nb", "\\u001b[2J"])
def test_settings_hold_what_can_be_printed(tmp_path: Path, key: str, text: str) -> None:
    file = tmp_path / "odd.toml"
    file.write_text(
        f'schema = 1\nname = "odd"\n[transport]\nkind = "ssh"\n{key} = "{text}"\n'
        "[budgets]\nartifact_mb = {max = 5}\n"
    )
    with pytest.raises(ProfileError, match=f"transport.{key}: .*not printed"):
        load_profile(file)


def test_a_variable_may_not_hide_an_option(board: Board, monkeypatch: pytest.MonkeyPatch) -> None:
    for value in ("-oProxyCommand=true", "board\nother"):
        monkeypatch.setenv("ODD_HOST", value)
        with pytest.raises(DeviceError, match=r"host '"):
            _ = reach(board.profile(host="${ODD_HOST}")).python


def test_one_board_by_two_hosts_is_locked_once(board: Board, tmp_path: Path) -> None:
    config = tmp_path / "config"
    config.write_text(board.config.read_text().replace("Host board", "Host board alias"))
    one, other = (
        reach(board.profile(config=str(config), host=host)) for host in ("board", "alias")
    )
    with one.lock(), pytest.raises(DeviceError, match="another profile of this command"):
        other.lock().__enter__()
