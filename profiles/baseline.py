"""A stored measurement that later ones are compared with.

Between two sessions the machine's load and neighbors change, and no interval made within one
session covers that. So a baseline stores the figures of each process, and the machine's own speed
beside them. A comparison says why it cannot support a FAIL, wherever that is known.
"""

from __future__ import annotations

import functools
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from profiles.measurement import Figures, process_quantiles
from profiles.paired import paired_retention
from profiles.scores import RowScores, unpacked
from profiles.statistics import Interval, Sum, unpaired_ratio_interval
from runtimes.digest import stable_hash
from runtimes.errors import DataError, InputError
from runtimes.facts import Facts
from runtimes.files import write_text
from runtimes.measure import Samples
from runtimes.parsing import parse_json

SCHEMA = 3
_OLDER = {
    1: " (1 timed the model alone, not from input to answer)",
    2: " (2 timed the first rows after another model ran, in caches without this model's data)",
}
"""2: latencies are from input to answer, and the size counts the tokenizer."""
DISTURBED = "no run of the model was undisturbed at the machine's full pace"
"""Why a session has no latency to compare."""

PACE_MOST = 0.05
"""A machine whose fixed micro-probe takes this much longer, or shorter, has changed its speed."""

_DIGEST = "baseline_digest"
_Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]


class Model(BaseModel):
    """Name the model that was measured, and how it was run."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    digest: str
    format: str
    runtime: str
    runtime_version: str
    threads: int = Field(ge=0)


class Machine(BaseModel):
    """Name the machine and its speed: the median of the micro-probes beside the blocks.

    `fingerprint` is of its kind, `host` tells machines of one kind apart; None where unknown.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    fingerprint: str
    host: str | None = None
    cpu_model: str
    probe_ms: _Positive


class Baseline(BaseModel):
    """Hold the figures of each process of a model, and what each row earned.

    `metric` names what the rows earned. `right` is a bit a row, in base64, where rows are right or
    wrong; `value` and `weight` are float64, little-endian, where rows may earn more or less
    (profiles/scores.py).
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    edgepress_baseline: Literal[3]
    created: str
    model: Model
    machine: Machine
    rows: int = Field(gt=0)
    rows_digest: str
    latency_p50_ms: tuple[_Positive, ...]
    latency_p90_ms: tuple[_Positive, ...]
    cold_start_ms: tuple[_Positive, ...] = ()
    rss_peak_mb: tuple[_Positive, ...] = ()
    artifact_mb: _Positive
    metric: str = "accuracy"
    right: str | None = None
    value: str | None = None
    weight: str | None = None

    def scores(self) -> RowScores | None:
        """Return what each row earned, where labels were known.

        Raises ValueError when their number is not that of the rows.
        """
        packed = {"right": self.right, "value": self.value, "weight": self.weight}
        return unpacked(packed, self.rows)

    def to_json(self) -> dict[str, Any]:
        """Return the baseline as JSON values; of `value` and `weight` only what is set."""
        unused = {name for name in ("value", "weight") if getattr(self, name) is None}
        return self.model_dump(exclude=unused)


def baseline_of(
    samples: Samples,
    *,
    name: str,
    model_format: str,
    digest: str,
    facts: Facts,
    texts: Sequence[str],
    scores: RowScores | None,
    metric: str,
    created: str,
) -> Baseline:
    """Return the baseline of a measured session; `metric` names what `scores` count."""
    probe_ms = usual_probe_ms(samples)
    if probe_ms is None:
        raise ValueError("a session without blocks is no baseline")
    return Baseline(
        edgepress_baseline=SCHEMA,
        created=created,
        model=Model(
            name=name,
            digest=digest,
            format=model_format,
            runtime=samples.runtime,
            runtime_version=samples.runtime_version,
            threads=samples.threads,
        ),
        machine=Machine(
            fingerprint=facts.fingerprint(),
            host=facts.host,
            cpu_model=facts.cpu_model,
            probe_ms=probe_ms,
        ),
        rows=len(texts),
        rows_digest=stable_hash(list(texts)),
        latency_p50_ms=tuple(process_quantiles(samples, 0.5)),
        latency_p90_ms=tuple(process_quantiles(samples, 0.9)),
        cold_start_ms=tuple(start.total_ms for start in samples.cold_starts),
        rss_peak_mb=samples.rss_peak_mb,
        artifact_mb=samples.size_mb,
        metric=metric,
        **({} if scores is None else scores.packed()),
    )


def usual_probe_ms(samples: Samples) -> float | None:
    """Return the median of the micro-probes beside a session's blocks; None without blocks."""
    probes = [probe for block in samples.blocks for probe in block.probe_ms]
    return float(np.median(probes)) if probes else None


def compare(now: Baseline, then: Baseline, seed: int = 7) -> Figures:
    """Return the figures of `now` over those of `then`, each with its bounds.

    Figures that two sessions do not share (other rows, another task, other threads, a machine that
    changed its speed) are absent, with the reason.
    """
    sums: dict[str, Sum | Interval] = {"artifact_vs_baseline": _exact(now, then)}
    absent: dict[str, str] = {}
    for name, mine, theirs in (
        ("latency_p50_vs_baseline", now.latency_p50_ms, then.latency_p50_ms),
        ("latency_p90_vs_baseline", now.latency_p90_ms, then.latency_p90_ms),
        ("cold_start_p50_vs_baseline", now.cold_start_ms, then.cold_start_ms),
        ("rss_peak_vs_baseline", now.rss_peak_mb, then.rss_peak_mb),
    ):
        if why := _incomparable(name, now, then):
            absent[name] = why
        elif mine and theirs:
            sums[name] = _ratio(mine, theirs)
        elif name.startswith("latency"):
            absent[name] = DISTURBED
        else:
            absent[name] = _side_without(mine, theirs)
    scores, known = now.scores(), then.scores()
    quality = f"{now.metric}_vs_baseline"
    if now.rows_digest != then.rows_digest:
        absent[quality] = "the baseline was measured on other rows"
    elif now.metric != then.metric:
        absent[quality] = f"the baseline stores {then.metric}, this measurement {now.metric}"
    elif scores is not None and known is not None and known.metric > 0:
        sums[quality] = functools.cache(lambda c: paired_retention(scores, known, c, seed))
    else:
        absent[quality] = _side_without(scores, known)
    return Figures(sums, absent=absent)


def _side_without(mine: object, theirs: object) -> str:
    """Say in which of the two sessions a figure was not measured."""
    sides = [] if theirs else ["the baseline"]
    sides += [] if mine else ["this measurement"]
    return f"not measured in {' and '.join(sides)}" if sides else "the baseline's score is 0"


def _exact(now: Baseline, then: Baseline) -> Interval:
    value = now.artifact_mb / then.artifact_mb
    return Interval(value, value, value, 1)


def _ratio(mine: Sequence[float], theirs: Sequence[float]) -> Sum:
    return functools.cache(lambda confidence: unpaired_ratio_interval(mine, theirs, confidence))


def _incomparable(metric: str, now: Baseline, then: Baseline) -> str:
    timed = metric.startswith(("latency", "cold_start"))
    if metric.startswith("latency") and now.rows_digest != then.rows_digest:
        return "the baseline was measured on other rows, whose lengths differ"
    if now.model.threads != then.model.threads:
        return f"the baseline ran with {then.model.threads} threads, this with {now.model.threads}"
    pace = now.machine.probe_ms / then.machine.probe_ms - 1
    same = now.machine.fingerprint == then.machine.fingerprint
    if timed and same and abs(pace) > PACE_MOST:
        slower = "slower" if pace > 0 else "faster"
        return (
            f"the machine is {abs(pace):.0%} {slower} than at the baseline: measure both in one run"
        )
    return ""


def strangeness(now: Baseline, then: Baseline) -> str:
    """Say why machine-bound figures cannot support a FAIL; empty where they can."""
    if now.machine.fingerprint != then.machine.fingerprint:
        return f"the baseline is of another machine ({then.machine.cpu_model}): it only warns"
    if now.machine.host is None or then.machine.host is None:
        return "the baseline may be of another host of the same kind: it only warns"
    if now.machine.host != then.machine.host:
        return "the baseline is of another host of the same kind: it only warns"
    return ""


def remarks(now: Baseline, then: Baseline) -> list[str]:
    """List what else changed since the baseline was stored."""
    lines = []
    if now.model.runtime_version != then.model.runtime_version:
        lines.append(
            f"the baseline ran in {then.model.runtime} {then.model.runtime_version},"
            f" this in {now.model.runtime} {now.model.runtime_version}"
        )
    if foreign := strangeness(now, then):
        lines.append(foreign)
    return lines


def write_baseline(path: Path, baseline: Baseline) -> None:
    """Write a baseline atomically, with the digest of its content."""
    content = json.loads(json.dumps(baseline.to_json()))
    write_text(path, json.dumps({**content, _DIGEST: stable_hash(content)}, indent=1) + "\n")


def read_baseline(path: Path) -> Baseline:
    """Read a baseline.

    Raises InputError for a file that is missing, damaged, edited, of another kind or too old.
    """
    try:
        content = parse_json(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise _refused(path, getattr(error, "strerror", None) or "not UTF-8 text") from error
    except ValueError as error:
        raise _refused(path, f"not JSON ({error})") from error
    version = content.get("edgepress_baseline") if isinstance(content, dict) else None
    if version is None:
        raise _refused(path, f"not a baseline ({_looks_like(content)})")
    if version != SCHEMA:
        older = _OLDER.get(version, "") if isinstance(version, int) else ""
        why = f"a baseline of schema {version!r}{older}; this edgepress reads {SCHEMA}"
        raise _refused(path, why)
    written = content.pop(_DIGEST, None)
    try:
        baseline = Baseline.model_validate(content)
        baseline.scores()
    except ValidationError as error:
        fault = error.errors(include_url=False)[0]
        place = ".".join(map(str, fault["loc"]))
        raise _refused(path, f"{place}: {fault['msg'].lower()}") from error
    except (ValueError, DataError) as error:
        raise _refused(path, f"{'value' if content.get('value') else 'right'}: {error}") from error
    for name in ("latency_p50_ms", "latency_p90_ms"):
        if not content[name]:
            raise _refused(path, f"{name}: no process's latency")
    if written != stable_hash(content):
        raise _refused(path, f"it is not as it was written (its {_DIGEST} is of other content)")
    return baseline


def _looks_like(content: Any) -> str:
    if isinstance(content, dict):
        return f"its keys are {', '.join(list(content)[:5]) or 'none'}"
    return f"a JSON {type(content).__name__}"


def _refused(path: Path, why: str) -> InputError:
    return InputError(
        f"{path}: {why}",
        expected="a file that `edgepress baseline save` wrote",
        action=f"make it again: edgepress baseline save MODEL --data ROWS --out {path}",
    )
