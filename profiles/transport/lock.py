"""A lock on a device, so that two jobs do not measure there at once.

A folder on the device is the lock, and one file in it names the holder: its owner, its process on
the device, the device's boot, and when it took the lock. All times are the device's seconds since
boot, so a clock that is wrong by years does not matter. The holder is a process on the device that
ends with the connection and then frees the lock; a holder that was killed, cut off by a reboot, or
not heard from for STALE_S is stale, and its lock may be taken.
"""

from __future__ import annotations

import getpass
import os
import shlex
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import PurePosixPath

from profiles.transport.shell import Shell, in_sh
from runtimes.errors import DeviceError
from runtimes.process import Process

STALE_S = 60
_BEAT_S = 5.0
_REPLY_S = 30.0

_SCRIPT = r"""
lock=$1; owner=$2; stale=$3
boot=$(cat /proc/sys/kernel/random/boot_id 2>/dev/null || echo unknown)
now() { read -r up rest < /proc/uptime; echo "${up%%.*}"; }
field() { sed -n "s/^$1 //p" "$2" 2>/dev/null; }
mine="$lock/held-$boot-$$"
end() { rm -f "$mine"; rmdir "$lock" 2>/dev/null; exit 0; }
trap end HUP INT TERM PIPE
hold() {
  { echo "owner $owner"; echo "pid $$"; echo "boot $boot"; echo "since $(now)"; beat
  } > "$mine.new" 2>/dev/null && mv "$mine.new" "$mine" || { rm -f "$mine.new"; false; }
}
beat() { printf 'beat %-12s\n' "$(now)"; }
while :; do
  if said=$(mkdir "$lock" 2>&1); then
    hold && break
    if [ -d "$lock" ]; then rmdir "$lock"; echo full; exit 0; fi
  fi
  case $said in *"No space left"* | *"Disk quota"*) echo full; exit 0 ;; esac
  if [ ! -d "$lock" ]; then [ -d "${lock%/*}" ] && echo unwritable || echo gone; exit 0; fi
  held=$(ls "$lock" 2>/dev/null | grep '^held-' | grep -v '\.new$' | head -n 1)
  if [ -z "$held" ]; then
    tries=$((${tries:-0} + 1))
    if [ "$tries" -gt 3 ]; then rm -f "$lock"/stolen-* "$lock"/*.new; rmdir "$lock" 2>/dev/null; fi
    sleep 1; continue
  fi
  file="$lock/$held"
  pid=$(field pid "$file"); beat=$(field beat "$file"); since=$(field since "$file")
  who=$(field owner "$file")
  if [ "$(field boot "$file")" = "$boot" ] && [ -d "/proc/$pid" ] \
     && [ $(($(now) - ${beat:-0})) -le "$stale" ]; then
    echo "held $(($(now) - ${since:-0})) $who"; exit 0
  fi
  # Only one of several takers can move the stale holder's own file away.
  if mv "$file" "$lock/stolen-$$" 2>/dev/null; then
    hold && rm -f "$lock/stolen-$$" && broken="$who" && break
  fi
done
echo "ok ${broken:-}"
while read -r line; do
  kept=$(sed '/^beat /d' "$mine" 2>/dev/null) || exit 0
  { echo "$kept"; beat; } 1<> "$mine"  # in place: a disk that became full takes no new file
done
end
"""


@contextmanager
def locked(shell: Shell, root: PurePosixPath) -> Iterator[str]:
    """Hold the device's lock; yield the owner of a stale lock that was taken, empty without one.

    Raises DeviceError when another job holds it, saying whose it is and how old, or when the
    device's folder takes no lock.
    """
    words = [str(root / "lock"), _owner(), str(STALE_S)]
    process = shell.start(in_sh(f"set -- {shlex.join(words)}\n{_SCRIPT}"))
    heart = _Heart(process)
    try:
        yield _taken(shell, process, root)
    finally:
        heart.stop()
        with suppress(OSError, ValueError):
            process.stdin.close()
        if process.wait(5) is None:
            process.kill()
        process.close()


def _taken(shell: Shell, process: Process, root: PurePosixPath) -> str:
    """Return the owner of a stale lock that was taken; raise DeviceError without the lock."""
    watchdog = threading.Timer(_REPLY_S, process.kill)
    watchdog.daemon = True
    watchdog.start()
    line = process.stdout.readline().decode(errors="replace").strip()
    watchdog.cancel()
    word, _, rest = line.partition(" ")
    if word == "ok":
        return rest
    if word == "held":
        age, _, owner = rest.partition(" ")
        if owner == _owner():
            raise DeviceError.of(
                shell.name,
                "another profile of this command holds the same device",
                expected="one [transport] for one device, so that it is measured once at a time",
                action="write the same host and folder into both profiles",
            )
        raise DeviceError(
            f"{shell.name}: locked by {owner or 'another job'} for {_said_age(age)}",
            expected="a device that no other job uses",
            action="wait for that job; `edgepress device clean --break-lock` ends its claim",
            reason=f"locked for {_said_age(age)}",
        )
    if word == "gone":
        raise DeviceError(
            f"{shell.name}: {root} was deleted meanwhile",
            expected="a folder that no other command cleans at the same time",
            action="run the command again",
            reason="its folder was deleted meanwhile",
        )
    if word == "full":
        raise DeviceError.of(
            shell.name,
            "its disk is full: it has no room for a lock",
            action="free some space there; `edgepress device clean --break-lock` deletes"
            " edgepress's own files",
        )
    if word == "unwritable":
        raise DeviceError(
            f"{shell.name}: {root} takes no files",
            expected="a folder that this user may write",
            action="name one in the profile: [transport] folder",
            reason="its folder takes no files",
        )
    code = process.wait(5)
    lost = None if code is None else shell.lost(code, process.said())
    raise lost or DeviceError.of(
        shell.name,
        "the lock cannot be taken",
        said=process.said()[-200:] or "no reply",
        action="see `edgepress device probe`",
    )


def _said_age(seconds: str) -> str:
    number = int(seconds) if seconds.isdigit() else 0
    return f"{number} s" if number < 120 else f"{number // 60} min"


def _owner() -> str:
    """Return who holds the lock, as another user of the device reads it."""
    try:
        user = getpass.getuser()
    except (KeyError, OSError):
        user = "someone"
    return f"{user}@{socket.gethostname()} (process {os.getpid()})"


class _Heart:
    """Tell the holder on the device now and then that its owner is alive."""

    def __init__(self, process: Process) -> None:
        self._process = process
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._beat, daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Stop; the holder then frees the lock as its stdin closes."""
        self._stopped.set()
        self._thread.join(_BEAT_S)

    def _beat(self) -> None:
        while not self._stopped.wait(_BEAT_S):
            try:
                self._process.stdin.write(b"\n")
                self._process.stdin.flush()
            except (OSError, ValueError):
                return
