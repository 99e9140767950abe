"""Artifacts: what is written is read back, and changes are detected."""

from __future__ import annotations

import dataclasses
import json
import time
from pathlib import Path
from typing import Any

import pytest

from runtimes.artifact import (
    Artifact,
    StageRecord,
    is_artifact,
    read_artifact,
    refuse_pickles,
    write_artifact,
    write_like,
)
from runtimes.errors import ArtifactError
from runtimes.files import file_sha256
from runtimes.listed import MANIFEST
from runtimes.manifest import read_manifest, write_content
from runtimes.runtime import TensorSpec
from tests.runtimes.sealed import rewritten


@pytest.fixture
def artifact(tmp_path: Path) -> Artifact:
    (tmp_path / "model.onnx").write_bytes(b"graph" * 20)
    (tmp_path / "tokenizer.json").write_text("{}")
    return write(tmp_path)


def write(folder: Path, seconds: float = 1.5) -> Artifact:
    record = StageRecord("export", {"opset": 18}, seconds, {"onnx": "1.23"}, {"agreement": 1.0})
    return write_artifact(
        folder,
        format="onnx",
        precision="int8",
        task="text-classification",
        labels=("no", "yes"),
        max_length=64,
        inputs=(TensorSpec("input_ids", "int64", ("batch", "sequence")),),
        outputs=(TensorSpec("logits", "float32", ("batch", 2)),),
        parameters=1234,
        history=(record,),
        model_type="bert",
    )


def test_what_is_written_is_read_back(artifact: Artifact) -> None:
    assert read_artifact(artifact.path) == artifact
    assert is_artifact(artifact.path)


def test_the_manifest_names_no_path_of_this_machine(artifact: Artifact) -> None:
    text = (artifact.path / MANIFEST).read_text()
    assert str(artifact.path) not in text
    assert "path" not in json.loads(text)


def test_the_digest_is_of_the_content_alone(artifact: Artifact, tmp_path: Path) -> None:
    assert write(artifact.path, seconds=99.0).digest == artifact.digest
    cache = artifact.path / "__pycache__"
    cache.mkdir()
    (cache / "predict.pyc").write_bytes(b"compiled")
    assert write_like(artifact, artifact.path).digest == artifact.digest


def test_the_digest_covers_names_and_bytes(artifact: Artifact) -> None:
    (artifact.path / "tokenizer.json").rename(artifact.path / "renamed.json")
    assert write_like(artifact, artifact.path).digest != artifact.digest


@pytest.mark.parametrize(
    "changes", [{"labels": ("yes", "no")}, {"max_length": 32}, {"precision": "fp32"}]
)
def test_the_digest_covers_what_the_manifest_says_of_the_model(
    artifact: Artifact, changes: dict[str, Any]
) -> None:
    assert dataclasses.replace(artifact, **changes).digest != artifact.digest


def test_a_file_is_read_once_while_its_times_stay(
    artifact: Artifact, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("runtimes.contents._SETTLED_NS", 0)
    time.sleep(0.02)  # the clock of a file system is coarse
    artifact.verify()
    read: list[Path] = []

    def reading(path: Path) -> str:
        read.append(path)
        return file_sha256(path)

    monkeypatch.setattr("runtimes.contents.file_sha256", reading)
    artifact.verify()
    assert read == []
    artifact.model_file.write_bytes(artifact.model_file.read_bytes()[::-1])
    with pytest.raises(ArtifactError, match=r"model\.onnx was changed"):
        artifact.verify()
    assert read == [artifact.model_file]


def test_tampering_is_caught(artifact: Artifact) -> None:
    artifact.verify()
    content = bytearray(artifact.model_file.read_bytes())
    content[7] ^= 1
    artifact.model_file.write_bytes(content)
    with pytest.raises(ArtifactError, match="do not match"):
        artifact.verify()


def test_every_listed_file_that_changed_is_named(artifact: Artifact) -> None:
    (artifact.path / "tokenizer.json").write_text("{ }")
    artifact.model_file.unlink()
    with pytest.raises(ArtifactError, match=r"model\.onnx is missing; tokenizer\.json has 3 bytes"):
        artifact.verify()


def test_other_files_change_nothing(artifact: Artifact) -> None:
    (artifact.path / ".DS_Store").write_bytes(b"\0")
    (artifact.path / "README.md").write_text("mine")
    (artifact.path / "old.onnx.data").write_bytes(b"w" * 900)
    (artifact.path / "notes").mkdir()
    (artifact.path / "notes" / "model.onnx").write_text("draft")
    (artifact.path / "elsewhere").symlink_to("/nowhere")
    artifact.verify()
    assert read_artifact(artifact.path) == artifact
    assert artifact.size_bytes() == _bytes_of(artifact, "model.onnx", "tokenizer.json", MANIFEST)


def test_a_copy_holds_the_listed_files_alone(artifact: Artifact, tmp_path: Path) -> None:
    (artifact.path / "README.md").write_text("mine")
    (tmp_path / "copy").mkdir()
    artifact.copy(tmp_path / "copy")
    names = sorted(path.name for path in (tmp_path / "copy").iterdir())
    assert names == [MANIFEST, "model.onnx", "tokenizer.json"]
    assert read_artifact(tmp_path / "copy").digest == artifact.digest


def test_an_edited_manifest_is_refused(artifact: Artifact) -> None:
    manifest = artifact.path / MANIFEST
    manifest.write_text(manifest.read_text().replace('"yes"', '"Yes"'))
    for read in (read_artifact, read_manifest):
        with pytest.raises(ArtifactError, match="not as it was written"):
            read(artifact.path)


def test_a_digest_that_is_another_ones_is_refused(artifact: Artifact) -> None:
    rewritten(artifact.path, digest="0" * 64)
    with pytest.raises(ArtifactError, match="digest is not that of the files"):
        read_artifact(artifact.path)


def test_the_list_must_hold_the_model(artifact: Artifact) -> None:
    files = {"tokenizer.json": artifact.files["tokenizer.json"]}
    rest = dataclasses.replace(artifact, files=files)
    write_content(artifact.path, rest.to_json())
    with pytest.raises(ArtifactError, match=r"expected:  model\.onnx"):
        read_artifact(artifact.path)


def test_the_size_is_of_all_that_is_shipped_to_answer(artifact: Artifact) -> None:
    (artifact.path / "model.onnx.data").write_bytes(b"w" * 900)
    (artifact.path / "README.md").write_text("not read by anything")
    both = write(artifact.path)
    shipped = ("model.onnx", "model.onnx.data", "tokenizer.json", MANIFEST)
    assert both.size_mb == pytest.approx(_bytes_of(both, *shipped) / 1e6)


def _bytes_of(artifact: Artifact, *names: str) -> int:
    return sum((artifact.path / name).stat().st_size for name in names)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (None, "not an artifact folder"),
        ("{", "not JSON"),
        ('{"schema_version": 2}', "make the artifact again"),
        ('{"schema_version": true}', "schema_version True"),
        ("[]", "schema_version None"),
        ('{"schema_version": 99}', "schema_version 99"),
        ('{"schema_version": 3}', "not as it was written"),
        ("[" * 100_000, "not JSON"),
        (b"\xff\xfe", "not JSON"),
    ],
)
def test_a_foreign_manifest_is_refused(
    artifact: Artifact, content: str | bytes | None, said: str
) -> None:
    manifest = artifact.path / MANIFEST
    manifest.unlink()
    if content is not None:
        manifest.write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises(ArtifactError, match=said):
        read_artifact(artifact.path)


def test_a_folder_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(ArtifactError, match="no such folder"):
        read_artifact(tmp_path / "nowhere")


def test_a_missing_model_is_refused(artifact: Artifact) -> None:
    artifact.model_file.unlink()
    with pytest.raises(ArtifactError, match=r"expected:  model\.onnx"):
        read_artifact(artifact.path)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        *(("format", value) for value in ("unheard of", 7, "", None)),
        *(("labels", value) for value in (None, "abc", ["a", "a"], ["a", 1], {"a": 0})),
        *(("max_length", value) for value in (0, -1, "64", 64.0, True, 2**40, None)),
        *(("parameters", value) for value in ("1", -1, 1.5)),
        *(("task", value) for value in (["text-classification"], "")),
        *(("precision", value) for value in (8, None)),
        ("inputs", [{"odd": 1}]),
        ("inputs", [{"name": "x", "dtype": "int64", "shape": "batch"}]),
        ("inputs", [{"name": "x", "dtype": "int64", "shape": [True]}]),
        ("outputs", "logits"),
        ("history", [{"odd": 1}]),
        ("history", [{"kind": "x", "settings": [], "seconds": 1, "tools": {}, "metrics": {}}]),
        ("files", ["model.onnx"]),
        ("files", {"model.onnx": 7}),
        ("files", {"model.onnx": {"size_bytes": "1", "sha256": "0" * 64}}),
        ("files", {"model.onnx": {"size_bytes": 1, "sha256": "0"}}),
        ("files", {"../model.onnx": {"size_bytes": 1, "sha256": "0" * 64}}),
    ],
)
def test_a_malformed_field_is_an_artifact_error(
    artifact: Artifact, field: str, value: object
) -> None:
    rewritten(artifact.path, **{field: value})
    with pytest.raises(ArtifactError, match=r"malformed|is missing|digest is not that"):
        read_artifact(artifact.path)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        *(("labels", value) for value in ("abc", ["a", "a"], [1])),
        *(("max_length", value) for value in (0, "64", True)),
        *(("runtimes", value) for value in ("onnxruntime", {"onnxruntime": 1})),
        ("task_class", 7),
        ("files", {"/etc/passwd": {"size_bytes": 1, "sha256": "0" * 64}}),
    ],
)
def test_a_bundle_reads_its_manifest_as_strictly(
    artifact: Artifact, field: str, value: object
) -> None:
    rewritten(artifact.path, **{field: value})
    with pytest.raises(ArtifactError, match="malformed"):
        read_manifest(artifact.path)


@pytest.mark.parametrize("name", ["pytorch_model.bin", "best.pt", "epoch-3.ckpt", "model.pkl"])
def test_pickles_are_refused_with_the_way_out(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_bytes(b"\x80\x04")
    with pytest.raises(ArtifactError, match=r"(?s)pickle.*weights_only=True") as caught:
        refuse_pickles(tmp_path)
    assert name in str(caught.value)


def test_a_pickle_beside_safetensors_is_never_read_and_so_allowed(tmp_path: Path) -> None:
    (tmp_path / "pytorch_model.bin").write_bytes(b"\x80\x04")
    (tmp_path / "model.safetensors").write_bytes(b"")
    refuse_pickles(tmp_path)
