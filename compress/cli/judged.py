"""What `edgepress gate` and `edgepress judge` share: budgets, output files, the exit code."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

import click

from compress.cli.border import force_option
from compress.cli.options import print_json, stack
from compress.cli.paths import COMMENT, JUNIT, MARKDOWN

if TYPE_CHECKING:
    from compress.history.commit import Commit
    from compress.report.gate_report import GateReport
    from compress.report.gate_wording import Policy

Decorated = TypeVar("Decorated", bound=Callable[..., Any])

COMMENT_BYTES = 60_000
"""What a comment may take: GitHub takes 65,536 characters, and lines are added."""

budgets_option = click.option(
    "--budget",
    "budgets",
    multiple=True,
    metavar="METRIC=LIMIT",
    help="Add a budget of level error, or replace the limit of the profile's; may be repeated.",
)
verdict_options = stack(
    click.option(
        "--inconclusive",
        type=click.Choice(["fail", "warn", "pass"]),
        default="fail",
        help="If the budgets stay undecided: exit with 3, warn and exit with 0, or exit with 0.",
    ),
    click.option("--junit", type=JUNIT, help="Write a JUnit file."),
    click.option("--markdown", type=MARKDOWN, help="Write Markdown, for a page or a mail."),
    click.option(
        "--comment", type=COMMENT, help="Write Markdown for `edgepress comment`, cut to its length."
    ),
    click.option("--github", is_flag=True, help="Write the job summary and annotations of GitHub."),
    force_option(),
)
"""--inconclusive, --junit, --markdown, --comment and --github: what becomes of a verdict."""


def limits_of(budgets: tuple[str, ...]) -> dict[str, float]:
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


def prepare(*, github: bool) -> None:
    """Refuse a job summary that cannot be written before minutes of measuring."""
    import os

    from compress.report.github import summary_file

    if github:
        summary_file(os.environ)


def commit_measured(history: Path | None, commit: str | None, branch: str | None) -> Commit | None:
    """Return the commit that --history keeps figures of; None without --history.

    Raises InputError, before anything is measured, where nothing names it, or where --commit or
    --branch is given alone.
    """
    import os

    from compress.history.commit import commit_of
    from compress.places import check_writable
    from runtimes.errors import InputError

    if history is not None:
        check_writable(history / "any")
        return commit_of(os.environ, Path.cwd(), commit, branch)
    if commit or branch:
        raise InputError(
            f"--{'commit' if commit else 'branch'} without --history",
            expected="--history FOLDER, whose entry it names",
            action="add --history FOLDER, or leave it out",
        )
    return None


class VerdictOutputs(NamedTuple):
    """Name what else a verdict is written to: files, and GitHub's summary and annotations.

    `html` is the page as one file.
    """

    junit: Path | None
    markdown: Path | None
    comment: Path | None
    github: bool
    html: Path | None = None


def finish(
    report: GateReport, inconclusive: Policy, outputs: VerdictOutputs, *, as_json: bool
) -> int:
    """Write a verdict's files, print it, and return the exit code."""
    _write(report, inconclusive, outputs)
    if as_json:
        print_json(report.to_json())
    else:
        _print(report)
    return _exit_code(report, inconclusive)


def _write(report: GateReport, inconclusive: Policy, outputs: VerdictOutputs) -> None:
    import os

    from compress.comment.post import marked
    from compress.report import gate_markdown
    from compress.report import github as actions
    from compress.report import junit as xml
    from runtimes.files import write_text
    from runtimes.printing import raw

    if outputs.junit:
        write_text(outputs.junit, xml.render(report, inconclusive))
    if outputs.markdown:
        write_text(outputs.markdown, gate_markdown.render(report))
    if outputs.html:
        from compress.judge import gate_page

        write_text(outputs.html, gate_page.render(report))
    if outputs.comment:
        write_text(outputs.comment, marked(gate_markdown.render(report, COMMENT_BYTES)))
    if outputs.github:
        actions.write_summary(report, os.environ)
        for line in actions.annotations(report, inconclusive):
            # The runner reads both streams; stdout stays the result.
            print(line, file=raw(sys.stderr), flush=True)


def _print(report: GateReport) -> None:
    from compress.report.terminal import gate_lines, show

    for verdict in report.verdicts:
        show(*gate_lines(verdict))
    for note in report.notes:
        click.echo(note)
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


def command_line() -> str:
    """Return the command line as it was typed."""
    import shlex

    return shlex.join(["edgepress", *sys.argv[1:]])
