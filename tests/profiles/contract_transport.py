"""The contract of every transport; a subclass names the profile that reaches its device."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from profiles.device import DeviceProfile
from profiles.job import Job
from profiles.probe import matches
from profiles.transport import TRANSPORTS, Transport, reach, why_elsewhere
from runtimes.artifact import Artifact
from runtimes.errors import BackendError, DeviceError
from runtimes.measure import MeasurePlan, Variant
from runtimes.predict import open_predictor
from runtimes.samples import FEWEST_BLOCK_RUNS
from runtimes.tasks import TASKS
from runtimes.worker import Worker
from tests.runtimes.tiny import TEXTS, tiny_onnx

PLAN = MeasurePlan(
    processes=2, blocks=2, block_runs=5, warmup_runs=2, warmup_s=0.0, warmup_limit_s=0.1,
    cold_starts=2, uncached_starts=1, block_ms=1000.0,
)  # fmt: skip


SHOUTED = """from runtimes.tasks.text_classification import TextClassification

class Shouting(TextClassification):
    name = "shouting"

    def answer(self, outputs, feeds):
        return [-logit for logit in super().answer(outputs, feeds)]
"""


class ContractTransport:
    """Reach the device and run a job on it, for real."""

    @pytest.fixture
    def profile(self) -> DeviceProfile:
        raise NotImplementedError

    @pytest.fixture
    def transport(self, profile: DeviceProfile) -> Transport:
        return reach(profile)

    @pytest.fixture
    def artifact(self, tmp_path: Path) -> Artifact:
        return tiny_onnx(tmp_path / "tiny")

    def test_is_registered_under_its_kind(self, transport: Transport) -> None:
        assert TRANSPORTS.resolve(transport.kind) is type(transport)

    def test_keeps_what_it_was_reached_by(
        self, transport: Transport, profile: DeviceProfile
    ) -> None:
        assert transport.settings == profile.transport
        assert why_elsewhere(profile, transport) == ""

    def test_sees_the_device(self, transport: Transport, profile: DeviceProfile) -> None:
        facts = transport.facts()
        assert facts.arch
        assert matches(profile, facts)[0]
        assert facts.fingerprint() == transport.facts().fingerprint()

    def test_puts_once_by_content_and_gets_back(self, transport: Transport, tmp_path: Path) -> None:
        source, back = tmp_path / "some file", tmp_path / "back"
        source.write_bytes(b"first")
        place = transport.put(source)
        assert place.endswith("/some file")
        assert transport.put(source) == place
        transport.get(place, back)
        assert back.read_bytes() == b"first"
        source.write_bytes(b"second")
        transport.get(transport.put(source), back)
        assert back.read_bytes() == b"second"

    def test_puts_what_is_there_under_another_name(
        self, transport: Transport, tmp_path: Path
    ) -> None:
        for name in ("one", "other"):
            (tmp_path / name).write_bytes(b"the same content")
            transport.get(transport.put(tmp_path / name), tmp_path / "back")
            assert (tmp_path / "back").read_bytes() == b"the same content"

    def test_puts_and_gets_folders(
        self, transport: Transport, artifact: Artifact, tmp_path: Path
    ) -> None:
        transport.get(transport.put(artifact.path), tmp_path / "back")
        for file in artifact.path.iterdir():
            assert (tmp_path / "back" / file.name).read_bytes() == file.read_bytes()

    def test_what_is_not_there_cannot_be_got(self, transport: Transport, tmp_path: Path) -> None:
        with pytest.raises(DeviceError):
            transport.get(str(tmp_path / "nothing"), tmp_path / "back")

    def test_a_process_has_pipes_and_ends_with_its_code(self, transport: Transport) -> None:
        code = (
            "import os, sys; said = sys.stdin.readline(); print('heard', said, end='', flush=True)"
            "; print(os.environ['WORD'], file=sys.stderr); sys.exit(7)"
        )
        process = transport.run([*transport.python, "-c", code], env={"WORD": "spoken"})
        process.stdin.write(b"a line\n")
        process.stdin.flush()
        assert process.stdout.readline() == b"heard a line\n"
        assert process.wait(30) == 7
        assert "spoken" in process.said()
        process.close()

    def test_a_process_can_be_waited_for_and_killed(self, transport: Transport) -> None:
        process = transport.run([*transport.python, "-c", "input()"], env={})
        assert process.wait(0.05) is None
        process.kill()
        assert process.wait(30) not in (None, 0)
        assert process.stdout.readline() == b""
        process.close()

    def test_what_cannot_be_started_is_said(self, transport: Transport) -> None:
        try:
            process = transport.run(["/no/such/command"], env={})
        except BackendError:
            return
        assert process.wait(30) not in (None, 0)
        process.close()

    def test_brings_every_sample_back(
        self, transport: Transport, artifact: Artifact, tmp_path: Path
    ) -> None:
        variants = [Variant(name, artifact, "onnxruntime") for name in ("candidate", "reference")]
        stream = tmp_path / "samples.jsonl"
        units: list[int] = []
        by_name = Job(transport).measure(
            variants, TEXTS, PLAN, advance=lambda done, _note: units.append(done), stream=stream
        )
        assert list(by_name) == ["candidate", "reference"]
        # an emulated row takes so long that a block of the usual length holds fewer of them
        fewest = FEWEST_BLOCK_RUNS if transport.facts().emulated else PLAN.block_runs
        for samples in by_name.values():
            assert samples.fault == ""
            assert [block.process for block in samples.blocks] == [0, 0, 1, 1]
            for block in samples.blocks:
                assert fewest <= len(block.latency_ms) <= PLAN.block_runs
            assert len(samples.cold_starts) >= 2
            assert all(start.total_ms > 0 for start in samples.cold_starts)
            assert samples.uncached_starts or samples.uncached_why
            assert samples.size_mb == artifact.size_mb
        assert stream.stat().st_size
        assert sum(units)

    def test_answers_as_this_process_does(self, transport: Transport, artifact: Artifact) -> None:
        rows = [*TEXTS, 'my "card" ünd\n\u2028 🙂'] * 4
        units: list[int] = []
        answers = Job(transport).answers(
            Variant("model", artifact, "onnxruntime"),
            rows,
            advance=lambda done, _note: units.append(done),
        )
        model = open_predictor(artifact.path)
        known = [model.answer(row) for row in rows]
        assert np.abs(np.stack(answers) - np.stack(known)).max() < 1e-5
        assert sum(units) == len(rows)

    def test_runs_a_task_that_another_package_adds(
        self,
        transport: Transport,
        artifact: Artifact,
        tmp_path: Path,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        monkeypatch.syspath_prepend(tmp_path / "added")
        (tmp_path / "added" / "shouted").mkdir(parents=True)
        (tmp_path / "added" / "shouted" / "__init__.py").write_text("")
        (tmp_path / "added" / "shouted" / "task.py").write_text(SHOUTED)
        monkeypatch.setitem(TASKS.rows, "shouting", "shouted.task:Shouting")
        variant = Variant("model", replace(artifact, task="shouting"), "onnxruntime")
        (answer,) = Job(transport).answers(variant, ["my card"])
        (known,) = Job(transport).answers(replace(variant, artifact=artifact), ["my card"])
        assert list(answer) == [-logit for logit in known]

    def test_tells_what_memory_a_model_takes(
        self, transport: Transport, artifact: Artifact
    ) -> None:
        if not transport.facts().kernel.startswith("Linux"):
            pytest.skip("memory is read from Linux's /proc")
        steps = Job(transport).memory(Variant("model", artifact, "onnxruntime"), TEXTS)
        assert steps[-1]["rss_mb"] > steps[0]["rss_mb"] > 0

    def test_tells_how_quiet_the_device_is(self, transport: Transport) -> None:
        noise = Job(transport).noise(1)
        if transport.facts().emulated:
            assert not noise.probe_ms  # no time there tells anything
            return
        assert noise.probe_ms > 0
        assert noise.cores >= 1
        assert noise.threads == 1

    def test_a_model_that_does_not_load_is_a_fault(
        self, transport: Transport, artifact: Artifact
    ) -> None:
        artifact.model_file.write_bytes(b"not a model")
        variant = Variant("broken", artifact, "onnxruntime")
        samples = Job(transport).measure([variant], TEXTS, PLAN)
        with pytest.raises(BackendError):
            samples["broken"].raise_fault()
        with pytest.raises(BackendError):
            Job(transport).answers(variant, TEXTS)

    def test_a_job_may_lock_its_device_again(self, transport: Transport) -> None:
        with transport.lock() as taken, transport.lock():
            assert taken == ""
        with transport.lock():
            pass

    def test_a_process_that_vanishes_is_a_fault(self, transport: Transport) -> None:
        process = transport.run([*transport.python, "-c", "input()"], env={})
        process.kill()
        worker = Worker(process, "model")
        with pytest.raises(BackendError, match="ended during 'peak'"):
            worker.ask("peak", 60)
        worker.close()

    def test_a_process_that_hangs_is_a_fault(self, transport: Transport) -> None:
        code = "import time; time.sleep(60)"
        worker = Worker(transport.run([*transport.python, "-c", code], env={}), "model")
        with pytest.raises(BackendError, match="did not answer 'peak' within 1 s"):
            worker.ask("peak", 1)
        worker.close()
