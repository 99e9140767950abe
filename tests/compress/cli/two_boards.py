"""Two boards behind real ssh servers, `left` and `right`, each with a profile of its own."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.profiles.sshd import Board, serving


@pytest.fixture
def boards(tmp_path: Path) -> Iterator[list[Board]]:
    """Serve both until the test ends."""
    with ExitStack() as stack:
        boards = [stack.enter_context(serving(tmp_path / name)) for name in ("left", "right")]
        for board in boards:
            board.give_python()
            board.write_profile(name=board.folder.name)
        yield boards


def profiles(boards: list[Board]) -> list[str]:
    """Return the options that name the boards' profiles."""
    return [word for board in boards for word in ("--profile", str(board.profile_file))]
