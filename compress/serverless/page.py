"""A package's verdict as the report that every page of a gate is made of."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Sequence

from compress.judge.evaluation import Measured
from compress.judge.evidence import now
from compress.judge.gating import CANDIDATE, gated_model
from compress.judge.validate import MODEL
from compress.report.gate_report import Fault, GatedModel, GateReport
from compress.serverless.cost import Prices
from compress.serverless.figures import package_json
from compress.serverless.opening import Request
from compress.serverless.sweep import Swept, cheapest
from compress.serverless.validating import PackageValidation


def report_of(
    found: PackageValidation, request: Request, repeat: str, prices: Prices | None = None
) -> GateReport:
    """Return the report, with what only a package has."""
    outcome = found.outcome
    return GateReport(
        created=now(),
        repeat=repeat,
        tier=request.tier,
        seed=request.seed,
        looks=outcome.looks,
        looks_most=outcome.looks_most,
        seconds=outcome.seconds,
        overhead=outcome.overhead,
        machine=outcome.facts.to_json(),
        models=tuple(_model(row, request) for row in reversed(outcome.measured)),
        verdicts=found.fleet.verdicts,
        noise=outcome.noise.reasons,
        faults=tuple(
            Fault(
                row.candidate.name,
                row.samples.fault,
                row.samples.unsound,
                row.samples.out_of_memory,
            )
            for row in outcome.measured
            if row.samples.fault
        ),
        notes=tuple(_notes(found)),
        rows_digest=found.rows_digest,
        package=package_json(found, prices),
    )


def _model(row: Measured, request: Request) -> GatedModel:
    """Return a measured model as a report names it; the package has its own folder's name."""
    if row.candidate.name != MODEL:
        return gated_model(row, row.candidate.name)
    return dataclasses.replace(gated_model(row, CANDIDATE), name=request.package.resolve().name)


def _notes(found: PackageValidation) -> Iterator[str]:
    """Yield what was seen of the package, a line each."""
    for size in found.sizes:
        limit = f" of {size.limit_bytes / 1e6:.1f}" if size.limit_bytes else ""
        yield f"{size.name}: {size.size_bytes / 1e6:.1f}{limit} MB"
    steps = ", ".join(f"{name} {ms:.0f} ms" for name, ms in found.phases_ms.items())
    if steps:
        yield f"cold start: {steps} (medians, by {found.client})"
    if found.why_faster:
        yield found.why_faster
    if found.rows:
        yield f"{found.rows - found.differing} of {found.rows} rows answered as in process"
    if (bill := found.bill) is not None:
        yield f"{bill.requests} at {bill.memory_mb:,} MB: {bill.gb_s:,.0f} GB-s"
    yield from _sizes(found.swept)


def _sizes(swept: Sequence[Swept]) -> Iterator[str]:
    best = cheapest(swept)
    for one in swept:
        if one.bill is None:
            yield f"{one.memory_mb:,} MB: {one.why_not}"
        else:
            least = ", the least" if one is best else ""
            yield (
                f"{one.memory_mb:,} MB: cold start {one.cold_start_p50_ms:.0f} ms,"
                f" p90 {one.latency_p90_ms:.2f} ms, {one.bill.gb_s:,.0f} GB-s{least}"
            )
