"""edgepress validate and gate, of a package: their options, and what validate prints."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from compress.cli.judged import command_line
from compress.cli.options import print_json, stack, terminal
from compress.cli.paths import PATH
from runtimes.errors import InputError

if TYPE_CHECKING:
    from compress.data.dataset import DataSettings
    from compress.judge.gating import GateRequest
    from compress.progress import Progress
    from compress.report.gate_report import GateReport
    from compress.serverless.cost import Prices
    from compress.serverless.validating import PackageValidation
    from profiles.device import DeviceProfile

_MANIFEST = "manifest.json"
_PRICE = click.FloatRange(min=0)
_FILES = ("markdown", "html")

package_options = stack(
    click.option(
        "--client",
        type=click.Choice(["edgepress", "awslambdaric"]),
        help="A package: what speaks the Runtime API in it.",
        show_default="edgepress",
    ),
    click.option(
        "--interpreter",
        type=PATH,
        metavar="FILE",
        help="A package: its Python, a program or a pack's folder.",
    ),
    click.option(
        "--sweep", is_flag=True, help="A package: also measure it at 128 to 3008 MB of memory."
    ),
    click.option("--price-gb-s", type=_PRICE, metavar="PRICE", help="Your price of a GB-second."),
    click.option(
        "--price-million-requests", type=_PRICE, metavar="PRICE", help="Your price of so many."
    ),
    click.option(
        "--cold-share",
        type=click.FloatRange(0, 1),
        metavar="SHARE",
        help="A package: the share of requests whose start is cold, for its cost.",
        show_default="0: warm requests alone",
    ),
)
"""The options that only a package has a use for."""


def is_package(folder: Path) -> bool:
    """Tell whether a folder is a package, by its manifest."""
    return (folder / _MANIFEST).is_file()


def check_bundle(options: Mapping[str, Any]) -> None:
    """Refuse options of packages with a bundle."""
    if given := [name for name, value in options.items() if value]:
        raise InputError(
            f"--{given[0].replace('_', '-')} with a model that is no package",
            expected="a folder that `edgepress package` wrote",
            action="leave it out, or package the bundle first",
        )


def check_reference(reference: str | None) -> None:
    """Refuse a bundle without a reference."""
    if reference is None:
        raise InputError(
            "no --reference",
            expected="the teacher that the model is compared with",
            action="give --reference, or gate the model by budgets alone: `edgepress gate`",
        )


def validate_package(
    folder: Path,
    rows: DataSettings,
    profiles: Sequence[str],
    measured: Mapping[str, Any],
    options: Mapping[str, Any],
    *,
    as_json: bool,
    quiet: bool,
) -> int:
    """Measure a package, print what was found, and return the verdict's exit code."""
    from compress.serverless.opening import Request
    from compress.serverless.validating import validate_package as judge_package
    from profiles.device import load_profile

    prices, started = _prices(options), _started(options)
    _check_one(profiles)
    profile = load_profile(profiles[0])
    request = Request(folder, rows, profile, **measured, **started)
    found = judge_package(request, terminal(quiet))
    if any(options[name] for name in _FILES):
        from compress.serverless.page import report_of

        _write(report_of(found, request, command_line(), prices), options)
    if as_json:
        print_json(_json(found, prices))
    else:
        _print(found, prices)
    return found.verdict.status.exit_code


def gate_package(
    request: GateRequest, options: Mapping[str, Any], progress: Progress
) -> GateReport:
    """Measure a package until its budgets are decided."""
    from compress.judge.gating import chosen_profiles
    from compress.serverless.opening import Request
    from compress.serverless.page import report_of
    from compress.serverless.validating import validate_package as judge_package

    if request.baseline is not None:
        raise InputError(
            "--baseline with a package",
            expected="a comparison in the same run: a stored one holds no figures of a package",
            action="give --reference, or limits by --profile and --budget",
        )
    prices, started = _prices(options), _started(options)
    profiles: tuple[DeviceProfile, ...] = chosen_profiles(request)
    _check_one([profile.name for profile in profiles])
    ordered = Request(
        request.candidate,
        request.data,
        profiles[0],
        reference=request.reference,
        seed=request.seed,
        tier=request.tier,
        samples=request.samples,
        gated=True,
        least_s=request.least_s,
        **started,
    )
    return report_of(judge_package(ordered, progress), ordered, request.repeat, prices)


def _started(options: Mapping[str, Any]) -> dict[str, Any]:
    """Return what the options say of the function, by the names of a Request."""
    return {
        "client": options["client"] or "edgepress",
        "interpreter": options["interpreter"],
        "sweep": options["sweep"],
        "cold_share": options["cold_share"] or 0.0,
    }


def _check_one(profiles: Sequence[str]) -> None:
    if len(profiles) != 1:
        raise InputError(
            f"{len(profiles)} profiles for a package",
            expected="one: its memory is granted to the function",
            action="measure the package once with each profile",
        )


def _write(report: GateReport, options: Mapping[str, Any]) -> None:
    from compress.judge import gate_page
    from compress.report import gate_markdown
    from runtimes.files import write_text

    if options["markdown"]:
        write_text(options["markdown"], gate_markdown.render(report))
    if options["html"]:
        write_text(options["html"], gate_page.render(report))


def _prices(options: Mapping[str, Any]) -> Prices | None:
    from compress.serverless.cost import Prices

    gb_s, requests = options["price_gb_s"], options["price_million_requests"]
    if gb_s is None and requests is None:
        return None
    if gb_s is None or requests is None:
        raise InputError(
            "one of the two prices",
            expected="--price-gb-s and --price-million-requests, in one currency",
            action="give both, from your platform's price list",
        )
    return Prices(gb_s, requests)


def _json(found: PackageValidation, prices: Prices | None) -> dict[str, Any]:
    from compress.serverless.figures import package_json

    return {
        **package_json(found, prices),
        "figures": {
            row.candidate.name: [figure.to_json() for figure in row.measurements.values()]
            for row in found.outcome.measured
        },
        "machine": found.outcome.facts.to_json(),
        "verdict": found.verdict.to_json(),
    }


def _print(found: PackageValidation, prices: Prices | None) -> None:
    from compress.judge.evaluation import figure_lines
    from compress.report.terminal import gate_lines, show

    for size in found.sizes:
        limit = f" of {size.limit_bytes / 1e6:.1f}" if size.limit_bytes else ""
        click.echo(f"{size.name:<12}{size.size_bytes / 1e6:.1f}{limit} MB")
    held = found.model.samples.memory_limit or "nothing"
    click.echo(f"{'held by':<12}{held}; memory {found.memory_mb:,} MB")
    if found.why_faster:
        click.echo(f"{'CPU':<12}{found.why_faster}")
    steps = ", ".join(f"{name} {ms:.0f} ms" for name, ms in found.phases_ms.items())
    if steps:
        click.echo(f"{'cold start':<12}{steps} (medians)")
    click.echo(f"{'client':<12}{found.client} speaks the Runtime API")
    click.echo(f"{'answers':<12}{found.rows - found.differing} of {found.rows} as in process")
    click.echo()
    for line in figure_lines(*found.outcome.measured):
        click.echo(line)
    click.echo()
    _print_cost(found, prices)
    click.echo()
    show(*gate_lines(found.verdict))


def _print_cost(found: PackageValidation, prices: Prices | None) -> None:
    from compress.serverless.sweep import cheapest

    if (over := found.overhead) is not None and over.value is not None:
        click.echo(f"p90 through the Runtime API over in process: {over.value:.2f}")
    if (bill := found.bill) is not None:
        cost = f", cost {bill.cost(prices):.4g}" if prices else ""
        cold = "" if bill.cold_share else "; --cold-share adds cold starts"
        click.echo(f"{bill.requests} at {bill.memory_mb:,} MB: {bill.gb_s:,.0f} GB-s{cost}{cold}")
    best = cheapest(found.swept)
    for one in found.swept:
        if one.bill is None:
            click.echo(f"{one.memory_mb:>8,} MB  {one.why_not}")
            continue
        cost = f"  cost {one.bill.cost(prices):.4g}" if prices else ""
        mark = "  least" if one is best else ""
        click.echo(
            f"{one.memory_mb:>8,} MB  cold start {one.cold_start_p50_ms:.0f} ms"
            f"  p50 {one.latency_p50_ms:.2f}  p90 {one.latency_p90_ms:.2f} ms"
            f"  {one.bill.gb_s:,.0f} GB-s{cost}{mark}"
        )
