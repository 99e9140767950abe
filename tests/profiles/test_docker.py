"""The docker transport, with a real engine; where none runs and none can be started, it skips."""

from __future__ import annotations

import io
import shutil
import subprocess
import sys
import tarfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from profiles.device import DeviceProfile
from profiles.transport import reach
from profiles.transport.docker import Docker, DockerShell
from profiles.transport.shell import call
from runtimes.errors import DeviceError
from tests.profiles.contract_transport import ContractTransport
from tests.profiles.engine import IMAGE, busybox_root, container, docker, engine


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    with engine() as address:
        yield address


@pytest.fixture
def here(address: str, monkeypatch: pytest.MonkeyPatch) -> str:
    """Let the transport find the engine."""
    monkeypatch.setenv("DOCKER_HOST", address)
    return address


def _profile(host: str = IMAGE) -> DeviceProfile:
    return DeviceProfile.model_validate(
        {
            "schema": 1,
            "name": "container",
            "transport": {"kind": "docker", "host": host},
            "budgets": {"artifact_mb": {"max": 1}},
        }
    )


def reach_image(name: str = IMAGE) -> Docker:
    """Reach a container that is started of an image."""
    transport = reach(_profile(name))
    assert isinstance(transport, Docker)
    return transport


def _close(transport: Docker) -> None:
    assert isinstance(transport.shell, DockerShell)
    transport.shell.close()


@pytest.fixture
def image(here: str) -> Iterator[Docker]:
    """Reach a container that is started of the image."""
    transport = reach_image()
    yield transport
    _close(transport)
    reach_image().clean()


@pytest.fixture(scope="module")
def running(address: str) -> Iterator[str]:
    with container(address) as name:
        launcher = f'exec {sys.executable} "$@"\n'
        script = "mkdir -p /edgepress/device && cd /edgepress/device && : > .edgepress-device"
        words = ["exec", "-i", name, "sh", "-c", f"{script} && cat > python"]
        docker(address, *words, stdin=launcher.encode())
        yield name


class TestDocker(ContractTransport):
    """Run the contract in a running container."""

    @pytest.fixture
    def profile(self, running: str, here: str) -> DeviceProfile:
        return _profile(running)


def _refusal(host: str = IMAGE) -> str:
    transport = reach_image(host)
    with pytest.raises(DeviceError) as caught:
        assert transport.root
    assert caught.value.exit_code == 4
    return str(caught.value)


def _containers(address: str) -> str:
    return docker(address, "ps", "--all", "--quiet", "--filter", "label=edgepress")


def test_a_container_of_an_image_has_a_folder_but_no_network(image: Docker, tmp_path: Path) -> None:
    assert str(image.root) == "/edgepress/device"
    assert call(image.shell, "exit 7")[0] == 7
    code, output, _ = call(image.shell, "ls /sys/class/net")
    assert (code, output.split()) == (0, ["lo"])
    (tmp_path / "file").write_bytes(b"content")
    image.get(image.put(tmp_path / "file"), tmp_path / "back")
    assert (tmp_path / "back").read_bytes() == b"content"


def test_what_was_sent_outlives_the_container_until_it_is_cleaned(
    image: Docker, tmp_path: Path, here: str
) -> None:
    (tmp_path / "large").write_bytes(b"large" * 100_000)
    place = image.put(tmp_path / "large")
    _close(image)
    assert _containers(here) == ""
    later = reach_image()
    sent: list[int] = []
    later.sent = sent.append
    assert later.put(tmp_path / "large") == place
    assert not sent
    assert later.clean() >= 0.5
    assert _containers(here) == ""
    assert "edgepress" not in docker(here, "volume", "ls", "--quiet")


def test_a_container_ends_with_the_process_that_started_it(here: str) -> None:
    code = (
        "import sys, time; from tests.profiles.test_docker import reach_image;"
        "transport = reach_image(); print(transport.root, flush=True); time.sleep(60)"
    )
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE) as user:
        assert user.stdout
        said, started = user.stdout.readline(), _containers(here)
        user.kill()
    assert said == b"/edgepress/device\n"
    assert started
    for _ in range(100):
        if not _containers(here):
            return
        time.sleep(0.1)
    raise AssertionError("the container goes on")


def test_a_container_that_vanishes_is_said(image: Docker, here: str) -> None:
    process = image.run(["sh", "-c", "echo begun; read -r line"], env={})
    assert process.stdout.readline() == b"begun\n"
    docker(here, "kill", _containers(here))
    assert process.stdout.readline() == b""
    assert process.wait(10) not in (None, 0)
    lost = process.lost()
    process.close()
    assert lost is not None
    assert f"{IMAGE}: its container ended" in str(lost)


def test_a_stopped_container_is_not_started(here: str) -> None:
    name = docker(here, "create", "--label", "edgepress", IMAGE, "/busybox", "true")
    said = _refusal(name)
    docker(here, "rm", name)
    assert "the container is created" in said
    assert f"docker start {name}" in said


def test_neither_image_nor_container(here: str) -> None:
    assert "docker pull nothing-of-this-name" in _refusal("nothing-of-this-name")


def test_an_image_without_a_shell(here: str) -> None:
    # The image of a container's export holds one file only.
    docker(here, "import", "-", "edgepress-test-bare", stdin=_bare_image())
    said = _refusal("edgepress-test-bare")
    docker(here, "rmi", "edgepress-test-bare")
    assert "it has no POSIX shell" in said


def _bare_image() -> bytes:
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as archive:
        archive.addfile(tarfile.TarInfo("file"))
    return packed.getvalue()


def test_an_image_of_another_user(here: str) -> None:
    name = "edgepress-test-user"
    docker(here, "import", "--change", "USER 65534", "-", name, stdin=busybox_root())
    transport = reach_image(name)
    assert call(transport.shell, "id -u")[1] == "65534\n"
    assert str(transport.root) == "/edgepress/device"
    transport.clean()
    docker(here, "rmi", name)


def test_without_an_engine_the_next_step_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    if shutil.which("docker") is None:
        pytest.skip("docker is not installed")
    monkeypatch.setenv("DOCKER_HOST", "unix:///nowhere/docker.sock")
    assert "no docker engine answers" in _refusal()


def test_without_docker_the_package_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    assert "docker is not installed" in _refusal()
