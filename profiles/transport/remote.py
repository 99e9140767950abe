"""What every device behind a shell has in common: its folder, its lock, its processes."""

from __future__ import annotations

import os
import shlex
import shutil
import tarfile
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from functools import cache, cached_property
from pathlib import Path, PurePosixPath
from typing import ClassVar, NamedTuple

from profiles.device import VARIABLE, TransportSettings
from profiles.transport.listing import listing_of
from profiles.transport.lock import locked
from profiles.transport.serving import facts_of
from profiles.transport.shell import RemoteProcess, Shell, call, started_in
from profiles.transport.store import MARK, Sent, Store, is_full
from profiles.transport.versions import check_versions, pins_of
from runtimes.errors import DeviceError
from runtimes.facts import Facts

LAUNCHER = "python"
"""The file in the device's folder that starts Python there."""


class Greeting(NamedTuple):
    """Say what a device answers first: edgepress's folder there, and its architecture."""

    root: PurePosixPath
    arch: str
    oom_kills: int | None


class OomKills:
    """Tell processes whether a device's kernel killed one of them for lack of memory.

    `read` asks the device for its count, which costs a command; `last` is the count known so far.
    """

    def __init__(self, read: Callable[[], int | None], last: int | None) -> None:
        self._read = read
        self._last = last

    def from_now(self) -> Callable[[], bool | None]:
        """Return what tells a process that starts now; it asks the device once, None if unknown."""
        before = self._last

        @cache
        def grew() -> bool | None:
            if before is None:
                return None
            with suppress(DeviceError):
                now = self._read()
                self._last = self._last if now is None else now
                return None if now is None else now > before
            return None

        return grew


class Remote:
    """Reach a device through its shell; a subclass makes the shell of its kind."""

    kind: ClassVar[str]
    here: ClassVar[bool] = False
    needs_host: ClassVar[bool] = True
    clients: ClassVar[tuple[str, ...]]
    usual_folder: ClassVar[str] = ".edgepress"

    def __init__(self, settings: TransportSettings) -> None:
        """Take the settings; connect when the device is first used."""
        self.settings = settings
        self.sent: Sent = lambda _count: None
        self._locks = 0

    def open_shell(self) -> Shell:
        """Connect; raise DeviceError when the device cannot be reached."""
        raise NotImplementedError

    @cached_property
    def shell(self) -> Shell:
        """Return the device's shell."""
        return self.open_shell()

    @cached_property
    def root(self) -> PurePosixPath:
        """Return edgepress's folder on the device."""
        return self._greeting.root

    @property
    def arch(self) -> str:
        """Return the device's architecture, as its kernel names it."""
        return self._greeting.arch

    @cached_property
    def python(self) -> tuple[str, ...]:
        """Return the command that starts Python there.

        Raises DeviceError where none is set up, or one with other versions than this machine has.
        """
        launcher = str(self.root / LAUNCHER)
        file = shlex.quote(launcher)
        code, first, _ = call(self.shell, f"[ -s {file} ] && sed -n 1p {file}")
        if code:
            raise DeviceError(
                f"{self.shell.name}: no Python with a runtime is set up in {self.root}",
                expected="what `edgepress device setup` or `edgepress device pack` puts there",
                action="run `edgepress device setup PROFILE` where the device has Python 3.9 or"
                " newer, else `edgepress device pack PROFILE`",
                reason="no Python with a runtime is set up there",
            )
        again = "run `edgepress device setup PROFILE` or `edgepress device pack PROFILE` again"
        check_versions(self.shell.name, pins_of(first), action=f"{again}, whichever made it ready")
        return ("sh", launcher)

    def put(self, path: Path) -> str:
        """Return the path of a file or folder on the device; send only contents it lacks."""
        return str(self._store.put(listing_of(path), self.sent))

    def run(self, command: Sequence[str], *, env: Mapping[str, str]) -> RemoteProcess:
        """Start a process on the device, in edgepress's folder there."""
        client = self.shell.start(started_in(self.root, command, env))
        return RemoteProcess(self.shell, client, self._oom_kills.from_now())

    def get(self, place: str, target: Path) -> None:
        """Copy a file or folder of the device to `target`; raise DeviceError without one."""
        with tempfile.TemporaryDirectory(prefix="ep-") as scratch:
            packed = Path(scratch, "packed.tar")
            with packed.open("wb") as stream:
                self._store.get(place, stream.write)
            with tarfile.open(packed) as archive:
                archive.extractall(Path(scratch, "out"), filter="data")
            found = Path(scratch, "out", PurePosixPath(place).name)
            if found.is_dir():
                shutil.copytree(found, target, dirs_exist_ok=True)
            else:
                shutil.copyfile(found, target)

    def facts(self) -> Facts:
        """Let a process on the device probe it."""
        return facts_of(self)

    @contextmanager
    def lock(self) -> Iterator[str]:
        """Keep other jobs from the device; yield whose stale lock was taken, empty if nobody's.

        Raises DeviceError while another job holds it. A job may lock a device again.
        """
        if self._locks:
            yield ""
            return
        with locked(self.shell, self.root) as taken_from:
            self._locks += 1
            try:
                yield taken_from
            finally:
                self._locks -= 1

    def clean(self) -> float:
        """Delete what edgepress put on the device; return how many MB that was.

        A folder that was there, and empty, when edgepress first used it stays, and is empty again.
        """
        where = shlex.quote(str(self.root))
        code, output, said = call(
            self.shell,
            f"cd {where} 2>/dev/null || {{ echo 0; exit; }}\n"
            f"[ -f {MARK} ] || exit 3\n"
            f"found=$(cat {MARK}); du -sk . | {{ read -r size rest; echo $size; }}\n"
            "rm -rf ./* ./.[!.]* ./..?*\n"
            f'[ "$found" = {_FOUND} ] || {{ cd / && rm -rf {where}; }}',
            seconds=300,
        )
        if code:
            raise DeviceError(
                f"{self.shell.name}: {self.root} cannot be deleted ({said or 'it has no mark'})",
                action="delete it by hand, if it is edgepress's",
            )
        return float(output.split()[0]) * 1024 / 1e6

    @cached_property
    def _store(self) -> Store:
        return Store(self.shell, self.root)

    @cached_property
    def _greeting(self) -> Greeting:
        folder = self.settings.folder or self.usual_folder
        where = shlex.quote(_from_home(folder))
        code, output, said = call(
            self.shell,
            f"umask 077; home=$(pwd -P); found=; [ ! -d {where} ] || found={_FOUND}\n"
            f"mkdir -p {where} && cd {where} || exit 73\n"
            # `clean` deletes the folder: an empty home is not edgepress's own
            'case "$home/" in "$(pwd -P)/"*) exit 74 ;; esac\n'
            f'[ -e {MARK} ] || [ -z "$(ls -A 2>&1)" ] || exit 74\n'
            # A full disk may take the mark's name and not its content; `cat` says so, echo not.
            f"[ -e {MARK} ] || echo $found | cat > {MARK} ||"
            f' {{ rm -f {MARK}; [ $found ] || rmdir "$(pwd -P)"; exit 73; }}\n'
            f": >> {MARK} || exit 73\n"  # a disk may have become read-only since
            f"pwd -P; uname -m\n{_OOM}\n",
        )
        if code == 74:
            raise DeviceError(
                f"{self.shell.name}: {folder} is there, and edgepress did not make it",
                expected="a folder of edgepress's own, or one that is not there yet",
                action="name another one in the profile: [transport] folder",
                reason="its folder is there, and edgepress did not make it",
            )
        lines = output.split("\n")
        if is_full(said):
            raise DeviceError.of(
                self.shell.name,
                f"its disk is full: {folder} cannot be made",
                action="free some space there, or name a folder on another disk:"
                " [transport] folder",
            )
        if code or len(lines) < 3:
            raise DeviceError(
                f"{self.shell.name}: {folder} cannot be written ({said or 'no reply'})",
                expected="a folder that this user may write",
                action="name one in the profile: [transport] folder",
                reason="its folder cannot be written",
            )
        return Greeting(PurePosixPath(lines[0]), lines[1], _count(lines[2]))

    @cached_property
    def _oom_kills(self) -> OomKills:
        return OomKills(lambda: _count(call(self.shell, _OOM)[1]), self._greeting.oom_kills)


_FOUND = "found"
"""What the mark holds of a folder that was there before edgepress."""

_OOM = "sed -n 's/^oom_kill //p' /proc/vmstat 2>/dev/null"


def _from_home(folder: str) -> str:
    """Return a folder as the shell's commands take it, which start in the user's home.

    Raises DeviceError for another user's home, which no shell is asked for.
    """
    if folder.startswith("~") and folder != "~" and not folder.startswith("~/"):
        raise DeviceError(
            f"[transport] folder {folder!r} begins with a user's name",
            expected="~/ for the home of the user who connects, or a path",
            action=f"write its path; ./{folder} is a folder of that name",
            reason="its folder cannot be used",
        )
    inside = folder.removeprefix("~/") if folder != "~" else "."
    return inside if inside.startswith("/") else f"./{inside}"


def _count(text: str) -> int | None:
    return int(text) if text.strip().isdigit() else None


def expanded(settings: TransportSettings, expected: str) -> str:
    """Return the settings' host with its variables replaced; raise DeviceError for an odd one.

    `expected` says what a host is for this kind of transport.
    """
    found = VARIABLE.sub(lambda match: os.environ[match[1]], settings.host or "")
    if not found or found.startswith("-") or not found.isprintable():
        raise DeviceError(
            f"host {found!r}", expected=expected, action="correct it in the profile's [transport]"
        )
    return found
