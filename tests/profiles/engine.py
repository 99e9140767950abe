"""A docker engine for tests: the one that answers, or else one of the test's own where root may."""

from __future__ import annotations

import io
import os
import re
import shutil
import subprocess
import sys
import tarfile
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

IMAGE = "edgepress-test-busybox"


@contextmanager
def engine() -> Iterator[str]:
    """Yield an engine's address, as DOCKER_HOST takes it, with the image of the tests in it.

    Its images need no registry: busybox alone makes one. Skips the test without an engine.
    """
    if shutil.which("docker") is None:
        pytest.skip("docker is not installed")
    address = os.environ.get("DOCKER_HOST", "unix:///var/run/docker.sock")
    if _answers(address):
        with _image(address):
            yield address
        return
    if os.geteuid() or shutil.which("dockerd") is None:
        pytest.skip("no docker engine answers, and none can be started: needs root and dockerd")
    with _own_engine() as address, _image(address):
        yield address


def docker(address: str, *words: str, stdin: bytes | None = None) -> str:
    """Run the real client; return what it prints."""
    done = subprocess.run(
        ["docker", "--host", address, *words], input=stdin, capture_output=True, check=False
    )
    assert done.returncode == 0, done.stderr.decode()
    return done.stdout.decode().strip()


@contextmanager
def container(address: str, *folders: Path) -> Iterator[str]:
    """Run a container that sees folders of this machine, and its Python; yield its name."""
    shown = {
        *(Path(name) for name in ("/usr", "/bin", "/lib", "/lib64") if Path(name).is_dir()),
        *(Path(name).resolve() for name in (sys.prefix, sys.base_prefix)),
        *folders,
    }
    volumes = [f"--volume={folder}:{folder}:ro" for folder in sorted(shown)]
    name = f"edgepress-test-{os.getpid()}"
    docker(
        address,
        *("run", "--detach", "--rm", "--network=none", f"--name={name}", *volumes),
        *(IMAGE, "/busybox", "sleep", "600"),
    )
    try:
        yield name
    finally:
        docker(address, "kill", name)


@contextmanager
def _own_engine() -> Iterator[str]:
    folder = Path(tempfile.mkdtemp(prefix="ep-dk-"))  # a socket's path may have 100 bytes
    address = f"unix://{folder}/socket"
    options = {
        "data-root": folder / "data",
        "exec-root": folder / "run",
        "pidfile": folder / "pid",
        "host": address,
        "storage-driver": "vfs",
        "iptables": "false",
        "bridge": "none",
    }
    words = ["dockerd", *(f"--{name}={value}" for name, value in options.items())]
    with (folder / "log").open("wb") as log:
        daemon = subprocess.Popen(words, stdout=log, stderr=log, start_new_session=True)
        try:
            for _ in range(120):
                if daemon.poll() is not None or _answers(address):
                    break
                time.sleep(0.25)
            if not _answers(address):
                last = (folder / "log").read_text(errors="replace").strip().splitlines()[-1:]
                pytest.skip(f"the docker engine does not start here: {' '.join(last)}")
            yield address
        finally:
            daemon.terminate()
            with suppress(subprocess.TimeoutExpired):
                daemon.wait(30)
            daemon.kill()
            daemon.wait()
            shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def _image(address: str) -> Iterator[None]:
    docker(address, "import", "-", IMAGE, stdin=busybox_root())
    try:
        words = ["--rm", "--network=none", IMAGE, "/busybox", "true"]
        ran = subprocess.run(["docker", "-H", address, "run", *words], capture_output=True)
        if ran.returncode:
            last = ran.stderr.decode().strip().splitlines()[:1]
            pytest.skip(f"no container starts here: {' '.join(last)}")
        yield
    finally:
        docker(address, "rmi", "--force", IMAGE)


def busybox_root() -> bytes:
    """Return a root folder as a tar archive: busybox with its libraries, its commands as links."""
    found = shutil.which("busybox")
    if found is None:
        pytest.skip("busybox is not installed")
    busybox = Path(found)
    listed = subprocess.run([busybox, "--list"], capture_output=True, check=True)
    needed = subprocess.run(["ldd", busybox], capture_output=True, check=False).stdout.decode()
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w", dereference=True) as archive:
        libraries = re.findall(r"/(\S+) \(0x", needed)
        below = {str(folder) for name in libraries for folder in Path(name).parents}
        for folder in sorted({".", "sbin", *below}):  # without these, only root may look into them
            entry = tarfile.TarInfo(folder)
            entry.type, entry.mode = tarfile.DIRTYPE, 0o755
            archive.addfile(entry)
        archive.add(busybox, "busybox")
        for library in libraries:
            archive.add(f"/{library}", library)
        for name in listed.stdout.decode().split():
            link = tarfile.TarInfo(f"sbin/{name}")
            link.type, link.linkname = tarfile.SYMTYPE, "/busybox"
            archive.addfile(link)
    return packed.getvalue()


def _answers(address: str) -> bool:
    done = subprocess.run(
        ["docker", "--host", address, "version", "--format", "{{.Server.Version}}"],
        capture_output=True,
        check=False,
    )
    return done.returncode == 0
