"""edgepress budget: what a figure is made of, so that its limit can be set and met."""

from __future__ import annotations

from pathlib import Path

import click

from compress.cli.command import Group
from compress.cli.options import (
    FiniteRange,
    group_option,
    json_output,
    label_option,
    output_options,
    print_json,
    profile_option,
    rows_options,
    seed_option,
    terminal,
    text_option,
    threads_option,
    tier_option,
    verbosity,
)
from compress.cli.paths import FOLDER, MODEL, ROWS


@click.group(
    cls=Group,
    examples=[
        "edgepress budget suggest runs/first/bundle --data test.csv",
        "edgepress budget explain latency_p90_ms runs/first/bundle --data test.csv",
    ],
)
def budget() -> None:
    """Explain a figure, estimate a latency, and suggest budgets."""


@budget.command(
    examples=[
        "edgepress budget explain latency_p90_ms runs/first/bundle --data test.csv",
        "edgepress budget explain artifact_mb runs/first/bundle",
    ],
)
@click.argument("metric")
@click.argument("artifact", type=FOLDER)
@click.option("--data", multiple=True, type=ROWS, help="Explain it on these rows.")
@text_option
@label_option
@group_option
@click.option("--reference", type=FOLDER, help="Compare with this exported model.")
@threads_option
@click.option(
    "--top", default=10, metavar="N", type=click.IntRange(1), help="Print N rows of each table."
)
@output_options
def explain(
    metric: str,
    artifact: Path,
    data: tuple[str, ...],
    text: str,
    text_pair: str,
    label: str,
    group: str | None,
    reference: Path | None,
    threads: int,
    top: int,
    as_json: bool,
    quiet: bool,
) -> None:
    """Explain METRIC of ARTIFACT: show what it is made of.

    Latency and throughput are split by the runtime's own profiler, latency under a load of
    requests into work and waiting, size by tensor, cold start and memory by step, accuracy by
    class, and sustained speed by time.
    """
    from compress.data.dataset import DataSettings
    from compress.explain.explain import explain as find
    from compress.explain.question import Question
    from runtimes.artifact import open_artifact

    question = Question(
        metric=metric,
        artifact=open_artifact(artifact),
        data=DataSettings(
            train=(), test=data, text=text, text_pair=text_pair, label=label, group=group
        )
        if data
        else None,
        reference=open_artifact(reference) if reference else None,
        threads=threads,
        top=top,
        progress=terminal(quiet),
    )
    explanation = find(question)
    if as_json:
        print_json(explanation.to_json(metric))
    else:
        click.echo(explanation.text(metric))


@budget.command(examples=["edgepress budget estimate runs/first/bundle --profile rpi5"])
@click.argument("artifact", type=FOLDER)
@profile_option("Estimate for this profile's device, by the peaks in its [hardware].")
@click.option(
    "--length", default=32, metavar="N", type=click.IntRange(1, 4096), help="Tokens of a row."
)
@json_output
@verbosity
def estimate(artifact: Path, profile: str, length: int, as_json: bool) -> None:
    """Estimate the latency of ARTIFACT on a device, as a range.

    The work of its operators is counted and divided by the device's peaks. No gate takes it.
    """
    from compress.explain.estimate import estimate as find
    from profiles.device import load_profile
    from runtimes.artifact import open_artifact

    found = find(open_artifact(artifact), load_profile(profile), length)
    if as_json:
        print_json(found.to_json())
    else:
        click.echo(found.text())


@budget.command(
    examples=[
        "edgepress budget suggest runs/first/bundle --data test.csv",
        "edgepress budget suggest runs/first/bundle --data test.csv \\\n"
        "    --reference teacher --headroom 0.1",
    ],
)
@click.argument("artifact", type=FOLDER)
@rows_options
@click.option("--reference", type=MODEL, help="The teacher, for retention and speed-up.")
@profile_option("Measure with the runtime and the threads of this profile.")
@click.option(
    "--headroom",
    default=0.0,
    metavar="SHARE",
    type=FiniteRange(0, 10),
    help="Leave this share free beside what noise and drift need, as in 0.1.",
)
@seed_option
@tier_option
@output_options
def suggest(
    artifact: Path,
    data: tuple[str, ...],
    text: str,
    text_pair: str,
    label: str,
    group: str | None,
    reference: str | None,
    profile: str,
    headroom: float,
    seed: int,
    tier: str,
    as_json: bool,
    quiet: bool,
) -> None:
    """Measure ARTIFACT and print budgets that it meets.

    The output is the [budgets] table of a profile; each budget has its reason beside it.
    """
    import dataclasses

    from compress.data.dataset import DataSettings
    from compress.judge.suggest import suggest_budgets
    from compress.judge.validate import measure_model
    from compress.run.cache import default_cache

    session = measure_model(
        artifact,
        reference,
        DataSettings(train=(), test=data, text=text, text_pair=text_pair, label=label, group=group),
        profile=profile,
        tier=tier,
        seed=seed,
        progress=terminal(quiet),
        shared=default_cache().shared,
    )
    suggestions, refused = suggest_budgets(session.model.measurements, headroom)
    if as_json:
        rows = [dataclasses.asdict(row) for row in suggestions]
        print_json({"budgets": rows, "refused": refused})
        return
    click.echo("[budgets]")
    for row in suggestions:
        click.echo(row.toml())
    for line in refused:
        click.echo(f"# {line}")
