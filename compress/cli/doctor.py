"""edgepress doctor: which runtimes and features work here, why not, and how noisy it is."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from compress.cli.command import Command
from compress.cli.options import (
    FiniteRange,
    output_options,
    print_json,
    seed_option,
    stack,
    terminal,
    text_option,
    threads_option,
)
from compress.cli.paths import FOLDER, ROWS

if TYPE_CHECKING:
    from compress.doctor import Finding
    from compress.judge.noise import NoiseReport
    from profiles.gate import Status

_NOISE_ONLY = ("seconds", "model", "data", "text", "text_pair", "threads", "seed")

_noise_options = stack(
    click.option("--noise", is_flag=True, help="Measure how small a regression a gate sees here."),
    click.option(
        "--seconds",
        type=FiniteRange(0, 86_400, min_open=True),
        default=60.0,
        metavar="SECONDS",
        help="With --noise: measure for this long.",
    ),
    click.option(
        "--model",
        type=FOLDER,
        help="With --noise: measure this exported model, not a built-in one.",
    ),
    click.option("--data", type=ROWS, help="With --model: run the model on these rows."),
    text_option,
    threads_option,
    seed_option,
)


@click.command(
    cls=Command,
    examples=[
        "edgepress doctor",
        "edgepress doctor --noise --seconds 120",
        "edgepress doctor --noise --model runs/first/bundle --data test.csv",
    ],
)
@_noise_options
@output_options
@click.pass_context
def doctor(context: click.Context, /, noise: bool, as_json: bool, **options: Any) -> None:
    """Show which runtimes and features work here, and why the others do not.

    With --noise, measure a model against itself, as `edgepress gate` measures a model against
    its reference, and say how small a regression a gate can see on this machine.
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
    for name in ("text", "text_pair"):
        if name in given and options["data"] is None:
            option = f"--{name.replace('_', '-')}"
            raise click.UsageError(f"{option} names a column of --data FILE", context)


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
    text_pair: str,
    seconds: float,
    threads: int,
    seed: int,
) -> NoiseReport:
    from compress.judge.noise import builtin_noise, measure_noise, workload

    progress = terminal(quiet)
    if model is None or data is None:
        return builtin_noise(seconds=seconds, threads=threads, seed=seed, progress=progress)
    work = workload(model, data, text, threads, text_pair)
    return measure_noise(work, seconds=seconds, seed=seed, progress=progress)


def _say_findings(as_json: bool) -> None:
    import dataclasses

    from compress.doctor import examine
    from compress.report.terminal import show, signed
    from profiles.job import Job

    findings, facts = examine(), Job().facts()
    if as_json:
        print_json(
            {"findings": [dataclasses.asdict(row) for row in findings], "machine": facts.to_json()}
        )
        return
    for row in findings:
        shown = f" {row.part:<9}{row.name:<22}{row.version:<14}{row.why}".rstrip()
        show(signed(_status(row), "", shown))
    dot = "yes" if facts.int8_dot else "no: INT8 weights keep 7 bits (reduce_range) on this CPU"
    click.echo(f"\nmachine   {facts.cpu_model} ({facts.arch}, {facts.cpus:g} CPUs)")
    click.echo(f"8-bit dot product   {dot}")


def _status(row: Finding) -> Status:
    """Return how a finding is shown: a package must fit, extras and runtimes are a choice."""
    from profiles.gate import Status

    if row.ok:
        return Status.PASS
    return Status.FAIL if row.part == "package" else Status.NOT_MEASURED
