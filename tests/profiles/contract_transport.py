"""What every transport keeps; a subclass says which profile reaches its device."""

from __future__ import annotations

from pathlib import Path

import pytest

from profiles.device import DeviceProfile
from profiles.probe import matches
from profiles.transport import TRANSPORTS, Transport, reach
from runtimes.errors import EdgepressError
from runtimes.measure import MeasurePlan, Variant
from tests.runtimes.tiny import tiny_onnx

PLAN = MeasurePlan(
    processes=2, blocks=2, block_runs=5, warmup_runs=2, warmup_s=0.0, warmup_limit_s=0.1,
    cold_starts=2,
)  # fmt: skip


class ContractTransport:
    """Look at the device and measure on it, for real."""

    profile: DeviceProfile

    @pytest.fixture
    def transport(self) -> Transport:
        return reach(self.profile)

    def test_is_registered_under_its_kind(self, transport: Transport) -> None:
        assert TRANSPORTS.resolve(transport.kind) is type(transport)

    def test_sees_the_device(self, transport: Transport) -> None:
        facts = transport.facts()
        assert facts.arch
        assert matches(self.profile, facts)[0]
        assert facts.fingerprint() == transport.facts().fingerprint()

    def test_brings_every_sample_back(self, transport: Transport, tmp_path: Path) -> None:
        artifact = tiny_onnx(tmp_path / "tiny")
        variants = [Variant(name, artifact, "onnxruntime") for name in ("candidate", "reference")]
        stream = tmp_path / "samples.jsonl"
        texts = ["a b", "b a b"]
        units: list[int] = []
        found = transport.measure(
            variants, texts, PLAN, advance=lambda done, _note: units.append(done), stream=stream
        )
        assert list(found) == ["candidate", "reference"]
        for samples in found.values():
            assert {block.process for block in samples.blocks} == {0, 1}
            assert sum(len(block.latency_ms) for block in samples.blocks) == 20
            assert len(samples.cold_starts) >= 2
            assert samples.size_mb == artifact.size_mb
        assert stream.stat().st_size
        assert sum(units)

    def test_a_model_that_is_not_there_is_a_fault(
        self, transport: Transport, tmp_path: Path
    ) -> None:
        artifact = tiny_onnx(tmp_path / "tiny")
        artifact.model_file.write_bytes(b"not a model")
        variant = Variant("broken", artifact, "onnxruntime")
        found = transport.measure([variant], ["a b"], PLAN, advance=lambda *_: None, stream=None)
        with pytest.raises(EdgepressError):
            found["broken"].raise_fault()
