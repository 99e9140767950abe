"""The input and the result of a measurement: what to run, and raw samples."""

from __future__ import annotations

from dataclasses import dataclass, replace

from runtimes.artifact import Artifact
from runtimes.errors import AnswerError, BackendError, OutOfMemoryError
from runtimes.limits import Cores


@dataclass(frozen=True)
class Variant:
    """Name one model to measure, its runtime and its threads.

    With `cores` it stays on these (numbers, or a name that the device resolves); with `memory_mb`
    its processes fail beyond so many MiB.
    """

    name: str
    artifact: Artifact
    runtime: str
    threads: int = 1
    cores: Cores = ()
    memory_mb: int | None = None


@dataclass(frozen=True)
class Load:
    """Describe a load for throughput: `concurrency` callers, each with `batch` rows at a time."""

    batch: int
    concurrency: int


@dataclass(frozen=True)
class MeasurePlan:
    """Say how much to measure; every process of every variant is fresh.

    `cold_starts` counts fresh processes a variant, those that measure latency among them. A process
    warms up for `warmup_runs` and `warmup_s` at least, then until its block medians agree,
    `warmup_limit_s` at most. `timeout_s` is how long a process may take to reply. `first_process`
    is the number of the first process and changes the random order, so that a later session extends
    this one: see `joined`. After its blocks, each process runs each of `loads` for `load_s`, then
    answers requests that arrive at each of `requests_per_s`, for `server_s`.
    `uncached_starts` counts further fresh processes, their files read from storage. More processes
    follow until `least_s` have passed.

    Variants alternate block by block. A block has as many rows as the slowest variant answers in
    `block_ms`, at least FEWEST_BLOCK_RUNS and at most `block_runs`. Before it, a process answers
    other rows for `settle_ms`, untimed. After its blocks a process answers `idle_runs` rows, each
    after an idle gap of `idle_gap_ms`. For `soak_s`, one process of each variant answers rows
    without a break, before all others.
    """

    processes: int = 3
    blocks: int = 10
    block_ms: float = 12.0
    block_runs: int = 80
    settle_ms: float = 4.0
    idle_runs: int = 5
    idle_gap_ms: float = 10.0
    warmup_runs: int = 10
    warmup_s: float = 1.0
    warmup_limit_s: float = 4.0
    cold_starts: int = 5
    seed: int = 7
    timeout_s: float = 120.0
    first_process: int = 0
    loads: tuple[Load, ...] = ()
    load_s: float = 0.4
    requests_per_s: tuple[int, ...] = ()
    server_s: float = 2.0
    uncached_starts: int = 0
    least_s: float = 0.0
    soak_s: float = 0.0


FEWEST_BLOCK_RUNS = 4
"""The fewest rows of a block, however slow the model."""


@dataclass(frozen=True)
class Block:
    """Hold one uninterrupted series of rows, each timed from input to answer, in milliseconds.

    `encode_ms` and `model_ms` are parts of `latency_ms`: the row becomes arrays, the model runs.

    `order` is the block's place in the whole session, so that blocks of two variants that ran side
    by side can be paired. `contaminated[i]` says that sample `i` was preempted or waited. `rows`
    are the texts' indices: blocks of one `process` and `place` have the same rows, so that samples
    of two variants pair one to one.

    `throttled` says that the machine slowed a core down for heat or lack of power, `mhz` is the
    clock of the core that ran the block, and `steal` is the share of the machine's time that its
    host withheld. `energy_mj` is what the whole machine used meanwhile, `instructions` what the
    answering thread retired. At its end, `at_s` on the machine's monotonic clock, the hottest CPU
    zone had `temperature_c`, each core ran at `core_mhz`, the machine took `power_mw`, and `slowed`
    says what slowed it down. None, or nothing, where the machine does not show it.
    """

    process: int
    order: int
    latency_ms: tuple[float, ...]
    contaminated: tuple[bool, ...]
    probe_ms: tuple[float, float]
    place: int = 0
    rows: tuple[int, ...] = ()
    throttled: bool = False
    mhz: float | None = None
    steal: float | None = None
    encode_ms: tuple[float, ...] = ()
    model_ms: tuple[float, ...] = ()
    energy_mj: float | None = None
    instructions: int | None = None
    at_s: float | None = None
    temperature_c: float | None = None
    core_mhz: tuple[float, ...] = ()
    power_mw: float | None = None
    slowed: tuple[str, ...] = ()


@dataclass(frozen=True)
class IdleRuns:
    """Hold the latencies of one process after idle gaps, in milliseconds, from input to answer."""

    process: int
    latency_ms: tuple[float, ...]


@dataclass(frozen=True)
class ColdStart:
    """Hold the time of one fresh process to its first result, in milliseconds.

    `read_mb` is what it read from storage, in MB (10^6 bytes); None where that is not shown.
    """

    interpreter_ms: float
    imports_ms: float
    load_ms: float
    session_ms: float
    first_result_ms: float
    total_ms: float
    read_mb: float | None = None


@dataclass(frozen=True)
class Throughput:
    """Hold how many rows a second one process answered under one load."""

    process: int
    batch: int
    concurrency: int
    rows_per_s: float

    @property
    def metric(self) -> str:
        """Return the name of the metric that it is a sample of."""
        return f"throughput_b{self.batch}_c{self.concurrency}_rows_per_s"


@dataclass(frozen=True)
class ServerRuns:
    """Hold the requests that arrived at one process at `per_s` a second, in milliseconds.

    `latency_ms` is from the scheduled arrival to the answer, `wait_ms` the part of it before the
    request's own work begins. The last `unanswered` ones were given up: the time so far stands for
    both. Requests that arrived while the queue settled are left out; the others arrived within
    `seconds`.
    """

    process: int
    per_s: int
    seconds: float
    latency_ms: tuple[float, ...]
    wait_ms: tuple[float, ...]
    unanswered: int = 0


@dataclass(frozen=True)
class Effort:
    """Hold the time of a variant's processes in the session, in seconds.

    Inference is the warm-up, the timed runs and the loads, with the gaps between arrivals. Starting
    lasts from the interpreter to the first result, from storage or from the page cache. The rest of
    the session's wall time is overhead.
    """

    inference_s: float = 0.0
    starting_s: float = 0.0


@dataclass(frozen=True)
class Samples:
    """Hold all samples of one variant.

    `stable[i]` says whether process `i` reached steady latency before it was measured.
    `soak` are blocks of one long process, which is never idle between them.
    `uncached_starts` read their files from storage; `uncached_why` says why there are none although
    they were requested. `fault` is empty, or says how a process of the variant failed: then earlier
    samples stay valid, and nothing was measured afterwards. It is `unsound` where the model ran
    and its answers are none; `out_of_memory` where it needs more than there is. `memory_limit` says
    what holds its processes to their profile's memory; empty where nothing but the device does.
    """

    variant: str
    runtime: str
    runtime_version: str
    threads: int
    blocks: tuple[Block, ...]
    cold_starts: tuple[ColdStart, ...]
    session_ms: tuple[float, ...]
    first_inference_ms: tuple[float, ...]
    rss_peak_mb: tuple[float, ...]
    size_mb: float
    stable: tuple[bool, ...] = ()
    uncached_starts: tuple[ColdStart, ...] = ()
    uncached_why: str = ""
    throughputs: tuple[Throughput, ...] = ()
    idle_runs: tuple[IdleRuns, ...] = ()
    soak: tuple[Block, ...] = ()
    server_runs: tuple[ServerRuns, ...] = ()
    effort: Effort = Effort()
    fault: str = ""
    unsound: bool = False
    out_of_memory: bool = False
    memory_limit: str = ""

    def raise_fault(self) -> None:
        """Raise BackendError, or the kind of it that fits, when a process of the variant failed."""
        if self.fault:
            short = OutOfMemoryError if self.out_of_memory else BackendError
            raise (AnswerError if self.unsound else short).relayed(self.fault)


def joined(first: Samples, more: Samples) -> Samples:
    """Return two sessions of one variant as one; `more` was measured after `first`.

    Blocks of `more` come after those of `first` in `order`. Raises ValueError when the variants
    differ, or both have a process of the same number: give the later session another
    `MeasurePlan.first_process`.
    """
    if _identity(first) != _identity(more):
        raise ValueError(f"sessions of {_identity(first)} and {_identity(more)} do not join")
    taken = {block.process for block in first.blocks}
    if again := sorted(taken & {block.process for block in more.blocks}):
        raise ValueError(f"both sessions of {first.variant!r} have process {again[0]}")
    return replace(
        first,
        runtime_version=first.runtime_version or more.runtime_version,
        memory_limit=first.memory_limit or more.memory_limit,
        blocks=first.blocks + _after(first.blocks, more.blocks),
        cold_starts=first.cold_starts + more.cold_starts,
        session_ms=first.session_ms + more.session_ms,
        first_inference_ms=first.first_inference_ms + more.first_inference_ms,
        rss_peak_mb=first.rss_peak_mb + more.rss_peak_mb,
        stable=first.stable + more.stable,
        uncached_starts=first.uncached_starts + more.uncached_starts,
        uncached_why=first.uncached_why or more.uncached_why,
        throughputs=first.throughputs + more.throughputs,
        idle_runs=first.idle_runs + more.idle_runs,
        soak=first.soak + more.soak,
        server_runs=first.server_runs + more.server_runs,
        effort=Effort(
            first.effort.inference_s + more.effort.inference_s,
            first.effort.starting_s + more.effort.starting_s,
        ),
        fault=first.fault or more.fault,
        unsound=first.unsound or more.unsound,
        out_of_memory=first.out_of_memory or more.out_of_memory,
    )


def _identity(samples: Samples) -> tuple[str, str, int]:
    return samples.variant, samples.runtime, samples.threads


def _after(first: tuple[Block, ...], more: tuple[Block, ...]) -> tuple[Block, ...]:
    """Return `more` with places in the session after those of `first`."""
    last = max((block.order for block in first), default=-1)
    start = min((block.order for block in more), default=0)
    shift = max(0, last + 1 - start)
    return tuple(replace(block, order=block.order + shift) for block in more)
