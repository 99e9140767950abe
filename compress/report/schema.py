"""What report.json holds: the evidence of one run, documented key by key in docs/report.md."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

SCHEMA_VERSION = 1

ACCURACY = "accuracy"
"""What people call the score of a task that names no other."""

Status = Literal["PASS", "FAIL", "INCONCLUSIVE", "NOT_MEASURED", "WRONG_DEVICE"]
Bound = Literal["max", "min"]
Level = Literal["error", "warn"]
Side = Literal["each", "together"]


@dataclass(frozen=True, slots=True)
class Estimate:
    """Hold an estimate and its confidence bounds; None where there is none.

    With `side` `each`, each bound holds with `confidence` by itself; with `together`, the bounds of
    all rows of a table do. Both are None where there is no bound.
    """

    value: float | None = None
    lower: float | None = None
    upper: float | None = None
    confidence: float | None = None
    side: Side | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelFigures:
    """Hold what was measured of one model and how it was run.

    `score` is the task's, named by `score_name`, such as "entity F1"; it, accuracy and F1 are
    fractions, each of the tasks that have it. MB are 10^6 bytes. Latencies are from input to
    answer, those with a prefix a part of it or after an idle gap. `size_mb` is all that must be
    shipped to answer. None says "not measured", as for a percentile of too few samples.
    """

    format: str
    precision: str
    runtime: str | None = None
    parameters: int | None = None
    size_mb: float | None = None
    accuracy: float | None = None
    accuracy_lower: float | None = None
    accuracy_upper: float | None = None
    accuracy_confidence: float | None = None
    accuracy_side: Side | None = None
    f1_macro: float | None = None
    f1: float | None = None
    score: Estimate = field(default_factory=Estimate)
    score_name: str = ACCURACY
    latency_p50_ms: float | None = None
    latency_p90_ms: float | None = None
    model_latency_p50_ms: float | None = None
    encode_latency_p50_ms: float | None = None
    idle_latency_p50_ms: float | None = None
    rss_peak_mb: float | None = None
    cold_start_ms: float | None = None

    @property
    def judged(self) -> Estimate:
        """Return the task's score; accuracy in a report that was written before tasks named it."""
        if self.score.value is not None:
            return self.score
        bounds = self.accuracy_lower, self.accuracy_upper
        return Estimate(self.accuracy, *bounds, self.accuracy_confidence, self.accuracy_side)


@dataclass(frozen=True, slots=True, kw_only=True)
class StageRow(ModelFigures):
    """Hold one stage and the figures of the model after it.

    `teacher` marks the row whose model is the teacher, `selected` the one that is the final
    model. `retention` and the speed-ups are against the teacher.
    """

    kind: str
    name: str
    settings: Mapping[str, Any] = field(default_factory=dict)
    seconds: float | None = None
    cached: bool = False
    digest: str = ""
    teacher: bool = False
    selected: bool = False
    retention: Estimate = field(default_factory=Estimate)
    speedup: Estimate = field(default_factory=Estimate)
    model_speedup: Estimate = field(default_factory=Estimate)
    idle_speedup: Estimate = field(default_factory=Estimate)
    metrics: Mapping[str, float | None] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Summary:
    """Hold the teacher, the final model and how they compare.

    `retention` is a fraction of the teacher's score; the speed-ups (from input to answer, of
    the model's part, after an idle gap) and `compression` are ratios, teacher over model.
    """

    teacher: ModelFigures
    model: ModelFigures
    retention: Estimate = field(default_factory=Estimate)
    speedup: Estimate = field(default_factory=Estimate)
    model_speedup: Estimate = field(default_factory=Estimate)
    idle_speedup: Estimate = field(default_factory=Estimate)
    compression: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Trace:
    """Hold what a device showed while it was measured: one entry of each list a moment.

    `at_s` is seconds after the first block. `temperature_c` is that of the hottest CPU zone,
    `clock_mhz` the clock of the core that ran the block, `slowed` says that the machine slowed
    itself down, and `slowed_by` all that did so. A moment may stand for several blocks: it has
    their highest temperature and their lowest clock. None is what the device does not show.
    """

    at_s: tuple[float, ...] = ()
    temperature_c: tuple[float | None, ...] = ()
    clock_mhz: tuple[float | None, ...] = ()
    slowed: tuple[bool, ...] = ()
    slowed_by: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class DeviceRow:
    """Hold what one of several devices measured of the final model, or why it was `lost`.

    `emulated` says why its times are no figures. `retention` and `speedup` are against the teacher
    on that device.
    """

    name: str
    transport: str
    profiles: tuple[str, ...]
    cpu: str | None = None
    arch: str | None = None
    emulated: str = ""
    model: ModelFigures | None = None
    retention: Estimate = field(default_factory=Estimate)
    speedup: Estimate = field(default_factory=Estimate)
    trace: Trace | None = None
    lost: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ClassRow:
    """Hold what one class keeps of the teacher's accuracy, with bounds for this class alone.

    `lost` and `gained` are the rows that only one of the two has right; `confused` counts the
    lost ones by the class that they are taken for. `retention` is empty where the teacher has no
    row right.
    """

    label: str
    rows: int
    teacher_right: int
    right: int
    lost: int
    gained: int
    retention: Estimate
    confused: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckRow:
    """Hold one budget and what was measured against it.

    `unit` is "ms", "MB", "s", "fraction" (shown as percent), "ratio" (shown as ×) or a word of
    the metric's own. `level` says whether a broken budget fails the verdict or only warns.
    `confidence` is what each bound holds with by itself: the budget's, or more where several looks
    share the risk. `advice` says what to do next, where the check keeps the verdict from PASS.
    """

    metric: str
    unit: str
    limit: float
    bound: Bound
    status: Status
    level: Level = "error"
    confidence: float | None = None
    side: Side | None = None
    value: float | None = None
    lower: float | None = None
    upper: float | None = None
    why: str = ""
    advice: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class VerdictRow:
    """Hold the judgment of one profile.

    `why` says what no check says, as which machine was found; `conditions` how was measured.
    """

    profile: str
    status: Status
    why: str = ""
    conditions: str = ""
    checks: tuple[CheckRow, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class RowCounts:
    """Count the rows that the run trained and judged on."""

    train: int
    validation: int
    test: int
    classes: int
    unlabeled: int = 0
    duplicates: int = 0
    dropped: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Environment:
    """Describe the machine that the run trained and measured on.

    `facts` holds what else was found: governor, hypervisor, load.
    """

    cpu: str
    arch: str
    cores: int
    os: str
    memory_mb: float | None = None
    isa: tuple[str, ...] = ()
    python: str = ""
    fingerprint: str = ""
    facts: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class SampleCounts:
    """Count what was measured; `clean_share` is the share of samples without interference."""

    processes: int
    blocks: int
    samples: int
    threads: int
    clean_share: float | None = None
    texts: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class SearchTrial:
    """Hold a shape's longest training in a search, judged on the validation rows.

    `deployed` says that the quantized model was judged, not the fp32 student; `front` that no
    other deployed one beats it in retention, speed-up and size. `retention` is the mean of `seeds`
    trainings, and its lower bound allows for the number of shapes that were judged.
    """

    name: str
    epochs: int
    deployed: bool
    front: bool
    accuracy: float
    retention: Estimate
    speedup: float
    latency_p50_ms: float
    latency_p90_ms: float
    size_mb: float
    seconds: float
    seeds: int = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class SeedRow:
    """Hold the answer made again with another seed, judged on the test rows."""

    seed: int
    accuracy: float
    retention: Estimate
    size_mb: float


@dataclass(frozen=True, slots=True, kw_only=True)
class SeedSpread:
    """Hold the retention of several seeds on the test rows; `deviation` is their standard one."""

    mean: float
    deviation: float
    least: float
    most: float


@dataclass(frozen=True, slots=True, kw_only=True)
class RivalRow:
    """Hold a linear model of the same rows, beside a search's answer on the test rows.

    Its speed was measured in the answer's own session. `difference` is the answer's accuracy less
    the rival's, paired by row. `wins` says that the rival is not larger and the answer is not
    surely more accurate.
    """

    name: str
    accuracy: float
    difference: Estimate
    size_mb: float
    compression: float | None = None
    latency_p50_ms: float | None = None
    speedup: Estimate = Estimate()
    wins: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Search:
    """Hold what a search looked at and what it chose, by the trials' names.

    `control` is the model that retention is measured against, and `why` it. `advice` says what
    would help where there is no answer. `accuracy` in trials and seeds is the task's score, which
    `score_name` names.
    """

    goal: str
    control: str
    why: str
    answer: str | None
    smallest: str | None
    trials: tuple[SearchTrial, ...] = ()
    seconds: float
    rss_peak_mb: float | None
    seeds: tuple[SeedRow, ...] = ()
    spread: SeedSpread | None = None
    rivals: tuple[RivalRow, ...] = ()
    advice: tuple[str, ...] = ()
    score_name: str = ACCURACY


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """Hold a run's evidence. `complete` is False while stages are still to come.

    `created` is ISO 8601 in UTC. `artifacts` names what lies beside the report, by paths
    relative to it. `classes` are those of the final model that keep least of the teacher's
    accuracy, the worst first. `devices` are those that were measured, where there are several: the
    other figures are the first one's.
    """

    name: str
    created: str
    seed: int
    command: str
    complete: bool = True
    schema_version: int = SCHEMA_VERSION
    summary: Summary | None = None
    stages: tuple[StageRow, ...] = ()
    verdicts: tuple[VerdictRow, ...] = ()
    rows: RowCounts | None = None
    warnings: tuple[str, ...] = ()
    environment: Environment | None = None
    tools: Mapping[str, str] = field(default_factory=dict)
    measurement: SampleCounts | None = None
    artifacts: Mapping[str, str] = field(default_factory=dict)
    search: Search | None = None
    classes: tuple[ClassRow, ...] = ()
    devices: tuple[DeviceRow, ...] = ()
    trace: Trace | None = None
