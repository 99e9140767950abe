"""edgepress judge: judge stored samples again, by other budgets or several sessions at once."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from compress.cli.command import Command
from compress.cli.judged import (
    VerdictOutputs,
    budgets_option,
    command_line,
    finish,
    limits_of,
    prepare,
    verdict_options,
)
from compress.cli.options import output_options, profiles_option, terminal, unlabeled_option
from compress.cli.paths import FILE

if TYPE_CHECKING:
    from compress.report.gate_wording import Policy


@click.command(
    cls=Command,
    examples=[
        "edgepress judge gate/samples.jsonl --budget latency_p50_ratio=1.1",
        "edgepress judge monday.jsonl tuesday.jsonl --profile regression",
    ],
)
@click.argument("samples", nargs=-1, required=True, type=FILE)
@unlabeled_option
@profiles_option(
    "Apply the budgets of this profile; may be repeated.",
    show_default="no worse than the samples' reference",
)
@budgets_option
@verdict_options
@output_options
def judge(
    samples: tuple[Path, ...],
    unlabeled: bool,
    profiles: tuple[str, ...],
    budgets: tuple[str, ...],
    inconclusive: Policy,
    junit: Path | None,
    markdown: Path | None,
    comment: Path | None,
    github: bool,
    as_json: bool,
    quiet: bool,
) -> int:
    """Judge stored SAMPLES again, without measuring.

    SAMPLES are files of `edgepress gate --samples`. Several are pooled: they must be sessions of
    the same models, rows and kind of machine. They are judged once, with the whole risk of each
    budget: choose the files before you see a verdict. The exit code is the verdict's.
    """
    from compress.judge.rejudging import JudgeRequest, rejudge

    prepare(github=github)
    request = JudgeRequest(
        files=samples,
        profiles=profiles,
        budgets=limits_of(budgets),
        unlabeled=unlabeled,
        repeat=command_line(),
    )
    report = rejudge(request)
    progress = terminal(quiet)
    for warning in report.warnings:
        progress.warn(warning)
    outputs = VerdictOutputs(junit, markdown, comment, github)
    return finish(report, inconclusive, outputs, as_json=as_json)
