"""edgepress validate: measure a model on each profile's device and judge it there."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import click

from compress.cli.border import force_option
from compress.cli.command import Command
from compress.cli.options import (
    output_options,
    print_json,
    profiles_option,
    rows_options,
    seed_option,
    terminal,
    tier_option,
)
from compress.cli.paths import FOLDER, MARKDOWN, MODEL, PAGE, SAMPLES
from compress.cli.validated_package import (
    check_bundle,
    check_reference,
    is_package,
    package_options,
    validate_package,
)


@click.command(
    cls=Command,
    examples=[
        "edgepress validate runs/first/bundle --reference teacher --data test.csv",
        "edgepress validate runs/first/bundle --reference teacher --data test.csv \\\n"
        "    --profile embedded-default --tier release",
        "edgepress validate package --data test.csv --profile lambda-x86 --sweep",
    ],
)
@click.argument("artifact", type=FOLDER)
@click.option("--reference", type=MODEL, help="Compare with this teacher; a package needs none.")
@rows_options
@profiles_option("Judge by this profile; may be repeated.", default=("local",))
@click.option("--samples", type=SAMPLES, help="Write the raw samples as JSON lines.")
@force_option()
@seed_option
@tier_option
@package_options
@click.option("--markdown", type=MARKDOWN, help="A package: write Markdown, for a page.")
@click.option("--html", type=PAGE, help="A package: write a page as one HTML file.")
@output_options
def validate(
    artifact: Path,
    reference: str | None,
    data: tuple[str, ...],
    text: str,
    text_pair: str,
    label: str,
    group: str | None,
    profiles: tuple[str, ...],
    samples: Path | None,
    seed: int,
    tier: str,
    as_json: bool,
    quiet: bool,
    **of_package: Any,
) -> int:
    """Measure ARTIFACT beside its teacher and judge it by each profile.

    Both models answer the same rows, on the device of each profile: devices behind a wire are
    measured at the same time. Latencies are measured in turn with those of the teacher's fp32 ONNX
    export. The exit code is the worst verdict's.

    A package of `edgepress package` is started as its platform starts it, with the memory and the
    share of a CPU that the profile grants, and answers events through Lambda's Runtime API.
    """
    from compress.data.dataset import DataSettings
    from compress.judge.validate import validate as judge_model

    rows = DataSettings(
        train=(), test=data, text=text, text_pair=text_pair, label=label, group=group
    )
    if is_package(artifact):
        measured = {"seed": seed, "tier": tier, "samples": samples, "reference": reference}
        return validate_package(
            artifact, rows, profiles, measured, of_package, as_json=as_json, quiet=quiet
        )
    check_bundle(of_package)
    check_reference(reference)
    assert reference is not None
    validation = judge_model(
        artifact,
        reference,
        rows,
        profiles,
        seed=seed,
        progress=terminal(quiet),
        tier=tier,
        stream=samples,
    )
    if as_json:
        print_json(_json(validation))
    else:
        _print(validation)
    return validation.exit_code


def _json(validation: Any) -> dict[str, Any]:
    return {
        "model": [row.to_json() for row in validation.model.measurements.values()],
        "reference": [row.to_json() for row in validation.reference.measurements.values()],
        "verdicts": [verdict.to_json() for verdict in validation.verdicts],
        "classes": [dataclasses.asdict(row) for row in validation.classes],
        "devices": [_device_json(part) for part in validation.fleet.parts],
    }


def _device_json(part: Any) -> dict[str, Any]:
    measured = part.outcome.measured if part.outcome else ()
    return {
        "name": part.device.name,
        "transport": part.device.transport,
        "profiles": list(part.device.profile_names),
        "machine": part.outcome.facts.to_json() if part.outcome else {},
        "figures": {
            row.candidate.name: [figure.to_json() for figure in row.measurements.values()]
            for row in measured
        },
        "lost": part.why_lost,
    }


def _print(validation: Any) -> None:
    from compress.judge.evaluation import REFERENCE, figure_lines
    from compress.judge.validate import MODEL
    from compress.report.terminal import gate_lines, show
    from compress.sensitivity.classes import class_table

    several = len(validation.fleet.parts) > 1
    for device, outcome in validation.fleet.outcomes:
        if several:
            click.echo(f"{device.name}: {outcome.facts.cpu_model} ({outcome.facts.arch})")
        for line in figure_lines(outcome.of(REFERENCE), outcome.of(MODEL)):
            click.echo(line)
        if several:
            click.echo()
    for verdict in validation.verdicts:
        click.echo()
        show(*gate_lines(verdict))
    if validation.classes:
        click.echo()
        for line in class_table(validation.classes).lines():
            click.echo(line)
