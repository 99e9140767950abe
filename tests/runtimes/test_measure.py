"""Measuring: interleaved, paired, honest about which model is slower, and never stuck."""

from __future__ import annotations

import dataclasses
import json
import os
import re
import signal
import statistics
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from runtimes.artifact import Artifact
from runtimes.errors import BackendError, InputError, UnsupportedError
from runtimes.measure import Effort, Load, MeasurePlan, Samples, Variant, expected_runs
from runtimes.process import HostProcess
from runtimes.stored import stored_samples
from runtimes.worker import Worker
from tests.runtimes.launching import measure, process
from tests.runtimes.tiny import TEXTS, tiny_onnx, tiny_openvino

pytestmark = pytest.mark.alone
"""Timings of real processes: other work on the machine's cores changes them."""

PLAN = MeasurePlan(
    processes=2,
    blocks=4,
    block_runs=15,
    warmup_runs=5,
    warmup_s=0.05,
    warmup_limit_s=0.5,
    cold_starts=3,
    timeout_s=60,
    loads=(Load(1, 1), Load(4, 2)),
    load_s=0.1,
    requests_per_s=(40,),
    server_s=0.5,
)


@dataclasses.dataclass(frozen=True)
class MeasuredSession:
    """What one call of measure gave, streamed and reported."""

    samples: dict[str, Samples]
    lines: list[dict[str, Any]]
    advances: list[tuple[int, str]]
    wall_s: float

    def of_kind(self, kind: str) -> list[dict[str, Any]]:
        return [line for line in self.lines if line["kind"] == kind]


@pytest.fixture(scope="module")
def session(tmp_path_factory: pytest.TempPathFactory) -> MeasuredSession:
    folder = tmp_path_factory.mktemp("measure")
    variants = [
        Variant("fast", tiny_onnx(folder / "fast"), "onnxruntime"),
        Variant("slow", tiny_onnx(folder / "slow", layers=48, hidden=256), "onnxruntime"),
    ]
    advances: list[tuple[int, str]] = []
    stream = folder / "samples.jsonl"
    start = time.monotonic()
    samples = measure(
        variants, TEXTS, PLAN, advance=lambda *row: advances.append(row), stream=stream
    )
    wall_s = time.monotonic() - start
    lines = [json.loads(line) for line in stream.read_text().splitlines()]
    return MeasuredSession(samples, lines, advances, wall_s)


def test_the_lines_hold_all_that_was_measured(session: MeasuredSession) -> None:
    for name, samples in session.samples.items():
        read = stored_samples(
            session.lines,
            name,
            runtime=samples.runtime,
            threads=samples.threads,
            size_mb=samples.size_mb,
        )
        assert read == dataclasses.replace(samples, effort=Effort())


def test_more_work_measures_slower(session: MeasuredSession) -> None:
    medians = {
        name: statistics.median(ms for block in samples.blocks for ms in block.latency_ms)
        for name, samples in session.samples.items()
    }
    assert medians["slow"] > 2 * medians["fast"]


def test_holds_as_many_samples_as_planned(session: MeasuredSession) -> None:
    for samples in session.samples.values():
        assert [block.process for block in samples.blocks] == [0] * 4 + [1] * 4
        for block in samples.blocks:
            assert 4 <= len(block.latency_ms) <= 15
            assert len(block.latency_ms) == len(block.encode_ms) == len(block.model_ms)
            assert len(block.latency_ms) == len(block.contaminated) == len(block.rows)
        assert [runs.process for runs in samples.idle_runs] == [0, 1]
        assert all(len(runs.latency_ms) == PLAN.idle_runs for runs in samples.idle_runs)
        assert len(samples.cold_starts) == len(samples.session_ms) == 3
        assert len(samples.first_inference_ms) == 3
        assert len(samples.rss_peak_mb) == len(samples.stable) == 2
        assert samples.runtime_version
        assert samples.size_mb > 0


def test_both_see_the_same_rows_side_by_side(session: MeasuredSession) -> None:
    fast, slow = (session.samples[name].blocks for name in ("fast", "slow"))
    for one, other in zip(fast, slow, strict=True):
        assert (one.process, one.place, one.rows) == (other.process, other.place, other.rows)
        assert abs(one.order - other.order) == 1
    assert {row for block in fast for row in block.rows} == set(range(len(TEXTS)))
    assert sorted(block.order for block in (*fast, *slow)) == list(range(16))


def test_the_order_is_reversed_every_other_time(session: MeasuredSession) -> None:
    names = [line["variant"] for line in session.of_kind("block")]
    for start in range(0, len(names), 4):
        assert names[start : start + 2] == names[start + 2 : start + 4][::-1]


def test_a_cold_start_is_the_sum_of_its_steps(session: MeasuredSession) -> None:
    for samples in session.samples.values():
        for start in samples.cold_starts:
            steps = dataclasses.asdict(start)
            total = steps.pop("total_ms")
            steps.pop("read_mb")
            assert all(step > 0 for step in steps.values())
            assert 0.5 * total < sum(steps.values()) <= total * 1.001


def test_streams_what_it_sees_as_it_comes(session: MeasuredSession) -> None:
    kinds = [line["kind"] for line in session.lines]
    counts = {
        "start": 6,
        "warm_up": 4,
        "block": 16,
        "peak": 4,
        "idle": 4,
        "throughput": 8,
        "server": 4,
    }
    assert {kind: kinds.count(kind) for kind in kinds} == counts
    fast = session.samples["fast"]
    for kind, seen in (
        ("block", fast.blocks),
        ("start", fast.cold_starts),
        ("throughput", fast.throughputs),
        ("idle", fast.idle_runs),
        ("server", fast.server_runs),
    ):
        lines = [line for line in session.of_kind(kind) if line["variant"] == "fast"]
        for row, line in zip(seen, lines, strict=True):
            assert _line(kind, row).items() <= line.items()
    orders = [line["order"] for line in session.of_kind("block")]
    assert orders == sorted(orders)


def _line(kind: str, row: Any) -> Any:
    """Return what JSON makes of a row of the fast variant."""
    content = {"kind": kind, "variant": "fast", **dataclasses.asdict(row)}
    return json.loads(json.dumps(content))


def test_reports_as_much_progress_as_it_announced(session: MeasuredSession) -> None:
    assert sum(units for units, _ in session.advances) == expected_runs(2, PLAN)


def test_the_larger_model_bears_less(session: MeasuredSession) -> None:
    fast, slow = (session.samples[name].throughputs for name in ("fast", "slow"))
    loads = [(row.process, row.batch, row.concurrency) for row in fast]
    assert loads == [(0, 1, 1), (0, 4, 2), (1, 1, 1), (1, 4, 2)]
    for one, other in zip(fast, slow, strict=True):
        assert one.rows_per_s > other.rows_per_s > 0


def test_both_see_the_same_requests_arrive(session: MeasuredSession) -> None:
    fast, slow = (session.samples[name].server_runs for name in ("fast", "slow"))
    assert [(runs.process, runs.per_s, runs.seconds) for runs in fast] == [
        (0, 40, 0.375),
        (1, 40, 0.375),
    ]
    for one, other in zip(fast, slow, strict=True):
        assert len(one.latency_ms) == len(one.wait_ms) == len(other.latency_ms) > 3
        assert all(0 <= wait < ms for wait, ms in zip(one.wait_ms, one.latency_ms, strict=True))


def test_accounts_for_most_of_its_time(session: MeasuredSession) -> None:
    spent = [samples.effort for samples in session.samples.values()]
    starting = sum(effort.starting_s for effort in spent)
    inference = sum(effort.inference_s for effort in spent)
    starts = [start for samples in session.samples.values() for start in samples.cold_starts]
    assert starting == pytest.approx(sum(start.total_ms for start in starts) / 1e3)
    assert 0.5 * session.wall_s < starting + inference < session.wall_s


def test_the_larger_model_takes_more_memory(session: MeasuredSession) -> None:
    peaks = {name: min(samples.rss_peak_mb) for name, samples in session.samples.items()}
    assert peaks["slow"] > peaks["fast"] + 5


def test_measures_cold_starts_alone_and_openvino(tmp_path: Path) -> None:
    plan = dataclasses.replace(PLAN, processes=0, cold_starts=1)
    samples = measure([Variant("ir", tiny_openvino(tmp_path), "openvino")], TEXTS, plan)
    assert samples["ir"].blocks == ()
    assert len(samples["ir"].cold_starts) == expected_runs(1, plan) == 1


@pytest.mark.parametrize("texts", [(), ("my card",)])
def test_nothing_to_measure_is_refused(texts: tuple[str, ...], tmp_path: Path) -> None:
    artifact = tiny_onnx(tmp_path)
    twice = [Variant("same", artifact, "onnxruntime")] * 2
    with pytest.raises(InputError, match="different names"):
        measure(twice, texts, PLAN)


def test_a_stream_that_cannot_be_written_is_refused(tmp_path: Path) -> None:
    variant = Variant("fast", tiny_onnx(tmp_path / "fast"), "onnxruntime")
    with pytest.raises(InputError, match=r"(?s)samples\.jsonl: .*existing folder"):
        measure([variant], TEXTS, PLAN, stream=tmp_path / "nowhere" / "samples.jsonl")


def test_a_runtime_that_does_not_load_the_format_is_refused(tmp_path: Path) -> None:
    variant = Variant("torch", tiny_onnx(tmp_path), "torch")
    with pytest.raises(UnsupportedError, match="'torch'"):
        measure([variant], TEXTS, PLAN)


@contextmanager
def _worker(artifact: Artifact) -> Iterator[tuple[Worker, int]]:
    """Start a worker, and tell its process's id."""
    started = process(artifact.path)
    with Worker(started, str(artifact.path)) as worker:
        yield worker, started.pid


def _alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


@pytest.mark.parametrize(
    ("number", "said"),
    [
        (signal.SIGKILL, "signal 9, SIGKILL: "),
        (signal.SIGABRT, "signal 6, SIGABRT: the runtime gave up"),
        (signal.SIGILL, "signal 4, SIGILL: the runtime was built for another processor"),
        (signal.SIGTERM, "signal 15, SIGTERM"),
        (signal.SIGRTMIN + 1, f"signal {signal.SIGRTMIN + 1}"),
    ],
)
def test_a_killed_worker_is_reported_with_its_signal(
    number: int, said: str, tmp_path: Path
) -> None:
    with _worker(tiny_onnx(tmp_path)) as (worker, pid):
        worker.ask("peak", 60)
        os.kill(pid, number)
        with pytest.raises(BackendError, match=re.escape(f"ended during 'peak' ({said}")):
            worker.ask("peak", 60)
    assert not _alive(pid)


def test_a_process_that_cannot_be_started_is_said() -> None:
    with pytest.raises(BackendError, match="cannot be started"):
        HostProcess(["/no/such/command"], {})


def test_a_worker_that_fails_is_reported_with_its_last_words(tmp_path: Path) -> None:
    with _worker(tiny_onnx(tmp_path)) as (worker, _):
        worker.ask("load", 60, row="my card")
        worker.ask("rows", 60, rows=["my card"])
        with pytest.raises(BackendError, match="IndexError: list index out of range"):
            worker.ask("run", 60, rows=[99])


def test_a_hanging_worker_is_stopped(tmp_path: Path) -> None:
    with _worker(tiny_onnx(tmp_path)) as (worker, pid):
        worker.ask("load", 60, row="my card")
        os.kill(pid, signal.SIGSTOP)
        start = time.monotonic()
        with pytest.raises(BackendError, match=r"did not answer 'rows' within 1 s"):
            worker.ask("rows", 1, rows=["my card"] * 100_000)  # more than a pipe holds
        assert time.monotonic() - start < 20
    assert not _alive(pid)


def test_ctrl_c_ends_every_worker(tmp_path: Path) -> None:
    # A shell starts background jobs with SIGINT ignored, and Python keeps that.
    before_signal = signal.signal(signal.SIGINT, signal.default_int_handler)
    plan = dataclasses.replace(PLAN, warmup_s=30, warmup_limit_s=30)
    variant = Variant("fast", tiny_onnx(tmp_path), "onnxruntime")
    before = _children()
    timer = threading.Timer(2, lambda: os.kill(os.getpid(), signal.SIGINT))
    timer.start()
    start = time.monotonic()
    try:
        with pytest.raises(KeyboardInterrupt):
            measure([variant], TEXTS, plan)
    finally:
        signal.signal(signal.SIGINT, before_signal)
    assert time.monotonic() - start < 20
    assert _children() <= before


def test_a_killed_parent_takes_its_worker_along(tmp_path: Path) -> None:
    tiny_onnx(tmp_path)
    code = (
        "import os, signal; from pathlib import Path; from runtimes.worker import Worker\n"
        "from tests.runtimes.launching import process\n"
        f"started = process(Path({str(tmp_path)!r}))\n"
        "Worker(started, 'model').ask('load', 60, row='my card')\n"
        "print(started.pid, flush=True); os.kill(os.getpid(), signal.SIGKILL)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    deadline = time.monotonic() + 10
    while _runs(int(done.stdout)) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not _runs(int(done.stdout))


def test_leaves_no_process_behind(session: MeasuredSession) -> None:
    assert session.samples
    assert not [pid for pid in _children() if "runtimes.serve" in _command(pid)]


def _children() -> set[int]:
    files = Path("/proc/self/task").glob("*/children")
    return {int(pid) for file in files for pid in file.read_text().split()}


def _runs(pid: int) -> bool:
    """Tell whether a process is there and not merely waiting to be reaped."""
    try:
        status = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return False
    return status.rpartition(")")[2].split()[0] not in "ZX"


def _command(pid: int) -> str:
    return Path(f"/proc/{pid}/cmdline").read_text().replace("\0", " ")


def test_a_session_lasts_as_long_as_was_asked(tmp_path: Path) -> None:
    plan = dataclasses.replace(
        PLAN, processes=1, cold_starts=1, blocks=1, loads=(), idle_runs=0, least_s=2.0
    )
    plan = dataclasses.replace(plan, requests_per_s=())
    start = time.monotonic()
    samples = measure([Variant("one", tiny_onnx(tmp_path), "onnxruntime")], TEXTS, plan)["one"]
    assert time.monotonic() - start >= 2.0
    processes = [block.process for block in samples.blocks]
    assert processes == list(range(len(processes)))
    assert len(processes) > 1
