"""edgepress validate: measure a model on this machine and judge it by a profile."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import click

from compress.cli.options import (
    FOLDER,
    json_output,
    print_json,
    quietness,
    rows_options,
    terminal,
    tier_option,
    verbosity,
)


@click.command()
@click.argument("artifact", type=FOLDER)
@click.option("--reference", required=True, metavar="FOLDER", help="The teacher to compare with.")
@rows_options
@click.option(
    "--profile", "profiles", multiple=True, default=("local",), show_default=True, metavar="NAME"
)
@click.option("--seed", default=7, show_default=True, type=click.IntRange(0))
@click.option(
    "--samples", type=click.Path(path_type=Path), help="Stream raw samples as JSON lines."
)
@tier_option
@json_output
@quietness
@verbosity
def validate(
    artifact: Path,
    reference: str,
    data: tuple[str, ...],
    text: str,
    label: str,
    profiles: tuple[str, ...],
    seed: int,
    samples: Path | None,
    tier: str,
    as_json: bool,
    quiet: bool,
) -> int:
    """Measure ARTIFACT beside its teacher on this machine and judge it by each profile.

    Accuracy is paired with the teacher's on the same rows; latencies are interleaved with its
    fp32 ONNX. The exit code is the worst verdict's.
    """
    from compress.data.dataset import DataSettings
    from compress.judge.validate import validate as judge_model
    from profiles.gate import combine

    found = judge_model(
        artifact,
        reference,
        DataSettings(train=(), test=data, text=text, label=label),
        profiles,
        seed=seed,
        progress=terminal(quiet),
        tier=tier,
        stream=samples,
    )
    if as_json:
        print_json(_json(found))
    else:
        _print(found)
    return combine(found.verdicts).exit_code


def _json(found: Any) -> dict[str, Any]:
    return {
        "model": [row.to_json() for row in found.model.measurements.values()],
        "reference": [row.to_json() for row in found.reference.measurements.values()],
        "verdicts": [verdict.to_json() for verdict in found.verdicts],
        "classes": [dataclasses.asdict(row) for row in found.classes],
    }


def _print(found: Any) -> None:
    from compress.judge.evaluation import figure_lines
    from compress.sensitivity.classes import class_table
    from profiles.gate import render

    for line in figure_lines(found.reference, found.model):
        click.echo(line)
    for verdict in found.verdicts:
        click.echo()
        click.echo(render(verdict))
    if found.classes:
        click.echo()
        for line in class_table(found.classes).lines():
            click.echo(line)
