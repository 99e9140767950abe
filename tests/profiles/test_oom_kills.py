"""What a device's kernel killed for lack of memory, as its processes are told."""

from __future__ import annotations

from profiles.transport.remote import OomKills
from runtimes.errors import DeviceError


class Board:
    """Stand for a board whose kernel counts; `asked` says how often it was asked."""

    def __init__(self, count: int | None) -> None:
        self.count = count
        self.asked = 0
        self.gone = False

    def read(self) -> int | None:
        self.asked += 1
        if self.gone:
            raise DeviceError("board: it does not answer", action="switch it on")
        return self.count


def test_a_kill_from_outside_after_one_for_lack_of_memory_is_told_apart() -> None:
    board = Board(3)
    kills = OomKills(board.read, 3)
    first = kills.from_now()
    board.count = 4
    assert first() is True
    assert kills.from_now()() is False


def test_two_processes_that_the_kernel_killed_at_once_are_both_told() -> None:
    board = Board(3)
    kills = OomKills(board.read, 3)
    both = kills.from_now(), kills.from_now()
    board.count = 5
    assert [one() for one in both] == [True, True]


def test_the_board_is_asked_once_for_each_process() -> None:
    board = Board(3)
    told = OomKills(board.read, 3).from_now()
    assert (told(), told(), board.asked) == (False, False, 1)


def test_a_board_that_does_not_count_or_is_gone_tells_nothing() -> None:
    board = Board(None)
    assert OomKills(board.read, None).from_now()() is None
    assert board.asked == 0
    board.count, board.gone = 3, True
    kills = OomKills(board.read, 3)
    assert kills.from_now()() is None
    board.gone = False
    assert kills.from_now()() is False
