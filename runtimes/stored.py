"""Samples read back from the lines that a measurement wrote."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping
from typing import Any, TypeVar

from runtimes.samples import Block, ColdStart, IdleRuns, Samples, ServerRuns, Throughput

_Row = TypeVar("_Row")


def stored_samples(
    lines: Iterable[Mapping[str, Any]], variant: str, *, runtime: str, threads: int, size_mb: float
) -> Samples:
    """Return one variant's samples from the JSON lines of `measure`; other lines are passed over.

    `runtime`, `threads` and `size_mb` are those of the variant, which no line repeats. The effort
    is not stored. Raises KeyError or TypeError for a line that lacks a key or has another type.
    """
    own: dict[str, list[Mapping[str, Any]]] = {}
    for line in lines:
        if line.get("variant") == variant:
            own.setdefault(line["kind"], []).append(line)
    starts = own.get("start", [])
    cold_starts = tuple(_row(ColdStart, line) for line in starts)
    peaks = [line["rss_peak_mb"] for line in own.get("peak", [])]
    return Samples(
        variant=variant,
        runtime=runtime,
        runtime_version=next((str(line["version"]) for line in starts), ""),
        threads=threads,
        blocks=tuple(_row(Block, line) for line in own.get("block", [])),
        cold_starts=cold_starts,
        session_ms=tuple(start.session_ms for start in cold_starts),
        first_inference_ms=tuple(line["first_inference_ms"] for line in starts),
        rss_peak_mb=tuple(peak for peak in peaks if peak is not None),
        size_mb=size_mb,
        stable=tuple(line["stable"] for line in own.get("warm_up", [])),
        uncached_starts=tuple(_row(ColdStart, line) for line in own.get("uncached_start", [])),
        uncached_why=next((str(line["why"]) for line in own.get("uncached_why", [])), ""),
        throughputs=tuple(_row(Throughput, line) for line in own.get("throughput", [])),
        idle_runs=tuple(_row(IdleRuns, line) for line in own.get("idle", [])),
        soak=tuple(_row(Block, line) for line in own.get("soak", [])),
        server_runs=tuple(_row(ServerRuns, line) for line in own.get("server", [])),
        fault=next((str(line["fault"]) for line in own.get("fault", [])), ""),
        unsound=any(line.get("unsound", False) for line in own.get("fault", [])),
        out_of_memory=any(line.get("out_of_memory", False) for line in own.get("fault", [])),
        memory_limit=next(
            (
                line["memory_limit"]
                for line in [*starts, *own.get("fault", [])]
                if line.get("memory_limit")
            ),
            "",
        ),
    )


def _row(kind: type[_Row], line: Mapping[str, Any]) -> _Row:
    """Return a dataclass from a line's keys of the same names; JSON lists become tuples."""
    names = (column.name for column in dataclasses.fields(kind))  # type: ignore[arg-type]
    known = {name: line[name] for name in names if name in line}
    return kind(**{n: tuple(v) if isinstance(v, list) else v for n, v in known.items()})


def shifted(samples: Samples, processes: int, order: int) -> Samples:
    """Return samples whose processes and places in the session begin so much later.

    Sessions of other processes can then be joined (`joined`), and both variants of a session keep
    the order in which their blocks ran.
    """
    later = {"process": processes, "order": order}
    columns = (column.name for column in dataclasses.fields(samples))
    held: dict[str, Any] = {name: getattr(samples, name) for name in columns}
    moved: dict[str, Any] = {
        name: tuple(_later(row, later) for row in value)
        for name, value in held.items()
        if isinstance(value, tuple)
    }
    return dataclasses.replace(samples, **moved)


def _later(row: Any, later: Mapping[str, int]) -> Any:
    """Add to those of a row's fields that `later` names; other values stay."""
    if not dataclasses.is_dataclass(row) or isinstance(row, type):
        return row
    names = [column.name for column in dataclasses.fields(row) if column.name in later]
    return dataclasses.replace(row, **{name: getattr(row, name) + later[name] for name in names})
