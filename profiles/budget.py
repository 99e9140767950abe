"""What a device must meet: one limit on one metric."""

from __future__ import annotations

import datetime
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from runtimes.errors import suggest
from runtimes.registry import Registry

Side = Literal["max", "min"]
Against = Literal["", "reference", "baseline"]


@dataclass(frozen=True, slots=True)
class Metric:
    """Describe a figure that budgets can limit.

    `side` is the kind of limit that makes sense. A `machine_bound` figure says nothing about
    another machine. `unit` `fraction` means 0..1, `ratio` any positive number, "" the label's own.
    `against` names what the figure is compared with, if anything. A figure that `needs_labels` is
    absent without them.
    The `highest` of all processes can only rise with more of them: a limit that is broken is broken
    for good, and one that a later look meets the earlier one met too, so looks share no risk.
    """

    unit: str
    side: Side
    machine_bound: bool
    against: Against = ""
    needs_labels: bool = False
    highest: bool = False


def _quality(unit: str, against: Against = "") -> Metric:
    return Metric(unit, "min", machine_bound=False, against=against, needs_labels=True)


def _timed(*names: str) -> dict[str, Metric]:
    return {f"{name}_ms": Metric("ms", "max", machine_bound=True) for name in names}


METRICS = {
    **_timed(*(f"latency_{percentile}" for percentile in ("p50", "p90", "p95", "p99"))),
    **_timed("model_latency_p50", "model_latency_p90"),
    **_timed("encode_latency_p50", "encode_latency_p90"),
    **_timed("idle_latency_p50", "idle_latency_p90"),
    "accuracy": _quality("fraction"),
    "f1_macro": _quality("fraction"),
    "accuracy_retention": _quality("fraction", "reference"),
    "worst_class_retention": _quality("fraction", "reference"),
    "f1": _quality("fraction"),
    "precision": _quality("fraction"),
    "recall": _quality("fraction"),
    "f1_retention": _quality("fraction", "reference"),
    "worst_type_recall_retention": _quality("fraction", "reference"),
    "mean_average_precision": _quality("fraction"),
    "worst_label_recall_retention": _quality("fraction", "reference"),
    "exact_match": _quality("fraction"),
    "worst_question_retention": _quality("fraction", "reference"),
    "bounded_r2": _quality("fraction"),
    "r2": _quality("fraction"),
    "spearman": _quality("fraction"),
    "mae": Metric("", "max", machine_bound=False, needs_labels=True),
    "rmse": Metric("", "max", machine_bound=False, needs_labels=True),
    "bounded_r2_retention": _quality("fraction", "reference"),
    "mae_retention": _quality("ratio", "reference"),
    "worst_range_retention": _quality("fraction", "reference"),
    "nearest_neighbour_accuracy": _quality("fraction"),
    "ndcg_at_10": _quality("fraction"),
    "recall_at_10": _quality("fraction"),
    "nearest_neighbour_accuracy_retention": _quality("fraction", "reference"),
    "ndcg_at_10_retention": _quality("fraction", "reference"),
    "recall_at_10_retention": _quality("fraction", "reference"),
    "similarity_spearman": _quality("fraction", "reference"),
    "retention_int8_vectors": _quality("fraction", "reference"),
    "retention_binary_vectors": _quality("fraction", "reference"),
    "mrr": _quality("fraction"),
    "mrr_retention": _quality("fraction", "reference"),
    "worst_size_retention": _quality("fraction", "reference"),
    "artifact_mb": Metric("MB", "max", machine_bound=False),
    "zip_mb": Metric("MB", "max", machine_bound=False),
    "layer_zip_mb": Metric("MB", "max", machine_bound=False),
    "unzipped_mb": Metric("MB", "max", machine_bound=False),
    "rss_peak_mb": Metric("MB", "max", machine_bound=True, highest=True),
    "cold_start_p50_ms": Metric("ms", "max", machine_bound=True),
    "cold_start_p90_ms": Metric("ms", "max", machine_bound=True),
    "cold_start_uncached_p50_ms": Metric("ms", "max", machine_bound=True),
    "cold_start_uncached_p90_ms": Metric("ms", "max", machine_bound=True),
    "speedup": Metric("ratio", "min", machine_bound=True, against="reference"),
    "model_speedup": Metric("ratio", "min", machine_bound=True, against="reference"),
    "encode_speedup": Metric("ratio", "min", machine_bound=True, against="reference"),
    "idle_speedup": Metric("ratio", "min", machine_bound=True, against="reference"),
    "compression": Metric("ratio", "min", machine_bound=False, against="reference"),
    "energy_per_answer_mj": Metric("mJ", "max", machine_bound=True),
    "instructions_ratio": Metric("ratio", "max", machine_bound=True, against="reference"),
    "sustained_p90_ratio": Metric("ratio", "max", machine_bound=True),
    "latency_p50_ratio": Metric("ratio", "max", machine_bound=True, against="reference"),
    "latency_p90_ratio": Metric("ratio", "max", machine_bound=True, against="reference"),
    "cold_start_p50_ratio": Metric("ratio", "max", machine_bound=True, against="reference"),
    "rss_peak_ratio": Metric("ratio", "max", machine_bound=True, against="reference"),
    "artifact_ratio": Metric("ratio", "max", machine_bound=False, against="reference"),
    "latency_p50_vs_baseline": Metric("ratio", "max", machine_bound=True, against="baseline"),
    "latency_p90_vs_baseline": Metric("ratio", "max", machine_bound=True, against="baseline"),
    "cold_start_p50_vs_baseline": Metric("ratio", "max", machine_bound=True, against="baseline"),
    "rss_peak_vs_baseline": Metric("ratio", "max", machine_bound=True, against="baseline"),
    "artifact_vs_baseline": Metric("ratio", "max", machine_bound=False, against="baseline"),
    "accuracy_vs_baseline": _quality("ratio", "baseline"),
    "f1_vs_baseline": _quality("ratio", "baseline"),
    "bounded_r2_vs_baseline": _quality("ratio", "baseline"),
    "nearest_neighbour_accuracy_vs_baseline": _quality("ratio", "baseline"),
    "ndcg_at_10_vs_baseline": _quality("ratio", "baseline"),
}
"""The metrics that a profile's `[budgets]` may name, beside those of the forms below.

`latency_…` is from input to answer: a text in, its label out. `encode_latency_…` and
`model_latency_…` are its parts, `idle_latency_…` is the whole after an idle gap.

`…_ratio` is the candidate's figure over the reference's in the same run, `…_vs_baseline` over
one that was stored.
"""

THROUGHPUT = re.compile(r"throughput_b([1-9]\d{0,3})_c([1-9]\d{0,2})_rows_per_s")
"""Rows a second in batches of b, with c of them in flight: any b and c may be asked for."""

SERVER = re.compile(r"server_latency_(p50|p90|p99)_at_([1-9]\d{0,4})_per_s_ms")
"""Latency of requests that arrive at any rate a second: from the arrival to the answer."""


PLUGGED = Registry("metric", {}, group="edgepress.metrics")
"""The metrics of other distributions' tasks: each a `Metric`."""


def metric_named(name: str) -> Metric | None:
    """Return the metric of this name, None for an unknown name."""
    if THROUGHPUT.fullmatch(name):
        return Metric("rows/s", "min", machine_bound=True)
    if SERVER.fullmatch(name):
        return Metric("ms", "max", machine_bound=True)
    if name in METRICS:
        return METRICS[name]
    plugged: Metric | None = PLUGGED.resolve(name) if name in PLUGGED else None
    return plugged


def is_timed(name: str) -> bool:
    """Tell whether a figure is of time or energy, which an emulated processor cannot tell.

    Memory and counts of instructions depend on the machine too, and are neither.
    """
    metric = metric_named(name)
    if metric is None:
        return name.endswith("_ms")
    return metric.machine_bound and not name.startswith(("rss_peak", "instructions"))


class Waiver(BaseModel):
    """Allow a budget to be broken until a day, for a reason; the day after, it counts again."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    reason: str = Field(min_length=1)
    expires: datetime.date

    @field_validator("expires", mode="before")
    @classmethod
    def _quoted(cls, said: object) -> object:
        """Take a day in quotation marks, which TOML reads as text."""
        return datetime.date.fromisoformat(said) if isinstance(said, str) else said


MOST_CONFIDENCE = 0.9999
"""More would take more samples than a gate measures, and more memory than a machine has."""


class Budget(BaseModel):
    """Limit one metric, from above (`max`) or from below (`min`).

    `confidence` holds for each bound by itself: a PASS is wrong at most 1 - confidence of the time,
    and so is a FAIL. A budget of level `warn` is judged and shown, and never fails. A budget with a
    waiver does not fail until the waiver expires.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    metric: str
    max: float | None = Field(default=None, gt=0, allow_inf_nan=False)
    min: float | None = Field(default=None, gt=0, allow_inf_nan=False)
    level: Literal["error", "warn"] = "error"
    confidence: float = Field(default=0.95, ge=0.5, le=MOST_CONFIDENCE)
    waiver: Waiver | None = None

    @property
    def kind(self) -> Metric:
        """Return the metric that the budget limits."""
        metric = metric_named(self.metric)
        assert metric is not None  # name_budgets refuses unknown names
        return metric

    @property
    def side(self) -> Side:
        """Tell whether the limit is an upper or a lower one."""
        return self.kind.side

    @property
    def limit(self) -> float:
        """Return the limit, in the metric's unit."""
        limit = self.max if self.max is not None else self.min
        assert limit is not None  # the validator below requires one
        return limit

    @property
    def timed_alone(self) -> bool:
        """Tell whether the machine's noise alone could break it.

        A reference in the same run is as noisy, and no neighbor makes a process larger.
        """
        alone = self.kind.machine_bound and self.kind.against != "reference"
        return alone and not self.metric.startswith("rss_peak")

    def meets(self, value: float) -> bool:
        """Tell whether a value lies on the good side of the limit."""
        return value <= self.limit if self.side == "max" else value >= self.limit

    @model_validator(mode="after")
    def _one_limit_on_the_right_side(self) -> Budget:
        metric = self.kind
        if (self.max is None) == (self.min is None):
            raise ValueError(f"give exactly one of max and min; {self.metric} takes {metric.side}")
        if getattr(self, metric.side) is None:
            raise ValueError(f"{self.metric} takes {metric.side}, as in {{{metric.side} = …}}")
        if metric.unit == "fraction" and self.limit > 1:
            raise ValueError(f"{self.limit:g} is over 1; {self.metric} is a fraction, as in 0.97")
        return self


def renamed(budgets: Mapping[str, Budget], names: Mapping[str, str]) -> dict[str, Budget]:
    """Return budgets with some metrics renamed; one that has the new name already holds alone."""
    moved = {
        names[metric]: budget.model_copy(update={"metric": names[metric]})
        for metric, budget in budgets.items()
        if metric in names
    }
    kept = {metric: budget for metric, budget in budgets.items() if metric not in names}
    return moved | kept


def name_budgets(table: Any) -> Any:
    """Put each table key's metric into its budget; raise ValueError for a key that is no metric."""
    if not isinstance(table, dict):
        return table  # pydantic reports the expected type
    return {metric: _named(metric, row) for metric, row in table.items()}


def _named(metric: str, row: Any) -> Any:
    if metric_named(metric) is None:
        near = suggest(metric, METRICS)
        hint = f"; did you mean {near!r}?" if near else ""
        raise ValueError(f"no such metric: {metric!r}{hint} (known: {', '.join(METRICS)})")
    if not isinstance(row, dict):
        return row
    if "metric" in row:
        raise ValueError(f"{metric}: the key names the metric; leave `metric` out")
    return {**row, "metric": metric}
