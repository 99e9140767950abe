"""The image runs: unpacked, in a root of its own, as the user that it names."""

from __future__ import annotations

import io
import json
import os
import shutil
import signal
import socket
import subprocess
import tarfile
import time
import urllib.request
from pathlib import Path
from typing import Any

import pytest

from compress.cli.main import run
from compress.device.pack import build_pack
from tests.compress.package.oci_rules import check_rules
from tests.runtimes.tiny import LABELS

pytestmark = pytest.mark.slow


def _blob(image: Path, digest: str) -> bytes:
    return (image / "blobs/sha256" / digest.partition(":")[2]).read_bytes()


def _unpacked(image: Path, root: Path) -> dict[str, Any]:
    """Unpack an image's layers; return its configuration."""
    (one,) = json.loads((image / "index.json").read_text())["manifests"]
    manifest = json.loads(_blob(image, one["digest"]))
    for layer in manifest["layers"]:
        with tarfile.open(fileobj=io.BytesIO(_blob(image, layer["digest"]))) as archive:
            archive.extractall(root, filter="fully_trusted")
    config: dict[str, Any] = json.loads(_blob(image, manifest["config"]["digest"]))["config"]
    return config


@pytest.fixture(scope="module")
def packages(tiny_bundle: Path, tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Build the same image twice."""
    if missing := [tool for tool in ("apt-get", "dpkg-deb") if not shutil.which(tool)]:
        pytest.skip(f"{', '.join(missing)} not installed")
    folder = tmp_path_factory.mktemp("oci")
    for name in ("one", "two"):  # with a base that was built anew
        words = [str(tiny_bundle), "--target", "oci", "--out", str(folder / name), "-q"]
        assert run(["package", *words]) == 0
        build_pack(None, "onnxruntime", fresh=True)  # not the same files again
    return [folder / "one", folder / "two"]


def test_it_is_the_same_when_it_is_built_again(packages: list[Path]) -> None:
    assert run(["package", "verify", str(packages[0])]) == 0
    contents = [(package / "manifest.json").read_bytes() for package in packages]
    assert contents[0] == contents[1]
    assert json.loads(contents[0])["checked"]["rows"] > 0


def test_it_keeps_the_rules_of_the_specification(packages: list[Path]) -> None:
    check_rules(packages[0] / "image")


@pytest.mark.skipif(shutil.which("skopeo") is None, reason="skopeo not installed")
def test_skopeo_reads_it(packages: list[Path]) -> None:
    words = ["skopeo", "inspect", f"oci:{packages[0] / 'image'}:latest"]
    said = json.loads(subprocess.run(words, check=True, capture_output=True).stdout)
    assert len(said["Layers"]) == 3


@pytest.mark.skipif(shutil.which("umoci") is None, reason="umoci not installed")
def test_umoci_unpacks_it(packages: list[Path], tmp_path: Path) -> None:
    words = ["umoci", "unpack", "--rootless", "--image", f"{packages[0] / 'image'}:latest"]
    subprocess.run([*words, str(tmp_path / "bundle")], check=True, capture_output=True)
    root = tmp_path / "bundle/rootfs"
    assert (root / "app/main.py").is_file()
    assert (root / "lib").readlink() == Path("usr/lib")


@pytest.mark.skipif(os.geteuid() != 0, reason="only root changes the root folder")
def test_its_entry_point_answers(packages: list[Path], tmp_path: Path) -> None:
    config = _unpacked(packages[0] / "image", tmp_path / "root")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    names = dict(word.split("=", 1) for word in config["Env"])
    user = f"--userspec={config['User']}"
    started = subprocess.Popen(
        ["/usr/sbin/chroot", user, str(tmp_path / "root"), *config["Entrypoint"]],
        env={**names, "PORT": str(port)},
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert started.stdout
        for line in started.stdout:
            if json.loads(line)["event"] == "listening":
                break
        request = urllib.request.Request(
            f"http://127.0.0.1:{port}/predict", b'{"text": "my card is lost"}'
        )
        with urllib.request.urlopen(request, timeout=60) as reply:
            assert json.loads(reply.read())["answers"][0]["label"] in LABELS
        status = Path(f"/proc/{started.pid}/status").read_text()
        assert "Uid:\t65532\t65532" in status
        began = time.monotonic()
        started.send_signal(signal.SIGTERM)
        assert started.wait(timeout=60) == 0
        assert time.monotonic() - began < 10
    finally:
        started.kill()
        started.communicate()
