"""What the OCI image specification 1.1 asks of an image layout, as schemas and sums."""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import tarfile
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from typing import Any

from tests.absent import needs

_TEXTS = {"type": "array", "items": {"type": "string"}}
_NAMED_TEXTS = {"type": "object", "additionalProperties": {"type": "string"}}


def _descriptor(kind: str, **more: Any) -> dict[str, Any]:
    """Return the schema of a descriptor (descriptor.md) of a media type (media-types.md)."""
    return {
        "type": "object",
        "required": ["mediaType", "digest", "size", *more],
        "properties": {
            "mediaType": {"const": f"application/vnd.oci.image.{kind}"},
            "digest": {"type": "string", "pattern": "^sha256:[a-f0-9]{64}$"},
            "size": {"type": "integer", "minimum": 0, "maximum": 2**63 - 1},
            "annotations": _NAMED_TEXTS,
            **more,
        },
    }


_PLATFORM = {
    "type": "object",
    "required": ["architecture", "os"],
    "properties": {"architecture": {"enum": ["amd64", "arm64"]}, "os": {"const": "linux"}},
}
LAYOUT = {"const": {"imageLayoutVersion": "1.0.0"}}
INDEX = {
    "type": "object",
    "required": ["schemaVersion", "mediaType", "manifests"],
    "properties": {
        "schemaVersion": {"const": 2},
        "mediaType": {"const": "application/vnd.oci.image.index.v1+json"},
        "manifests": {
            "type": "array",
            "minItems": 1,
            "items": _descriptor("manifest.v1+json", platform=_PLATFORM),
        },
        "annotations": _NAMED_TEXTS,
    },
    "additionalProperties": False,
}
MANIFEST = {
    "type": "object",
    "required": ["schemaVersion", "mediaType", "config", "layers"],
    "properties": {
        "schemaVersion": {"const": 2},
        "mediaType": {"const": "application/vnd.oci.image.manifest.v1+json"},
        "config": _descriptor("config.v1+json"),
        "layers": {"type": "array", "minItems": 1, "items": _descriptor("layer.v1.tar+gzip")},
        "annotations": _NAMED_TEXTS,
    },
    "additionalProperties": False,
}
CONFIG = {
    "type": "object",
    "required": ["architecture", "os", "rootfs"],
    "properties": {
        **_PLATFORM["properties"],  # type: ignore[dict-item]
        "config": {
            "type": "object",
            "properties": {
                "User": {"type": "string"},
                "ExposedPorts": {
                    "type": "object",
                    "propertyNames": {"pattern": "^[0-9]+(/(tcp|udp))?$"},
                    "additionalProperties": {"const": {}},
                },
                "Env": {"type": "array", "items": {"type": "string", "pattern": "^[^=]+="}},
                "Entrypoint": _TEXTS,
                "Cmd": _TEXTS,
                "WorkingDir": {"type": "string", "pattern": "^/"},
                "Labels": _NAMED_TEXTS,
                "StopSignal": {"type": "string", "pattern": "^SIG[A-Z0-9+-]+$"},
            },
            "additionalProperties": False,
        },
        "rootfs": {
            "type": "object",
            "required": ["type", "diff_ids"],
            "properties": {
                "type": {"const": "layers"},
                "diff_ids": {"items": {"pattern": "^sha256:[a-f0-9]{64}$"}, "uniqueItems": True},
            },
            "additionalProperties": False,
        },
        "history": {
            "type": "array",
            "items": {"type": "object", "properties": {"created_by": {"type": "string"}}},
        },
    },
    "additionalProperties": False,
}


def check_rules(image: Path) -> None:
    """Raise where an image layout breaks a rule of the specification (image-layout.md and on)."""
    _check(json.loads((image / "oci-layout").read_text()), LAYOUT)
    index = json.loads((image / "index.json").read_text())
    _check(index, INDEX)
    used = set()
    for one in index["manifests"]:
        manifest = json.loads(_blob(image, one))
        _check(manifest, MANIFEST)
        config = json.loads(_blob(image, manifest["config"]))
        _check(config, CONFIG)
        assert one["platform"] == {key: config[key] for key in ("architecture", "os")}
        tars = [gzip.decompress(_blob(image, layer)) for layer in manifest["layers"]]
        assert config["rootfs"]["diff_ids"] == [_sha256(tar) for tar in tars]
        assert len([row for row in config["history"] if not row.get("empty_layer")]) == len(tars)
        for tar in tars:
            _check_layer(tar)
        used |= {row["digest"] for row in (one, manifest["config"], *manifest["layers"])}
    assert {f"sha256:{file.name}" for file in (image / "blobs/sha256").iterdir()} == used
    assert {file.name for file in image.iterdir()} == {"blobs", "index.json", "oci-layout"}


def broken(content: Any) -> Iterator[Any]:
    """Return a JSON object without each of its keys in turn, and with a wrong value of each."""
    for key, value in content.items():
        yield {name: one for name, one in content.items() if name != key}
        yield {**content, key: [value]}


def is_valid(content: Any, schema: Any) -> bool:
    """Tell whether a JSON value keeps a schema."""
    needs("jsonschema")
    jsonschema = import_module("jsonschema")
    return bool(jsonschema.Draft202012Validator(schema).is_valid(content))


def _check(content: Any, schema: Any) -> None:
    assert is_valid(content, schema), content


def _check_layer(tar: bytes) -> None:
    """Raise for entries that layer.md forbids: twice the same, absolute, above, or a whiteout."""
    with tarfile.open(fileobj=io.BytesIO(tar)) as archive:
        entries = archive.getmembers()
    names = [entry.name.strip("/") for entry in entries]
    assert len(set(names)) == len(names)
    for entry in entries:
        parts = Path(entry.name).parts
        assert ".." not in parts
        assert not Path(entry.name).is_absolute()
        assert not any(part.startswith(".wh.") for part in parts)
        assert entry.isreg() or entry.isdir() or entry.issym()
    links = {entry.name for entry in entries if entry.issym()}
    below = [name for name in names if links & {str(one) for one in Path(name).parents}]
    assert not below, "an entry lies below a link"


def _blob(image: Path, row: Any) -> bytes:
    content: bytes = (image / "blobs/sha256" / row["digest"].partition(":")[2]).read_bytes()
    assert (len(content), _sha256(content)) == (row["size"], row["digest"])
    return content


def _sha256(content: bytes) -> str:
    return f"sha256:{hashlib.sha256(content).hexdigest()}"
