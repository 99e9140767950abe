"""An OCI image layout, written without an engine: the same bytes from the same files.

Image format: the OCI image specification 1.1 (image-layout.md, manifest.md, config.md, layer.md).
"""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import tarfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from runtimes.errors import ArtifactError
from runtimes.files import file_sha256
from runtimes.parsing import parse_json

ARCHITECTURES: Mapping[str, str] = {"x86_64": "amd64", "aarch64": "arm64"}
"""What images call the architectures."""

_INDEX = "application/vnd.oci.image.index.v1+json"
_MANIFEST = "application/vnd.oci.image.manifest.v1+json"
_CONFIG = "application/vnd.oci.image.config.v1+json"
_LAYER = "application/vnd.oci.image.layer.v1.tar+gzip"
_BLOBS = Path("blobs/sha256")
_NAME = "org.opencontainers.image.ref.name"
_TAG = "latest"


@dataclass(frozen=True, slots=True)
class Layer:
    """Hold a compressed layer; `diff_id` is the digest of the tar in it."""

    content: bytes
    diff_id: str
    made_by: str


def layer_of(
    files: Mapping[str, Path],
    made_by: str,
    *,
    links: Mapping[str, str] | None = None,
    folders: Mapping[str, int] | None = None,
) -> Layer:
    """Return a layer of files by their paths in the image, links by theirs, and empty folders.

    Every entry belongs to root and has the time 0; a file is executable for all where its owner
    may execute it. `folders` names modes. The folders on the way to a file are entries too.
    """
    entries: dict[str, tuple[tarfile.TarInfo, Path | None]] = {}
    for name, file in files.items():
        entries[name] = (_entry(name, 0o755 if file.stat().st_mode & 0o100 else 0o644), file)
    for name, target in (links or {}).items():
        entry = _entry(name, 0o777)
        entry.type, entry.linkname = tarfile.SYMTYPE, target
        entries[name] = (entry, None)
    for name, mode in {**_parents(entries), **(folders or {})}.items():
        entry = _entry(name, mode)
        entry.type = tarfile.DIRTYPE
        entries[name] = (entry, None)
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w", format=tarfile.PAX_FORMAT) as archive:
        for name in sorted(entries):
            entry, source = entries[name]
            content = source.read_bytes() if source else b""
            entry.size = len(content)
            archive.addfile(entry, io.BytesIO(content))
    plain = packed.getvalue()
    return Layer(gzip.compress(plain, compresslevel=9, mtime=0), _digest(plain), made_by)


def write_image(
    folder: Path, arch: str, layers: Sequence[Layer], config: Mapping[str, Any]
) -> None:
    """Write an image layout of one image; `config` is the part of its configuration that runs it.

    Raises KeyError for an architecture that images do not name.
    """
    (folder / _BLOBS).mkdir(parents=True)
    described = {
        "architecture": ARCHITECTURES[arch],
        "os": "linux",
        "config": dict(config),
        "rootfs": {"type": "layers", "diff_ids": [layer.diff_id for layer in layers]},
        "history": [{"created_by": layer.made_by} for layer in layers],
    }
    manifest = {
        "schemaVersion": 2,
        "mediaType": _MANIFEST,
        "config": _blob(folder, _CONFIG, _json(described)),
        "layers": [_blob(folder, _LAYER, layer.content) for layer in layers],
    }
    platform = {"architecture": ARCHITECTURES[arch], "os": "linux"}
    one = {**_blob(folder, _MANIFEST, _json(manifest)), "platform": platform}
    index = {
        "schemaVersion": 2,
        "mediaType": _INDEX,
        "manifests": [{**one, "annotations": {_NAME: _TAG}}],
    }
    (folder / "index.json").write_bytes(_json(index))
    (folder / "oci-layout").write_bytes(_json({"imageLayoutVersion": "1.0.0"}))


def check_image(folder: Path) -> None:
    """Raise ArtifactError where an image layout is not whole, or holds a blob that none names."""
    try:
        used = set(_checked(folder))
    except (OSError, ValueError, KeyError, TypeError, EOFError) as error:
        raise _wrong(folder, f"it cannot be read ({error})") from error
    if left := sorted({file.name for file in (folder / _BLOBS).iterdir()} - used):
        raise _wrong(folder, f"nothing names the blob {left[0]}")


def _checked(folder: Path) -> list[str]:
    """Return the blobs that an image uses; raise where one is not what names it."""
    index = parse_json((folder / "index.json").read_text(encoding="utf-8"))
    (one,) = index["manifests"]
    manifest = parse_json(_read(folder, one).decode("utf-8"))
    config = parse_json(_read(folder, manifest["config"]).decode("utf-8"))
    diff_ids = [_digest(gzip.decompress(_read(folder, layer))) for layer in manifest["layers"]]
    if diff_ids != config["rootfs"]["diff_ids"]:
        raise _wrong(folder, "its layers are not those of its configuration")
    named = (one, manifest["config"], *manifest["layers"])
    return [row["digest"].removeprefix("sha256:") for row in named]


def _read(folder: Path, row: Mapping[str, Any]) -> bytes:
    name = row["digest"].removeprefix("sha256:")
    file = folder / _BLOBS / Path(name).name
    if file.stat().st_size != row["size"] or file_sha256(file) != name:
        raise _wrong(folder, f"the blob {name} was changed")
    return file.read_bytes()


def _wrong(folder: Path, what: str) -> ArtifactError:
    return ArtifactError(
        f"{folder}: {what}",
        expected="an OCI image layout, as `edgepress package --target oci` writes it",
        action="make the package again",
    )


def _parents(names: Mapping[str, object]) -> dict[str, int]:
    found = {parent.as_posix() for name in names for parent in Path(name).parents}
    return dict.fromkeys(found - {".", *names}, 493)


def _entry(name: str, mode: int) -> tarfile.TarInfo:
    entry = tarfile.TarInfo(name)
    entry.mode, entry.mtime, entry.uname, entry.gname = mode, 0, "", ""
    return entry


def _blob(folder: Path, media_type: str, content: bytes) -> dict[str, Any]:
    digest = _digest(content)
    (folder / _BLOBS / digest.removeprefix("sha256:")).write_bytes(content)
    return {"mediaType": media_type, "digest": digest, "size": len(content)}


def _json(content: object) -> bytes:
    return json.dumps(content, sort_keys=True, separators=(",", ":")).encode()


def _digest(content: bytes) -> str:
    return f"sha256:{hashlib.sha256(content).hexdigest()}"
