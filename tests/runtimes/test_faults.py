"""A process that crashes, hangs or runs out of memory affects only its own variant."""

from __future__ import annotations

import dataclasses
import json
import os
import re
import resource
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, cast

import pytest

from runtimes.errors import BackendError, OutOfMemoryError
from runtimes.measure import Load, MeasurePlan, Samples, Variant, expected_runs
from runtimes.process import Process, end_of, oom_kills
from runtimes.stored import stored_samples
from runtimes.worker import Worker
from tests.runtimes.launching import measure, process
from tests.runtimes.sealed import resealed
from tests.runtimes.tiny import TEXTS, tiny_onnx

pytestmark = pytest.mark.alone
"""Timings of real processes: other work on the machine's cores changes them."""

PLAN = MeasurePlan(
    processes=2,
    blocks=2,
    block_runs=10,
    warmup_runs=3,
    warmup_s=0.0,
    warmup_limit_s=0.1,
    cold_starts=2,
    timeout_s=60,
    loads=(Load(2, 1),),
    load_s=0.05,
)


def _measured(
    folder: Path,
    plan: MeasurePlan,
    harm: Callable[[int], object],
    *,
    moment: str = "at best",
    layers: int = 1,
) -> tuple[dict[str, Samples], list[dict[str, Any]], list[int]]:
    """Measure two variants, and harm the first one's process at its first note of a moment."""
    variants = [
        Variant("doomed", tiny_onnx(folder / "doomed", layers=layers, hidden=64), "onnxruntime"),
        Variant("sound", tiny_onnx(folder / "sound"), "onnxruntime"),
    ]
    stream, units = folder / "samples.jsonl", list[int]()
    harmed = set[int]()

    def advance(done: int, note: str) -> None:
        units.append(done)
        if not harmed and note.startswith("doomed") and moment in note:
            harmed.update(_agents(folder / "doomed"))
            for pid in harmed:
                harm(pid)

    samples = measure(variants, TEXTS, plan, advance=advance, stream=stream)
    return samples, [json.loads(line) for line in stream.read_text().splitlines()], units


def _agents(folder: Path) -> set[int]:
    """Return the processes that measure a folder."""
    files = Path("/proc/self/task").glob("*/children")
    pids = {int(pid) for file in files for pid in file.read_text().split()}
    return {
        pid for pid in pids if f"{folder}\0" in (Path("/proc") / str(pid) / "cmdline").read_text()
    }


def _is_whole(samples: Samples, plan: MeasurePlan = PLAN) -> bool:
    counts = (len(samples.blocks), len(samples.cold_starts), len(samples.throughputs))
    return not samples.fault and counts == (plan.processes * plan.blocks, 2, plan.processes)


def test_a_crash_costs_its_own_variant_alone(tmp_path: Path) -> None:
    samples, lines, units = _measured(tmp_path, PLAN, lambda pid: os.kill(pid, signal.SIGSEGV))
    assert _is_whole(samples["sound"])
    doomed = samples["doomed"]
    assert "signal 11, SIGSEGV" in doomed.fault
    assert len(doomed.blocks) == 1
    assert len(doomed.cold_starts) == 1
    read = stored_samples(lines, "doomed", runtime="onnxruntime", threads=1, size_mb=1.0)
    assert (read.fault, read.blocks) == (doomed.fault, doomed.blocks)
    assert doomed.size_mb > 0
    with pytest.raises(BackendError, match="SIGSEGV"):
        doomed.raise_fault()
    samples["sound"].raise_fault()
    faults = [line for line in lines if line["kind"] == "fault"]
    assert faults == [
        {"kind": "fault", "variant": "doomed", "fault": doomed.fault, "unsound": False}
    ]
    assert sum(units) == expected_runs(2, PLAN)


def test_a_hang_costs_its_own_variant_alone(tmp_path: Path) -> None:
    plan = dataclasses.replace(PLAN, timeout_s=2)
    samples, _, _ = _measured(tmp_path, plan, lambda pid: os.kill(pid, signal.SIGSTOP))
    assert _is_whole(samples["sound"])
    assert "did not answer 'run' within 2 s and was stopped" in samples["doomed"].fault


def test_running_out_of_memory_costs_its_own_variant_alone(tmp_path: Path) -> None:
    def starve(pid: int) -> None:
        now = int((Path("/proc") / str(pid) / "statm").read_text().split()[0])
        most = now * resource.getpagesize()
        resource.prlimit(pid, resource.RLIMIT_AS, (most, most))

    # A load of many rows at once needs more than the process has.
    plan = dataclasses.replace(PLAN, loads=(Load(2_000, 1),))
    samples, _, _ = _measured(tmp_path, plan, starve, layers=4)
    assert _is_whole(samples["sound"])
    assert len(samples["doomed"].blocks) == 2
    assert "memory" in samples["doomed"].fault


def test_a_kill_says_what_the_kernel_counted(tmp_path: Path) -> None:
    samples, _, _ = _measured(
        tmp_path, PLAN, lambda pid: os.kill(pid, signal.SIGKILL), moment="first result"
    )
    assert _is_whole(samples["sound"])
    assert "signal 9, SIGKILL" in samples["doomed"].fault
    said = "memory runs out" if oom_kills() is None else "killed from outside"
    assert said in samples["doomed"].fault
    assert samples["doomed"].blocks == ()


@pytest.fixture
def small_group() -> Iterator[Path]:
    """Make a control group whose processes may hold 24 MB; needs the right to make one."""
    for limit, parent in _memory_groups():
        group = parent / f"edgepress-test-{os.getpid()}"
        try:
            group.mkdir()
        except OSError:
            continue
        try:
            (group / limit).write_text("24000000")
            yield group
        except OSError:
            continue
        else:
            return
        finally:
            group.rmdir()
    pytest.skip("no control group that limits memory can be made here")


def _memory_groups() -> Iterator[tuple[str, Path]]:
    """Yield the file of the limit and this process's group, for each version of groups."""
    top = Path("/sys/fs/cgroup")
    for line in Path("/proc/self/cgroup").read_text().splitlines():
        number, controllers, name = line.split(":", 2)
        if number == "0":
            yield "memory.max", top / name.lstrip("/")
        elif controllers == "memory":
            yield "memory.limit_in_bytes", top / "memory" / name.lstrip("/")


def test_says_for_certain_that_the_kernel_ended_it(tmp_path: Path, small_group: Path) -> None:
    script = f'echo $$ > {small_group}/cgroup.procs; exec "$@"'
    started = process(tiny_onnx(tmp_path).path, before=("sh", "-c", script, "sh"))
    worker = Worker(started, "model")
    with pytest.raises(BackendError, match="the kernel killed it because memory ran out"), worker:
        worker.ask("load", 60, row="my card")


@pytest.fixture
def another_was_killed(small_group: Path) -> Callable[[], None]:
    """Return what lets the kernel kill another process of this machine for lack of memory."""

    def starve() -> None:
        held = (
            f"echo $$ > {small_group}/cgroup.procs; exec {sys.executable} -c 'bytearray(99 << 20)'"
        )
        assert subprocess.run(["sh", "-c", held], check=False).returncode == -signal.SIGKILL

    return starve


@pytest.mark.parametrize("memory_mb", [None, 2000])
def test_a_kill_by_hand_is_none_for_lack_of_memory_though_another_was(
    tmp_path: Path, another_was_killed: Callable[[], None], memory_mb: int | None
) -> None:
    started = process(tiny_onnx(tmp_path).path, memory_mb=memory_mb)
    with Worker(started, "model") as worker:
        worker.ask("load", 60, row="my card")
        another_was_killed()
        started.kill()
        with pytest.raises(BackendError, match="SIGKILL: killed") as caught:
            worker.ask("run", 60, rows=[0])
    assert not isinstance(caught.value, OutOfMemoryError)


class Killed:
    """Stand for a process that SIGKILL ended, on a machine that counts."""

    def __init__(self, count: bool | None, said: str) -> None:
        self._count, self._said = count, said

    def said(self) -> str:
        return self._said

    def out_of_memory(self) -> bool | None:
        return self._count


HELD = "edgepress: memory 90.0 of 110.0 MB"
LITTLE = "edgepress: memory 80.0 of 900.0 MB"


@pytest.mark.parametrize(
    ("counted", "said", "out_of_memory", "why"),
    [
        (True, HELD, True, "the kernel killed it because memory ran out"),
        (True, f"{LITTLE}\n{HELD}", True, "the kernel killed it because memory ran out"),
        (True, LITTLE, False, "had not taken most of what was free"),
        (True, "", False, "had not taken most of what was free"),
        (True, f"edgepress: in a control group\n{HELD}", False, "killed from outside"),
        (False, "memory ran out: it may have 64 MB (cgroup)", True, r"64 MB \(cgroup\)"),
        (False, HELD, False, "killed from outside"),
        (None, HELD, False, "as the kernel does when memory runs out"),
    ],
)
def test_what_supports_that_memory_ran_out(
    counted: bool | None, said: str, out_of_memory: bool, why: str
) -> None:
    end = end_of(cast(Process, Killed(counted, said)), -signal.SIGKILL)
    assert end.out_of_memory == out_of_memory
    assert re.search(why, end.why)


def test_a_model_that_does_not_load_is_a_fault(tmp_path: Path) -> None:
    broken = tiny_onnx(tmp_path / "broken")
    broken.model_file.write_bytes(b"garbage")
    resealed(broken.path)
    variants = [
        Variant("broken", broken, "onnxruntime"),
        Variant("sound", tiny_onnx(tmp_path / "sound"), "onnxruntime"),
    ]
    samples = measure(variants, TEXTS, PLAN)
    assert "not an intact ONNX file" in samples["broken"].fault
    assert samples["broken"].cold_starts == ()
    assert _is_whole(samples["sound"])


def test_all_variants_may_fail(tmp_path: Path) -> None:
    broken = tiny_onnx(tmp_path)
    broken.model_file.write_bytes(b"garbage")
    units: list[int] = []
    samples = measure(
        [Variant("broken", broken, "onnxruntime")],
        TEXTS,
        PLAN,
        advance=lambda done, _note: units.append(done),
    )
    assert samples["broken"].fault
    assert sum(units) == expected_runs(1, PLAN)


@pytest.mark.parametrize(
    ("files", "kills"),
    [
        ({}, None),
        ({"proc/vmstat": "nr_free_pages 7\noom_kill 3\n"}, 3),
        (
            {
                "proc/vmstat": "oom_kill 3\n",
                "proc/self/cgroup": "0::/job/one\n",
                "sys/fs/cgroup/job/one/memory.events": "low 0\noom 2\noom_kill 1\n",
            },
            4,
        ),
        ({"proc/self/cgroup": "4:memory:/job\n0::/\n"}, None),
    ],
)
def test_counts_what_the_kernel_ended(
    tmp_path: Path, files: dict[str, str], kills: int | None
) -> None:
    for name, content in files.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(content)
    assert oom_kills(tmp_path) == kills
