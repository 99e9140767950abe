"""edgepress gate: let a model pass, or say why not, or what would decide it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from compress.cli.command import Command
from compress.cli.judged import (
    VerdictOutputs,
    budgets_option,
    command_line,
    commit_measured,
    finish,
    limits_of,
    prepare,
    verdict_options,
)
from compress.cli.options import (
    FiniteRange,
    history_options,
    kept_answers_option,
    output_options,
    profiles_option,
    rows_options,
    seed_option,
    shared_cache,
    terminal,
    tier_option,
    unlabeled_option,
)
from compress.cli.paths import FILE, FOLDER, MODEL, PAGE, SAMPLES, VERDICT
from compress.cli.released import check_release, refuse_release, release
from compress.cli.validated_package import (
    check_bundle,
    gate_package,
    is_package,
    package_options,
)

if TYPE_CHECKING:
    from compress.report.gate_wording import Policy


@click.command(
    cls=Command,
    examples=[
        "edgepress gate runs/new/bundle --data test.csv --reference runs/old/bundle",
        "edgepress gate runs/new/bundle --data test.csv --budget latency_p90_ms=8 \\\n"
        "    --junit gate.xml --markdown gate.md",
        "edgepress gate package --data test.csv --profile lambda-x86 --html gate.html",
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
@budgets_option
@verdict_options
@click.option("--samples", type=SAMPLES, help="Write the raw samples as JSON lines.")
@click.option(
    "--least",
    "least_s",
    type=FiniteRange(0, 86_400),
    default=0.0,
    metavar="SECONDS",
    help="Measure for so long at least.",
)
@click.option(
    "--require-signature",
    type=FILE,
    help="Refuse a model that this public key's owner did not sign.",
)
@click.option("--verdict", type=VERDICT, help="Write the verdict as an in-toto statement.")
@click.option("--sign-key", type=FILE, help="Sign --verdict with this private key.")
@kept_answers_option
@history_options
@package_options
@click.option("--html", type=PAGE, help="Write a page as one HTML file.")
@seed_option
@tier_option
@output_options
def gate(
    artifact: Path,
    data: tuple[str, ...],
    text: str,
    text_pair: str,
    label: str,
    group: str | None,
    unlabeled: bool,
    reference: str | None,
    baseline: Path | None,
    profiles: tuple[str, ...],
    budgets: tuple[str, ...],
    tier: str,
    inconclusive: Policy,
    seed: int,
    samples: Path | None,
    least_s: float,
    require_signature: Path | None,
    verdict: Path | None,
    sign_key: Path | None,
    kept_answers: bool,
    junit: Path | None,
    markdown: Path | None,
    comment: Path | None,
    github: bool,
    history: Path | None,
    commit: str | None,
    branch: str | None,
    html: Path | None,
    as_json: bool,
    quiet: bool,
    **of_package: Any,
) -> int:
    """Measure ARTIFACT until its budgets are decided, and say PASS or FAIL.

    The budgets are those of --profile and --budget. Without either, the model must be no worse
    than --reference, which is measured beside it, and than --baseline, which was stored earlier.
    A budget that is still undecided when the time of --tier is over is INCONCLUSIVE, and the
    output says what would decide it. The exit code is the verdict's.

    A package of `edgepress package` is started as its platform starts it and answers events
    through Lambda's Runtime API; the platform's limits of its size are budgets too.
    """
    from compress.data.dataset import DataSettings
    from compress.judge.gating import GateRequest
    from compress.judge.gating import gate as judge_model

    request = GateRequest(
        candidate=artifact,
        data=DataSettings(
            train=(), test=data, text=text, text_pair=text_pair, label=label, group=group
        ),
        profiles=profiles,
        reference=reference,
        baseline=baseline,
        budgets=limits_of(budgets),
        tier=tier,
        seed=seed,
        samples=samples,
        unlabeled=unlabeled,
        repeat=command_line(),
        least_s=least_s,
    )
    packaged = is_package(artifact)
    if packaged:
        refuse_release(require_signature, verdict, sign_key)
    else:
        check_bundle(of_package)
    prepare(github=github)
    check_release(artifact, require_signature, verdict, sign_key)
    measured = commit_measured(history, commit, branch)
    progress = terminal(quiet)
    if packaged:
        report = gate_package(request, of_package, progress)
    else:
        report = judge_model(request, progress, shared_cache(kept_answers))
    for warning in report.warnings:
        progress.warn(warning)
    if history is not None and measured is not None:
        from compress.history.recording import record_gate

        for why in record_gate(report, history, measured)[1]:
            progress.warn(f"--history: {why}")
    if verdict is not None or require_signature is not None:
        release(report, request, require_signature, verdict, sign_key)
    outputs = VerdictOutputs(junit, markdown, comment, github, html)
    return finish(report, inconclusive, outputs, as_json=as_json)
