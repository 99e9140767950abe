"""A group of processes whose memory and processor time the kernel bounds (Linux control groups).

A group is made only where this user may do so without disturbing anybody: inside a hierarchy that
is delegated to the user, or as root where no systemd manages it, as in containers. Both versions
are known: https://docs.kernel.org/admin-guide/cgroup-v2.html and .../cgroup-v1/memory.html.
"""

from __future__ import annotations

import itertools
import os
import re
import signal
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path, PurePosixPath
from typing import NamedTuple

_MB = 2**20
_PERIOD_US = 100_000
_PREFIX = "edgepress-"
_EMPTYING_S = 10.0
_DELEGATED = ("user.delegate", "trusted.delegate")
"""The attributes with which systemd marks a folder that it leaves to others."""


_NUMBERS = itertools.count()


class _Folder(NamedTuple):
    """Hold a folder of a hierarchy, and the version of control groups that it belongs to."""

    path: Path
    version: int


class Group:
    """Own one group, which holds the processes that enter it and all that they start."""

    def __init__(self, folders: Mapping[str, _Folder]) -> None:
        self._folders = folders

    def enter(self) -> None:
        """Move this process into the group, between fork and exec for one; raises OSError."""
        for folder in self._paths:
            (folder / "cgroup.procs").write_text("0")

    def take(self, pid: int) -> None:
        """Move another process into the group, before it starts any; raises OSError."""
        for folder in self._paths:
            (folder / "cgroup.procs").write_text(str(pid))

    @property
    def peak_mb(self) -> float | None:
        """Return the most memory that it held at once, in MB (10^6 bytes), page cache included."""
        held = self._memory("memory.max_usage_in_bytes", "memory.peak").strip()
        return int(held) / 1e6 if held.isdigit() else None

    @property
    def oom_kills(self) -> int:
        """Return how many of its processes the kernel killed for lack of memory."""
        events = self._memory("memory.oom_control", "memory.events")
        found = re.search(r"^oom_kill (\d+)$", events, re.MULTILINE)
        return int(found[1]) if found else 0

    def remove_after_me(self, last_words: Callable[[Group], str]) -> None:
        """Let a process of its own remove the group once this process is gone, however it ends.

        That process stays outside of the group. It keeps stdout open until it has written
        `last_words` to stderr, so who reads stdout to its end has them.
        """
        reading, writing = os.pipe()
        if os.fork():
            os.close(reading)  # the other end closes with this process
            return
        os.close(writing)
        os.close(0)
        for number in (signal.SIGHUP, signal.SIGINT, signal.SIGTERM):
            signal.signal(number, signal.SIG_IGN)
        os.read(reading, 1)
        with suppress(OSError):
            os.write(2, last_words(self).encode())
        self.remove()
        os._exit(0)

    def remove(self) -> None:
        """Kill what is in the group, and remove it."""
        for folder in self._paths:
            _empty(folder)

    @property
    def _paths(self) -> list[Path]:
        return list(dict.fromkeys(folder.path for folder in self._folders.values()))

    def _memory(self, first: str, second: str) -> str:
        """Read a file of the memory's folder, by its names in both versions."""
        folder = self._folders["memory"]
        return text_of(folder.path / (first if folder.version == 1 else second))


def make_group(
    memory_mb: int | None = None, cpus: float | None = None, *, root: Path = Path("/")
) -> Group | None:
    """Return a new group that may use so many MiB and so many CPUs; None where that is not allowed.

    The kernel kills what needs more memory, and swaps nothing. Groups that killed processes left
    are removed. The caller removes the group.
    """
    wanted = {"memory": memory_mb, "cpu": cpus}
    name = f"{_PREFIX}{os.getpid()}-{_started(os.getpid())}-{next(_NUMBERS)}"
    folders: dict[str, _Folder] = {}
    for controller in (one for one, bound in wanted.items() if bound is not None):
        parent = _parent(root, controller)
        if parent is None:
            return None
        _remove_stale(parent.path)
        folders[controller] = _Folder(parent.path / name, parent.version)
    group = Group(folders)
    try:
        for folder in folders.values():
            folder.path.mkdir(exist_ok=True)
        for controller, folder in folders.items():
            _write(folder, _settings(controller, folder.version, memory_mb or 0, cpus or 0.0))
    except OSError:
        group.remove()
        return None
    return group


def _settings(
    controller: str, version: int, memory_mb: int, cpus: float
) -> Sequence[tuple[str, str]]:
    """Return the files that bound a group, each with what to write, in this order."""
    held, share = str(memory_mb * _MB), str(int(cpus * _PERIOD_US))
    files: dict[tuple[str, int], Sequence[tuple[str, str]]] = {
        ("memory", 1): (("memory.limit_in_bytes", held), ("memory.memsw.limit_in_bytes", held)),
        ("memory", 2): (("memory.max", held), ("memory.swap.max", "0")),
        ("cpu", 1): (("cpu.cfs_period_us", str(_PERIOD_US)), ("cpu.cfs_quota_us", share)),
        ("cpu", 2): (("cpu.max", f"{share} {_PERIOD_US}"),),
    }
    return files[controller, version]


def _write(folder: _Folder, settings: Sequence[tuple[str, str]]) -> None:
    for name, value in settings:
        if "sw" not in name or (folder.path / name).exists():  # a kernel may count no swap
            (folder.path / name).write_text(value)


def _parent(root: Path, controller: str) -> _Folder | None:
    """Return the folder in which this process may make a group with a controller."""
    for version, own, top in own_folders(root, controller):
        # With version 2, a group that holds processes has no groups of its own with a controller,
        # the first group of all excepted.
        beside = [own.parent] if version == 2 and own != top else []
        for folder in (own, *beside):
            if _is_ours(folder, root) and (version == 1 or _controls(folder, controller)):
                return _Folder(folder, version)
    return None


def own_folders(root: Path, controller: str) -> Iterator[tuple[int, Path, Path]]:
    """Yield the version, this process's folder and the hierarchy's, where it has the controller."""
    groups = [line.split(":", 2) for line in text_of(root / "proc/self/cgroup").splitlines()]
    for line in text_of(root / "proc/self/mountinfo").splitlines():
        mounted, _, kind = line.partition(" - ")
        inside, top = mounted.split()[3:5]
        kind_name, _, options = kind.split(maxsplit=2)
        for _, controllers, path in groups:
            first = kind_name == "cgroup" and controller in controllers.split(",")
            if first and controller in options.split(","):
                version = 1
            elif kind_name == "cgroup2" and not controllers:
                version = 2
            else:
                continue
            with suppress(ValueError):  # the group lies outside of what is mounted
                place = root / top.lstrip("/")
                yield version, place / PurePosixPath(path).relative_to(inside), place


def _is_ours(folder: Path, root: Path) -> bool:
    """Tell whether this user may make groups in a folder, and nobody else manages it."""
    try:
        owner = folder.stat().st_uid
    except OSError:
        return False
    if owner != os.geteuid() or not os.access(folder / "cgroup.procs", os.W_OK):
        return False
    managed = (root / "run/systemd/system").exists()
    return owner != 0 or not managed or _is_delegated(folder)


def _is_delegated(folder: Path) -> bool:
    for name in _DELEGATED:
        with suppress(OSError):
            if os.getxattr(folder, name) == b"1":
                return True
    return False


def _controls(folder: Path, controller: str) -> bool:
    """Tell whether the groups in a folder have a controller, after an attempt to let them."""
    control = folder / "cgroup.subtree_control"
    if controller not in text_of(control).split():
        with suppress(OSError):
            control.write_text(f"+{controller}")
    return controller in text_of(control).split()


def _remove_stale(parent: Path) -> None:
    """Remove the groups that processes left which are gone; one that holds a process stays.

    A process that is killed together with the one that removes its group leaves it: by its whole
    process group, or at the end of a container. Each step of a job may have a folder of its own, so
    the folders beside are looked at too.
    """
    for folder in {*parent.glob(f"{_PREFIX}*"), *parent.parent.glob(f"*/{_PREFIX}*")}:
        _remove_if_stale(folder)


def _remove_if_stale(folder: Path) -> None:
    for inner in folder.glob(f"{_PREFIX}*"):
        _remove_if_stale(inner)
    pid, started, _ = f"{folder.name.removeprefix(_PREFIX)}--".split("-", 2)
    with suppress(OSError):
        ours = folder.stat().st_uid == os.geteuid()
        if ours and pid.isdigit() and _started(int(pid)) != started:
            folder.rmdir()


def _empty(folder: Path) -> None:
    """Kill what is in a group and in those that its processes made, and remove them."""
    for inner in folder.glob(f"{_PREFIX}*"):
        _empty(inner)
    end = time.monotonic() + _EMPTYING_S
    while time.monotonic() < end:
        try:
            folder.rmdir()
            return
        except FileNotFoundError:
            return
        except OSError:
            for pid in text_of(folder / "cgroup.procs").split():
                with suppress(OSError):
                    os.kill(int(pid), signal.SIGKILL)
            time.sleep(0.01)


def _started(pid: int) -> str:
    """Return when a process started, in ticks since boot; empty where there is none."""
    fields = text_of(Path(f"/proc/{pid}/stat")).rpartition(")")[2].split()
    return fields[19] if len(fields) > 19 else ""


def text_of(file: Path) -> str:
    """Return what a file of the kernel's says; empty where it cannot be read."""
    try:
        return file.read_text(encoding="ascii", errors="replace")
    except OSError:
        return ""
