"""The measuring worker: its protocol, spoken with a real process."""

from __future__ import annotations

import base64
import functools
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from runtimes import limits, machine, serve, timing
from runtimes.artifact import Artifact
from runtimes.errors import BackendError
from runtimes.predict import open_predictor
from tests.absent import needs
from tests.runtimes.tiny import TEXTS, tiny_onnx


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_onnx(tmp_path_factory.mktemp("model")).path


class Conversation:
    """Speak the measuring protocol with one process."""

    def __init__(self, artifact: Artifact) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-P", "-m", "runtimes.serve", "--model", str(artifact.path)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def ask(self, **request: Any) -> Any:
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write(json.dumps(request) + "\n")
        self.process.stdin.flush()
        return json.loads(self.process.stdout.readline())


@pytest.fixture
def conversation(tmp_path: Path) -> Iterator[Conversation]:
    spoken = Conversation(tiny_onnx(tmp_path))
    yield spoken
    spoken.process.communicate(timeout=20)
    assert spoken.process.returncode == 0


def test_serves_the_measuring_protocol(conversation: Conversation) -> None:
    loaded = conversation.ask(do="load", row=TEXTS[0])
    steps = ("interpreter_ms", "imports_ms", "load_ms", "session_ms", "first_result_ms")
    assert all(loaded[step] > 0 for step in steps)
    assert sum(loaded[step] for step in steps) <= loaded["total_ms"] * 1.001
    assert loaded["first_inference_ms"] <= loaded["first_result_ms"]
    assert conversation.ask(do="rows", rows=list(TEXTS)) == {}
    warmed = conversation.ask(do="warm", runs=5, seconds=0.05, limit_s=1)
    assert len(warmed["medians_ms"]) >= 1
    block = conversation.ask(do="run", rows=[0, 1, 2, 0])
    assert len(block["latency_ms"]) == len(block["contaminated"]) == 4
    parts = zip(block["latency_ms"], block["encode_ms"], block["model_ms"], strict=True)
    assert all(0 < encode < whole - model < whole for whole, encode, model in parts)
    settled = conversation.ask(do="run", rows=[0, 1], settle_ms=2.0)
    assert len(settled["latency_ms"]) == 2
    idle = conversation.ask(do="idle", rows=[0, 1], gap_ms=1)
    assert len(idle["latency_ms"]) == 2
    assert all(probe > 0 for probe in block["probe_ms"])
    assert block["throttled"] in (True, False)
    assert {"mhz", "steal"} <= block.keys()
    assert 20 < conversation.ask(do="peak")["rss_peak_mb"] < 2000


def test_answers_are_the_deployed_models(conversation: Conversation, tmp_path: Path) -> None:
    conversation.ask(do="load", row=TEXTS[0])
    model = open_predictor(tmp_path)
    reply = conversation.ask(do="answers", rows=list(TEXTS))["answers"]
    for text, answer in zip(TEXTS, reply, strict=True):
        said = np.frombuffer(base64.b64decode(answer["float32"]), "<f4").reshape(answer["shape"])
        np.testing.assert_array_equal(said, model.answer(text))


@pytest.mark.parametrize("runtime", ["onnxruntime", "openvino"])
@pytest.mark.parametrize(("batch", "concurrency"), [(1, 1), (4, 3)])
def test_threads_share_a_model(runtime: str, batch: int, concurrency: int, bundle: Path) -> None:
    needs(runtime)
    worker = _loaded_worker(bundle, runtime)
    reply = worker.throughput(batch, concurrency, 0.1, [0, 1, 2])
    assert reply["rows_per_s"] > 10 * batch
    assert reply["inference_s"] >= 0.1


@pytest.mark.alone
def test_more_rows_at_a_time_are_counted_as_rows(bundle: Path, monkeypatch: Any) -> None:
    worker = _loaded_worker(bundle, "onnxruntime")
    shapes = []

    def infer(feeds: dict[str, Any]) -> None:
        shapes.append(feeds["input_ids"].shape)
        time.sleep(0.01)

    monkeypatch.setattr(worker._loaded(), "infer", infer)
    reply = worker.throughput(8, 1, 0.2, [0, 1])
    assert set(shapes) == {(8, 6)}
    assert reply["rows_per_s"] == pytest.approx(8 * 100, rel=0.3)


def test_a_failing_load_says_which(bundle: Path, monkeypatch: Any) -> None:
    worker = _loaded_worker(bundle, "onnxruntime")

    def infer(_: dict[str, Any]) -> None:
        raise MemoryError

    monkeypatch.setattr(worker._loaded(), "infer", infer)
    with pytest.raises(BackendError, match="2 callers of 4 rows: MemoryError"):
        worker.throughput(4, 2, 0.1, [0])


def _loaded_worker(bundle: Path, runtime: str) -> serve.MeasuringServer:
    arguments = serve.parser().parse_args(["--model", str(bundle), "--runtime", runtime])
    worker = serve.MeasuringServer(arguments, time.perf_counter_ns())
    worker.load(TEXTS[0])
    worker.rows(list(TEXTS))
    return worker


def test_a_bad_request_is_answered_and_survived(conversation: Conversation) -> None:
    assert "unknown request 'dance'" in conversation.ask(do="dance")["error"]
    assert "load" in conversation.ask(do="rows", rows=["my card"])["error"]
    assert conversation.ask(do="load", row="my card")["runtime"] == "onnxruntime"


def _slow_predictor(encode_s: float, infer_s: float, name_s: float) -> Any:
    """Return a predictor that sleeps in each step from a row to its answer."""

    class Task:
        feeds = staticmethod(lambda _row: time.sleep(encode_s))
        shown = staticmethod(lambda _answer, _row, _top: time.sleep(name_s))

    return SimpleNamespace(
        task=Task(),
        infer=lambda _feeds: time.sleep(infer_s),
        answer_in=lambda _outputs, _feeds: None,
    )


def test_an_idle_gap_comes_before_each_row() -> None:
    start = time.perf_counter()
    slow = _slow_predictor(encode_s=0.0, infer_s=0.01, name_s=0.0)
    latencies = timing.idle(functools.partial(timing.timed, slow), ["a", "b", "c"], gap_ms=30)[
        "latency_ms"
    ]
    assert time.perf_counter() - start >= 3 * 0.04
    assert all(10 <= latency < 30 for latency in latencies)


def test_waiting_is_flagged_and_working_is_not() -> None:
    seen = timing.timed(_slow_predictor(encode_s=0.02, infer_s=0.01, name_s=0.03), "row")
    assert seen.latency_ms >= 60
    assert seen.encode_ms is not None
    assert seen.model_ms is not None
    assert 20 <= seen.encode_ms < 30
    assert 10 <= seen.model_ms < 20
    assert seen.contaminated
    assert machine.preemptions() >= 0
    assert machine.probe_ms() > 0


def test_the_kernel_knows_when_a_process_started() -> None:
    age_ns = time.perf_counter_ns() - machine.started_ns(None, serve._ENTERED_NS)
    assert age_ns > time.perf_counter_ns() - serve._ENTERED_NS
    assert machine.started_ns(5, 0) == 5


def test_a_pinned_process_stays_on_its_cores(tmp_path: Path) -> None:
    if not hasattr(os, "sched_setaffinity"):
        pytest.skip("this system cannot pin a process")
    core = min(os.sched_getaffinity(0))
    words = ["--model", str(tiny_onnx(tmp_path).path), "--cores", str(core)]
    arguments = serve.parser().parse_args(words)
    assert arguments.cores == (core,)
    before = os.sched_getaffinity(0)
    try:
        limits.pin(arguments.cores)
        assert os.sched_getaffinity(0) == {core}
    finally:
        os.sched_setaffinity(0, before)
    limits.pin(())
    assert os.sched_getaffinity(0) == before


def test_a_core_that_is_not_there_is_said() -> None:
    with pytest.raises(BackendError, match=r"pinned to the cores 4095[\s\S]*available: \d"):
        limits.pin((4095,))


def test_a_name_of_cores_is_looked_up_on_the_device() -> None:
    from runtimes.clusters import clusters

    (cluster,) = clusters()[:1] or pytest.skip("this system does not describe its cores")
    assert limits._named(cluster.core) == cluster.cpus
    assert serve.parser().parse_args(["--cores", "big"]).cores == "big"
    assert serve.parser().parse_args(["--cores", "0,2"]).cores == (0, 2)
    with pytest.raises(BackendError, match=r"no cores named 'cortex-a999'[\s\S]*available: \w"):
        limits.pin("cortex-a999")
