"""edgepress doctor: which runtimes and features work here, why not, and how noisy it is."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from compress.cli.options import (
    FOLDER,
    json_output,
    print_json,
    quietness,
    stack,
    terminal,
    verbosity,
)

if TYPE_CHECKING:
    from compress.judge.noise import NoiseReport

_NOISE_ONLY = ("seconds", "model", "data", "text", "threads", "seed")

_noise_options = stack(
    click.option("--noise", is_flag=True, help="Say how small a regression can be seen here."),
    click.option(
        "--seconds",
        type=click.FloatRange(min=0, min_open=True),
        default=60.0,
        show_default=True,
        help="With --noise: how long to measure.",
    ),
    click.option(
        "--model", type=FOLDER, help="With --noise: an exported model, in place of a built-in one."
    ),
    click.option("--data", metavar="FILE", help="With --model: rows to run it on."),
    click.option("--text", default="text", show_default=True, metavar="COLUMN"),
    click.option(
        "--threads",
        type=click.IntRange(0),
        default=1,
        show_default=True,
        help="With --noise: as the profile's; 0 leaves it to the runtime.",
    ),
    click.option("--seed", default=7, show_default=True, type=click.IntRange(0)),
)


@click.command()
@_noise_options
@json_output
@quietness
@verbosity
@click.pass_context
def doctor(context: click.Context, /, noise: bool, as_json: bool, **options: Any) -> None:
    """Say which runtimes and features work here, and why the others do not.

    With --noise, say how small a regression this machine resolves: a model is measured against
    itself, side by side as `edgepress gate` does it, until the time is used.

    \b
    Keys of --noise --json: seconds, rounds, model, runtime, threads,
    latency_p50_ms, confidence, power, clean (share of undisturbed samples),
      metrics.NAME.ratio, lower, upper   the model over itself; 1 without noise
      metrics.NAME.resolves              smallest regression seen, 0.02 is 2 %
      metrics.NAME.gate_resolves         what a gate at tier ci sees at its last look
      metrics.NAME.budget                max, catches_from: an example for that gate
      noise                              probe_cv, steal, busy_cores, waited,
                                         throttled, quiet, reasons, remarks
    with NAME latency_p50_ratio and latency_p90_ratio.
    """
    _check(context, noise, options)
    if noise:
        _say_noise(as_json, **options)
    else:
        _say_findings(as_json)


def _check(context: click.Context, noise: bool, options: dict[str, Any]) -> None:
    """Refuse options that would have no effect."""
    given = [
        name
        for name in _NOISE_ONLY
        if context.get_parameter_source(name) is not click.core.ParameterSource.DEFAULT
    ]
    if given and not noise:
        raise click.UsageError(f"--{given[0]} needs --noise", context)
    if (options["model"] is None) is not (options["data"] is None):
        raise click.UsageError("give --model and --data together, or neither", context)
    if "text" in given and options["data"] is None:
        raise click.UsageError("--text names a column of --data FILE", context)


def _say_noise(as_json: bool, quiet: bool, **options: Any) -> None:
    from compress.judge.noise import noise_lines

    report = _noise(quiet, **options)
    if as_json:
        print_json(report.to_json())
        return
    for line in noise_lines(report):
        click.echo(line)


def _noise(
    quiet: bool,
    model: Path | None,
    data: str | None,
    text: str,
    seconds: float,
    threads: int,
    seed: int,
) -> NoiseReport:
    from compress.judge.noise import builtin_noise, measure_noise, workload

    progress = terminal(quiet)
    if model is None or data is None:
        return builtin_noise(seconds=seconds, threads=threads, seed=seed, progress=progress)
    work = workload(model, data, text, threads)
    return measure_noise(work, seconds=seconds, seed=seed, progress=progress)


def _say_findings(as_json: bool) -> None:
    import dataclasses

    from compress.doctor import examine
    from profiles.job import Job

    found, facts = examine(), Job().facts()
    if as_json:
        print_json(
            {"findings": [dataclasses.asdict(row) for row in found], "machine": facts.to_json()}
        )
        return
    for row in found:
        mark = "✓" if row.ok else "✗"
        click.echo(f"{mark} {row.part:<9}{row.name:<22}{row.version:<14}{row.why}".rstrip())
    dot = "yes" if facts.int8_dot else "no: INT8 weights keep 7 bits (reduce_range) on this CPU"
    click.echo(f"\nmachine   {facts.cpu_model} ({facts.arch}, {facts.cpus:g} CPUs)")
    click.echo(f"8-bit dot product   {dot}")
