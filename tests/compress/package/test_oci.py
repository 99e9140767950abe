"""An image layout is what the specification says, and a change of it is found."""

from __future__ import annotations

import gzip
import io
import json
import shutil
import subprocess
import tarfile
from pathlib import Path
from typing import Any

import pytest

from compress.package.oci import Layer, check_image, layer_of, write_image
from runtimes.errors import ArtifactError
from tests.compress.package.oci_rules import INDEX, MANIFEST, broken, check_rules, is_valid

CONFIG = {"User": "1:1", "Entrypoint": ["/run"]}


@pytest.fixture
def layer(tmp_path: Path) -> Layer:
    """Make a layer of a program, a text, a link and a folder for all."""
    (tmp_path / "run").write_text("#!/bin/sh\n")
    (tmp_path / "run").chmod(0o700)
    (tmp_path / "text").write_text("text")
    files = {"usr/bin/run": tmp_path / "run", "usr/share/text": tmp_path / "text"}
    return layer_of(files, "test", links={"bin": "usr/bin"}, folders={"tmp": 0o1777})


@pytest.fixture
def image(layer: Layer, tmp_path: Path) -> Path:
    """Write an image of that layer."""
    (tmp_path / "image").mkdir()
    write_image(tmp_path / "image", "aarch64", [layer], CONFIG)
    return tmp_path / "image"


def _blob(image: Path, row: dict[str, Any]) -> bytes:
    content: bytes = (image / "blobs/sha256" / row["digest"].partition(":")[2]).read_bytes()
    assert len(content) == row["size"]
    return content


def test_a_layer_has_fixed_times_owners_and_modes(layer: Layer) -> None:
    with tarfile.open(fileobj=io.BytesIO(gzip.decompress(layer.content))) as archive:
        entries = {entry.name: entry for entry in archive.getmembers()}
    assert list(entries) == sorted(entries)
    assert {name: entry.mode for name, entry in entries.items()} == {
        "bin": 0o777,
        "tmp": 0o1777,
        "usr": 0o755,
        "usr/bin": 0o755,
        "usr/bin/run": 0o755,
        "usr/share": 0o755,
        "usr/share/text": 0o644,
    }
    assert {(entry.mtime, entry.uid, entry.gid) for entry in entries.values()} == {(0, 0, 0)}
    assert entries["bin"].linkname == "usr/bin"


def test_the_image_says_what_the_specification_asks_for(image: Path, layer: Layer) -> None:
    assert json.loads((image / "oci-layout").read_text()) == {"imageLayoutVersion": "1.0.0"}
    index = json.loads((image / "index.json").read_text())
    assert index["schemaVersion"] == 2
    (one,) = index["manifests"]
    assert one["platform"] == {"architecture": "arm64", "os": "linux"}
    manifest = json.loads(_blob(image, one))
    assert manifest["mediaType"] == one["mediaType"]
    config = json.loads(_blob(image, manifest["config"]))
    assert config["config"] == CONFIG
    assert config["rootfs"] == {"type": "layers", "diff_ids": [layer.diff_id]}
    assert _blob(image, manifest["layers"][0]) == layer.content


@pytest.mark.parametrize("arch", ["x86_64", "aarch64"])
def test_the_image_keeps_the_rules_of_the_specification(
    arch: str, layer: Layer, tmp_path: Path
) -> None:
    write_image(tmp_path / "image", arch, [layer, layer_of({}, "other")], CONFIG)
    check_rules(tmp_path / "image")


def test_the_rules_find_a_key_that_is_missing_or_wrong(image: Path) -> None:
    index = json.loads((image / "index.json").read_text())
    manifest = json.loads(_blob(image, index["manifests"][0]))
    for content, schema in ((index, INDEX), (manifest, MANIFEST)):
        assert is_valid(content, schema)
        assert not any(is_valid(one, schema) for one in broken(content))


@pytest.mark.skipif(shutil.which("skopeo") is None, reason="skopeo not installed")
def test_skopeo_copies_it_with_every_digest_the_same(image: Path, tmp_path: Path) -> None:
    copy = ["skopeo", "copy", "--insecure-policy", f"oci:{image}:latest"]
    words = [*copy, f"oci:{tmp_path / 'copy'}:latest"]
    subprocess.run(words, check=True, capture_output=True)
    names = [
        sorted(file.name for file in (one / "blobs/sha256").iterdir())
        for one in (image, tmp_path / "copy")
    ]
    assert names[0] == names[1]


@pytest.mark.skipif(shutil.which("umoci") is None, reason="umoci not installed")
def test_umoci_unpacks_what_was_packed(image: Path, tmp_path: Path) -> None:
    words = ["umoci", "unpack", "--rootless", "--image", f"{image}:latest"]
    subprocess.run([*words, str(tmp_path / "unpacked")], check=True, capture_output=True)
    root = tmp_path / "unpacked/rootfs"
    assert (root / "usr/share/text").read_text() == "text"
    assert (root / "bin/run").stat().st_mode & 0o777 == 0o755


def test_any_changed_or_added_blob_is_found(image: Path) -> None:
    check_image(image)
    blobs = sorted((image / "blobs/sha256").iterdir())
    for blob in blobs:
        whole = blob.read_bytes()
        for content in (whole + b" ", whole[:-1], b""):
            blob.write_bytes(content)
            with pytest.raises(ArtifactError):
                check_image(image)
        blob.unlink()
        with pytest.raises(ArtifactError):
            check_image(image)
        blob.write_bytes(whole)
    check_image(image)
    (image / "blobs/sha256" / ("0" * 64)).write_bytes(b"")
    with pytest.raises(ArtifactError, match="nothing names"):
        check_image(image)


@pytest.mark.parametrize("content", ["", "[]", "{}", '{"manifests": []}', '{"manifests": [7]}'])
def test_an_index_that_is_none_is_found(image: Path, content: str) -> None:
    (image / "index.json").write_text(content)
    with pytest.raises(ArtifactError):
        check_image(image)


def test_layers_of_another_configuration_are_found(image: Path, tmp_path: Path) -> None:
    other = layer_of({"text": tmp_path / "text"}, "test")
    wrong = Layer(other.content, "sha256:" + "0" * 64, "test")
    (tmp_path / "other").mkdir()
    write_image(tmp_path / "other", "x86_64", [wrong], CONFIG)
    with pytest.raises(ArtifactError, match="configuration"):
        check_image(tmp_path / "other")
