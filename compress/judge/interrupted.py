"""Keep what was measured when a device vanishes."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from compress.places import cache_root
from profiles.job import Job
from runtimes.errors import DeviceError


@contextmanager
def kept_samples(device: Job, stream: Path | None) -> Iterator[Path | None]:
    """Yield the file that samples are written to; it stays only when the device vanishes.

    A `stream` that the user named always stays. This machine does not vanish, so without a stream
    nothing is written for it. The DeviceError that passes through says what was kept, and where.
    """
    file = stream if stream or device.here else _new_file()
    before = _state(file)
    try:
        yield file
    except DeviceError as error:
        said = _saying(error, file) if file and _state(file) != before else error
        if said is error:
            _forget(file, stream)
        raise said from None
    except BaseException:
        _forget(file, stream)
        raise
    _forget(file, stream)


def _new_file() -> Path:
    folder = cache_root() / "interrupted"
    folder.mkdir(parents=True, exist_ok=True)
    return folder / f"{time.strftime('%Y-%m-%dT%H-%M-%S')}-{time.monotonic_ns() % 10**6:06}.jsonl"


def _state(file: Path | None) -> tuple[int, int, int] | None:
    """Return what changes with a file's content: a session may leave an earlier one's file."""
    if file is None or not file.exists():
        return None
    found = file.stat()
    return found.st_ino, found.st_mtime_ns, found.st_size


def _forget(file: Path | None, stream: Path | None) -> None:
    if file is not None and stream is None:
        file.unlink(missing_ok=True)


def _saying(error: DeviceError, file: Path) -> DeviceError:
    """Return the error with what was measured until then; as it is where that is nothing."""
    processes, runs = _measured(file)
    if not runs:
        return error
    return DeviceError(
        error.received,
        expected=error.expected,
        available=f"{runs} timed runs of {processes} processes were measured until then;"
        f" {file} keeps them",
        action=f"{error.action}; `edgepress judge {file}` judges what was measured",
        reason=error.reason,
    )


def _measured(file: Path) -> tuple[int, int]:
    """Count the processes and the timed runs that a file of samples holds."""
    processes: set[tuple[str, int]] = set()
    runs = 0
    for line in file.read_text(encoding="utf-8").splitlines() if file.exists() else ():
        try:
            content = json.loads(line)
        except ValueError:
            continue  # half a line, of a process that was writing
        if content["kind"] == "block":
            processes.add((content["variant"], content["process"]))
            runs += len(content["latency_ms"])
    return len(processes), runs
