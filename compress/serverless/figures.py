"""What was seen of a package, as JSON: by `validate --json`, by a gate's report, by its page."""

from __future__ import annotations

import dataclasses
from typing import Any

from compress.serverless.cost import Bill, Prices
from compress.serverless.sweep import Swept, cheapest
from compress.serverless.validating import PackageValidation


def package_json(found: PackageValidation, prices: Prices | None) -> dict[str, Any]:
    """Return the figures that only a package has, as JSON values."""
    best = cheapest(found.swept)
    return {
        "sizes": [dataclasses.asdict(size) for size in found.sizes],
        "client": found.client,
        "memory_mb": found.memory_mb,
        "cpus": found.cpus,
        "held_by": found.model.samples.memory_limit,
        "why_faster": found.why_faster,
        "phases_ms": found.phases_ms,
        "overhead": found.overhead.to_json() if found.overhead else None,
        "rows": found.rows,
        "differing": found.differing,
        "cold_share": found.cold_share,
        **_billed(found.bill, prices),
        "sweep": [_swept(one, prices, least=one is best) for one in found.swept],
    }


def _swept(one: Swept, prices: Prices | None, *, least: bool) -> dict[str, Any]:
    seen = dataclasses.asdict(one)
    del seen["bill"]
    return {**seen, "cpu_held": one.cpu_held, **_billed(one.bill, prices), "least": least}


def _billed(bill: Bill | None, prices: Prices | None) -> dict[str, Any]:
    return {
        "billed_ms": bill.billed_ms if bill else None,
        "gb_s_per_million": bill.gb_s if bill else None,
        "cost_per_million": bill.cost(prices) if bill and prices else None,
    }
