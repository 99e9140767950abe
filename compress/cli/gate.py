"""edgepress gate: let a model pass, or say why not, or what would decide it."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from compress.cli.command import Command
from compress.cli.options import (
    FILE,
    FOLDER,
    MODEL,
    output_options,
    print_json,
    profiles_option,
    rows_options,
    seed_option,
    terminal,
    tier_option,
    unlabeled_option,
)

if TYPE_CHECKING:
    from compress.report.gate_report import GateReport
    from compress.report.gate_wording import Policy


@click.command(
    cls=Command,
    examples=[
        "edgepress gate runs/new/bundle --data test.csv --reference runs/old/bundle",
        "edgepress gate runs/new/bundle --data test.csv --budget latency_p90_ms=8 \\\n"
        "    --junit gate.xml --markdown gate.md",
    ],
)
@click.argument("artifact", type=FOLDER)
@rows_options
@unlabeled_option
@click.option("--reference", type=MODEL, help="Measure this model beside it and compare the two.")
@click.option("--baseline", type=FILE, help="Compare with this file of `edgepress baseline save`.")
@profiles_option(
    "Apply the budgets of this profile; may be repeated.",
    show_default="no worse than --reference and --baseline",
)
@click.option(
    "--budget",
    "budgets",
    multiple=True,
    metavar="METRIC=LIMIT",
    help="Add a budget of level error, or replace the limit of the profile's; may be repeated.",
)
@click.option(
    "--inconclusive",
    type=click.Choice(["fail", "warn", "pass"]),
    default="fail",
    help="If the budgets stay undecided: exit with 3, warn and exit with 0, or exit with 0.",
)
@click.option("--junit", type=FILE, help="Write a JUnit file.")
@click.option("--markdown", type=FILE, help="Write Markdown, for a comment on a pull request.")
@click.option("--github", is_flag=True, help="Write the job summary and annotations of GitHub.")
@click.option("--samples", type=FILE, help="Write the raw samples as JSON lines.")
@seed_option
@tier_option
@output_options
def gate(
    artifact: Path,
    data: tuple[str, ...],
    text: str,
    label: str,
    unlabeled: bool,
    reference: str | None,
    baseline: Path | None,
    profiles: tuple[str, ...],
    budgets: tuple[str, ...],
    tier: str,
    inconclusive: Policy,
    seed: int,
    samples: Path | None,
    junit: Path | None,
    markdown: Path | None,
    github: bool,
    as_json: bool,
    quiet: bool,
) -> int:
    """Measure ARTIFACT until its budgets are decided, and say PASS or FAIL.

    The budgets are those of --profile and --budget. Without either, the model must be no worse
    than --reference, which is measured beside it, and than --baseline, which was stored earlier.
    A budget that is still undecided when the time of --tier is over is INCONCLUSIVE, and the
    output says what would decide it. The exit code is the verdict's.
    """
    from compress.data.dataset import DataSettings
    from compress.judge.gating import GateRequest
    from compress.judge.gating import gate as judge_model
    from compress.run.cache import default_cache

    request = GateRequest(
        candidate=artifact,
        data=DataSettings(train=(), test=data, text=text, label=label),
        profiles=profiles,
        reference=reference,
        baseline=baseline,
        budgets=_limits(budgets),
        tier=tier,
        seed=seed,
        samples=samples,
        unlabeled=unlabeled,
        repeat=_command(),
    )
    _prepare(samples, junit, markdown, github=github)
    progress = terminal(quiet)
    report = judge_model(request, progress, default_cache().shared)
    for warning in report.warnings:
        progress.warn(warning)
    _write(report, inconclusive, junit, markdown, github=github)
    if as_json:
        print_json(report.to_json())
    else:
        _print(report)
    return _exit_code(report, inconclusive)


def _limits(budgets: tuple[str, ...]) -> dict[str, float]:
    """Read METRIC=LIMIT; raise BadParameter for anything else."""
    limits: dict[str, float] = {}
    for typed in budgets:
        metric, limit = (part.strip() for part in typed.partition("=")[::2])
        if metric in limits:
            raise click.BadParameter(f"{metric} is given twice", param_hint="--budget")
        try:
            limits[metric] = float(limit)
        except ValueError:
            raise click.BadParameter(
                f"{typed!r}; expected METRIC=LIMIT, as in latency_p90_ms=40",
                param_hint="--budget",
            ) from None
    return limits


def _prepare(*files: Path | None, github: bool) -> None:
    """Refuse an output that cannot be written before minutes of measuring."""
    import os

    from compress.report.github import summary_file

    for file in filter(None, files):
        _try_to_write(file)
    if github:
        summary_file(os.environ)


def _try_to_write(file: Path) -> None:
    """Raise InputError if the nearest existing folder is not writable; leave no file there."""
    import tempfile

    from runtimes.errors import InputError

    folder = next(parent for parent in file.absolute().parents if parent.exists())
    try:
        with tempfile.TemporaryFile(dir=folder):
            return
    except OSError as error:
        raise InputError(
            f"{file}: {folder} takes no file ({error.strerror})", expected="a writable folder"
        ) from error


def _write(
    report: GateReport,
    inconclusive: Policy,
    junit: Path | None,
    markdown: Path | None,
    *,
    github: bool,
) -> None:
    import os

    from compress.report import gate_markdown
    from compress.report import github as actions
    from compress.report import junit as xml
    from runtimes.files import write_text

    if junit:
        write_text(junit, xml.render(report, inconclusive))
    if markdown:
        write_text(markdown, gate_markdown.render(report))
    if github:
        actions.write_summary(report, os.environ)
        for line in actions.annotations(report, inconclusive):
            click.echo(line, err=True)  # the runner reads both streams; stdout stays the result


def _print(report: GateReport) -> None:
    from compress.report.terminal import gate_lines, show

    for verdict in report.verdicts:
        show(*gate_lines(verdict))
    for reason in report.noise:
        click.echo(f"noise: {reason}")
    for fault in report.faults:
        click.echo(f"fault: {fault.model}: {fault.said}")
    click.echo(
        f"{report.looks} of at most {report.looks_most} looks in {report.seconds:.0f} s"
        f" ({100 * report.overhead:.0f} % of it neither inference nor a model's start)"
    )
    click.echo(f"repeat: {report.repeat}")


def _exit_code(report: GateReport, inconclusive: Policy) -> int:
    from profiles.gate import Status

    if report.exit_code != Status.INCONCLUSIVE.exit_code or inconclusive == "fail":
        return report.exit_code
    if inconclusive == "warn":
        click.echo("warning: the gate is undecided; --inconclusive warn lets it pass", err=True)
    return 0


def _command() -> str:
    """Return the command line as it was typed."""
    import shlex

    return shlex.join(["edgepress", *sys.argv[1:]])
