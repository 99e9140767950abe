"""A device daemon that speaks ADB's wire protocol on loopback TCP, for tests with the real adb.

Commands run on this machine, with a shell and a PATH of the device's own. Sources: AOSP
packages/modules/adb, protocol.txt (packets) and shell_protocol.h (the shell's packets).
"""

from __future__ import annotations

import os
import queue
import signal
import socket
import struct
import subprocess
import threading
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import IO

_VERSION, _MOST = 0x01000001, 1 << 18
_TOKEN = 1
_STDIN, _STDOUT, _STDERR, _EXIT, _CLOSE_STDIN = range(5)


class Daemon:
    """Be one device; `state` is "device", "offline" or "unauthorized"."""

    def __init__(
        self,
        shell: Sequence[str],
        env: Mapping[str, str],
        *,
        state: str = "device",
        features: str = "shell_v2,cmd",
    ) -> None:
        self.shell, self.env, self.state, self.features = list(shell), dict(env), state, features
        self.cut_after: int | None = None
        self.served: list[str] = []
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = int(self._listener.getsockname()[1])
        self._links: list[_Link] = []
        threading.Thread(target=self._accept, daemon=True).start()

    def cut(self) -> None:
        """Break every connection; a command sees only that its stdin closes."""
        for link in self._links:
            link.cut()

    def received(self, size: int) -> None:
        """Count down to the cut that a test asked for."""
        if self.cut_after is None:
            return
        self.cut_after -= size
        if self.cut_after <= 0:
            self.cut_after = None
            self.cut()

    def close(self) -> None:
        """End the device with all that runs on it."""
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self.cut()
        for link in self._links:
            link.kill()

    def _accept(self) -> None:
        while True:
            try:
                wire, _ = self._listener.accept()
            except OSError:
                return
            link = _Link(self, wire)
            self._links.append(link)
            threading.Thread(target=link.serve, daemon=True).start()


class _Link:
    """Serve one connection of an adb server."""

    def __init__(self, daemon: Daemon, wire: socket.socket) -> None:
        self._daemon, self._wire = daemon, wire
        self._sending = threading.Lock()
        self._streams: dict[int, _Command] = {}

    def serve(self) -> None:
        with suppress(OSError, struct.error):
            while True:
                self._packet()
        self.cut()

    def send(self, word: bytes, first: int, second: int, payload: bytes = b"") -> None:
        code = int.from_bytes(word, "little")
        head = struct.pack(
            "<6I", code, first, second, len(payload), sum(payload), code ^ 0xFFFFFFFF
        )
        with self._sending, suppress(OSError):
            self._wire.sendall(head + payload)

    def cut(self) -> None:
        with suppress(OSError):
            self._wire.shutdown(socket.SHUT_RDWR)
        self._wire.close()
        for stream in list(self._streams.values()):
            stream.hang_up()

    def kill(self) -> None:
        for stream in list(self._streams.values()):
            stream.kill()

    def _packet(self) -> None:
        head = self._exactly(24)
        word, first, second, size = head[:4], *struct.unpack("<3I", head[4:16])
        payload = self._exactly(size)
        if word in (b"CNXN", b"AUTH"):
            self._greet()
        elif word == b"OPEN":
            self._open(first, payload.rstrip(b"\0").decode())
        elif stream := self._streams.get(second):
            if word == b"WRTE":
                stream.take(payload)
                self._daemon.received(len(payload))
            elif word == b"OKAY":
                stream.ready.release()
            elif word == b"CLSE":
                stream.hang_up()

    def _greet(self) -> None:
        if self._daemon.state == "unauthorized":
            self.send(b"AUTH", _TOKEN, 0, os.urandom(20))
        elif self._daemon.state == "device":
            banner = f"device::ro.product.model=loopback;features={self._daemon.features}"
            self.send(b"CNXN", _VERSION, _MOST, banner.encode())

    def _open(self, theirs: int, service: str) -> None:
        self._daemon.served.append(service)
        kind, _, script = service.partition(":")
        if kind.split(",")[:2] != ["shell", "v2"]:
            self.send(b"CLSE", 0, theirs)
            return
        ours = len(self._streams) + 1
        words = [*self._daemon.shell, "-c", script]
        self._streams[ours] = _Command(self, ours, theirs, words, self._daemon.env)

    def _exactly(self, size: int) -> bytes:
        content = b""
        while len(content) < size:
            got = self._wire.recv(size - len(content))
            if not got:
                raise OSError("the server closed the connection")
            content += got
        return content


class _Command:
    """Run a command; carry its pipes as packets of the shell protocol."""

    def __init__(
        self, link: _Link, ours: int, theirs: int, words: Sequence[str], env: Mapping[str, str]
    ) -> None:
        self._link, self._ours, self._theirs = link, ours, theirs
        self.ready = threading.Semaphore(0)  # one for each packet that the other side has taken
        self._sending = threading.Lock()
        self._cut = False
        self._stdin: queue.Queue[bytes | None] = queue.Queue()
        self._process = subprocess.Popen(
            words,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=env,
            start_new_session=True,
        )
        link.send(b"OKAY", ours, theirs)
        for work in (self._feed, self._finish):
            threading.Thread(target=work, daemon=True).start()

    def take(self, payload: bytes) -> None:
        self._stdin.put(payload)

    def hang_up(self) -> None:
        """Do what adbd does when the other side is gone: close the pipes, kill nothing."""
        self._cut = True
        self._stdin.put(None)
        self.ready.release(1000)

    def kill(self) -> None:
        if self._process.poll() is None:
            with suppress(OSError):
                os.killpg(self._process.pid, signal.SIGKILL)

    def _feed(self) -> None:
        assert self._process.stdin
        buffer = b""
        with suppress(OSError, ValueError):
            while (payload := self._stdin.get()) is not None:
                buffer += payload
                while len(buffer) >= 5 and len(buffer) >= 5 + (size := _size(buffer)):
                    kind, content, buffer = buffer[0], buffer[5 : 5 + size], buffer[5 + size :]
                    if kind == _STDIN:
                        self._process.stdin.write(content)
                        self._process.stdin.flush()
                    elif kind == _CLOSE_STDIN:
                        self._process.stdin.close()
                self._link.send(b"OKAY", self._ours, self._theirs)
        with suppress(OSError):
            self._process.stdin.close()

    def _finish(self) -> None:
        assert self._process.stdout
        assert self._process.stderr
        pipes = [(_STDOUT, self._process.stdout), (_STDERR, self._process.stderr)]
        pumps = [threading.Thread(target=self._pump, args=pair, daemon=True) for pair in pipes]
        for pump in pumps:
            pump.start()
        for pump in pumps:
            pump.join()
        code = self._process.wait()
        self._write(_EXIT, bytes([code if code >= 0 else 128 - code]))
        self._link.send(b"CLSE", self._ours, self._theirs)

    def _pump(self, kind: int, pipe: IO[bytes]) -> None:
        while not self._cut and (content := os.read(pipe.fileno(), _MOST - 5)):
            self._write(kind, content)
        pipe.close()

    def _write(self, kind: int, content: bytes) -> None:
        with self._sending:
            if not self._cut:
                packet = struct.pack("<BI", kind, len(content)) + content
                self._link.send(b"WRTE", self._ours, self._theirs, packet)
                self.ready.acquire()


def _size(buffer: bytes) -> int:
    return int(struct.unpack("<I", buffer[1:5])[0])
