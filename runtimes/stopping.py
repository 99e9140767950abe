"""End a process that a library's endless computation keeps from ending.

Python runs a signal's handler between two of its own steps, so never while a library computes. The
part of the handler that is in C writes the signal's number into a pipe at once, and a thread reads
it there: nothing is added to an inference.
"""

from __future__ import annotations

import functools
import os
import select
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

_STOPS = (signal.SIGINT, signal.SIGTERM)


@contextmanager
def stops_within(grace_s: float) -> Iterator[None]:
    """End the process where the block does not end within `grace_s` of a signal to stop.

    A second signal ends it at once. The exit code is 128 + the signal's number. Outside of the
    main thread, which alone gets signals, the block is left alone.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    reading, writing = os.pipe()
    os.set_blocking(writing, False)
    before = signal.set_wakeup_fd(writing, warn_on_full_buffer=False)
    _leave_children_alone()
    watch = threading.Thread(target=_watch, args=(reading, grace_s), daemon=True)
    watch.start()
    try:
        yield
    finally:
        signal.set_wakeup_fd(before)
        os.close(writing)
        watch.join()
        os.close(reading)


@functools.cache
def _leave_children_alone() -> None:
    """Once a process: what a forked child is sent is not its parent's to obey."""
    if hasattr(os, "register_at_fork"):
        os.register_at_fork(after_in_child=functools.partial(signal.set_wakeup_fd, -1))


def _watch(reading: int, grace_s: float) -> None:
    """Read signals until the pipe is closed: the first starts the clock, the second ends all."""
    clock = None
    while number := os.read(reading, 1):
        if number[0] not in _STOPS:
            continue
        if clock is not None:
            _end(number[0])
        clock = threading.Timer(grace_s, _end, (number[0],))
        clock.daemon = True
        clock.start()
    if clock is not None:
        clock.cancel()


def _end(number: int) -> None:
    os.write(2, b"interrupted while it computed; nothing more is written\n")
    os._exit(128 + number)


def ends_without_caller(pipe: int, grace_s: float) -> None:
    """End the process `grace_s` after the last writer of a pipe is gone, whatever it computes."""
    if hasattr(select, "poll"):  # Windows has none
        threading.Thread(target=_outlive, args=(pipe, grace_s), daemon=True).start()


def _outlive(pipe: int, grace_s: float) -> None:
    closing = select.poll()
    closing.register(pipe, 0)  # the closing alone, not what is written
    closing.poll()
    time.sleep(grace_s)
    os._exit(1)
