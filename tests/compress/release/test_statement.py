"""The statement of a gate of several devices."""

from __future__ import annotations

from pathlib import Path

from compress.release.statement import statement
from compress.report.gate_report import GatedDevice
from runtimes.files import file_sha256
from tests.compress.report.gate_fixture import model, report, verdict
from tests.runtimes.tiny import tiny_onnx


def _device(name: str, lost: str = "") -> GatedDevice:
    return GatedDevice(name, "ssh", (name,), {"arch": name}, (model(),), 1, 1.0, lost)


def test_each_devices_samples_are_named_with_their_digest(tmp_path: Path) -> None:
    (tmp_path / "s.left.jsonl").write_text("left\n")
    gated = report(
        verdict(profile="left"),
        verdict(profile="right"),
        devices=(_device("left"), _device("right", "it does not answer")),
    )
    artifact = tiny_onnx(tmp_path / "model")
    said = statement(gated, artifact, (), (), tmp_path / "s.jsonl")["predicate"]
    digests = {one["name"]: one["digest"]["sha256"] for one in said["configuration"]}
    assert digests["samples s.left.jsonl"] == file_sha256(tmp_path / "s.left.jsonl")
    assert not any("right" in name or name == "samples s.jsonl" for name in digests)
    assert [one["lost"] for one in said["edgepress"]["devices"]] == ["", "it does not answer"]


def test_a_device_alone_has_the_file_that_was_named(tmp_path: Path) -> None:
    (tmp_path / "s.jsonl").write_text("here\n")
    said = statement(report(verdict()), tiny_onnx(tmp_path / "m"), (), (), tmp_path / "s.jsonl")
    names = [one["name"] for one in said["predicate"]["configuration"]]
    assert "samples s.jsonl" in names
