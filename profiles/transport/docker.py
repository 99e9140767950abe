"""A container of the system's docker: one that runs, or one that is started of an image.

A container of an image has no network, and ends with this process, however that ends. A volume of
its image keeps edgepress's folder between two runs.
"""

from __future__ import annotations

import hashlib
import os
import secrets
import weakref
from typing import ClassVar

from profiles.device import TransportSettings
from profiles.transport.client import Answer, Failure, ask, failure_of, hold, installed, release
from profiles.transport.remote import Remote, expanded
from profiles.transport.saying import CUT, SayingProcess
from runtimes.errors import DeviceError
from runtimes.process import HostProcess

_HELLO = b"edgepress is inside\n"
_START_S = 60
_MOUNT = "/edgepress"


class Docker(Remote):
    """Reach the running container of this name, or start one of the image of this name."""

    kind: ClassVar[str] = "docker"
    clients: ClassVar[tuple[str, ...]] = ("docker",)
    usual_folder: ClassVar[str] = f"{_MOUNT}/device"

    def open_shell(self) -> DockerShell:
        """Find or start the container."""
        return DockerShell(self.settings)

    def clean(self) -> float:
        """Delete edgepress's folder, with the volume of an image; return how many MB it held."""
        freed = super().clean()
        shell = self.shell
        assert isinstance(shell, DockerShell)
        shell.forget()
        return freed


class DockerShell:
    """Start each command by one `docker exec`."""

    def __init__(self, settings: TransportSettings) -> None:
        self._host = expanded(settings, "the name of an image or of a running container")
        self._docker = installed(
            "docker",
            action="install it: docker.io on Debian and Ubuntu, or Docker's own packages",
        )
        self._volume = ""
        state = self._state(self._host)
        if state == "running":
            self._container = self._host
            return
        if state:
            raise DeviceError.of(
                self._host,
                f"the container is {state}",
                expected="a running one",
                action=f"run `docker start {self._host}`",
            )
        self._container = f"edgepress-{os.getpid()}-{secrets.token_hex(4)}"
        self._volume = f"edgepress-{hashlib.sha256(self._host.encode()).hexdigest()[:16]}"
        user = self._user_of_image()
        self._main = self._started()
        self._end = weakref.finalize(self, _stop, self._main)
        if user not in ("", "0", "root"):
            self._answer("exec", "--user", "0", self._container, "chmod", "1777", _MOUNT)

    @property
    def name(self) -> str:
        """Return the name of the container or the image."""
        return self._host

    def start(self, command: str) -> SayingProcess:
        """Start a command in the container's shell."""
        return SayingProcess([self._docker, "exec", "-i", self._container, "sh", "-c"], command)

    def lost(self, code: int, said: str) -> DeviceError | None:
        """Return the error of a command that the container did not end."""
        if code != CUT:
            return None
        try:
            state = self._state(self._container)
        except DeviceError as error:
            return error
        if state == "running":
            return _failure(self._host, said)
        return DeviceError.of(
            self._host,
            "its container ended",
            said=state or "it is removed",
            action="run the command again; `docker events` and `docker logs` say what ended it",
        )

    def forget(self) -> None:
        """End a container that was started of an image, and delete its volume."""
        if self._volume:
            self._end()
            self._answer("volume", "rm", "--force", self._volume)

    def close(self) -> None:
        """End a container that was started of an image."""
        if self._volume:
            self._end()

    def _started(self) -> HostProcess:
        """Start a container whose main process ends when this process's pipe to it closes."""
        words = [
            *(self._docker, "run", "--rm", "--interactive", "--pull", "never"),
            *("--network", "none", "--name", self._container, "--label", "edgepress"),
            *("--volume", f"{self._volume}:{_MOUNT}", "--entrypoint", "sh"),
            *(self._host, "-c", f"echo {_HELLO.decode().strip()}; exec cat"),
        ]
        main, greeted = hold(words, lambda pipe: pipe.readline() == _HELLO, seconds=_START_S)
        if greeted:
            return main
        said = main.said()
        _stop(main)
        raise _failure(self._host, said)

    def _state(self, container: str) -> str:
        """Return a container's state; empty where there is none of this name."""
        code, output, said = self._ask(
            *("container", "inspect", "--format", "{{.State.Status}}", "--", container)
        )
        if code and "no such container" not in said.lower():
            raise _failure(self._host, said)
        return "" if code else output

    def _user_of_image(self) -> str:
        """Return the user that an image names; raise DeviceError without the image."""
        return self._answer("image", "inspect", "--format", "{{.Config.User}}", "--", self._host)

    def _answer(self, *words: str) -> str:
        code, output, said = self._ask(*words)
        if code:
            raise _failure(self._host, said)
        return output

    def _ask(self, *words: str) -> Answer:
        """Run a short docker command."""
        command, action = [self._docker, *words], "run `docker info` by hand"
        return ask(command, f"docker {words[0]}", seconds=_START_S, action=action)


def _stop(main: HostProcess) -> None:
    release(main, seconds=10)


_FAILURES = (
    Failure(
        ("permission denied while trying to connect",),
        "this user may not talk to the engine",
        "join the group docker and log in again, or name another engine in DOCKER_HOST",
    ),
    Failure(
        ("cannot connect to the docker daemon", "error during connect", "daemon running"),
        "no docker engine answers",
        "start it (`systemctl start docker`), or name another in DOCKER_HOST; `docker info` tells",
    ),
    Failure(
        ("no such image",),
        "no image and no container has this name",
        "fetch it: `docker pull {host}`; `docker images` and `docker ps -a` list the names",
    ),
    Failure(
        ('exec: "sh"', "stat sh:", "sh: no such file", "sh: executable file not found"),
        "it has no POSIX shell",
        "use an image with a shell and the usual commands: busybox is enough",
    ),
    Failure(
        ("volume is in use",),
        "another container uses its files",
        "wait until it ends: `docker ps --filter label=edgepress` lists it",
    ),
    Failure(
        ("exec format error",),
        "it was built for another processor",
        "use an image for this engine's processor: `docker pull --platform …`",
    ),
)
_OTHER = Failure((), "docker failed", "run `docker info` by hand")


def _failure(host: str, said: str) -> DeviceError:
    """Translate what docker said."""
    lines = [line.strip() for line in said.splitlines() if line.strip()]
    lines = [line for line in lines if "docker run --help" not in line]
    last = lines[-1][:200] if lines else "docker said nothing"
    return failure_of(host, said.lower(), last, _FAILURES, _OTHER)
