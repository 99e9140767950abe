"""edgepress budget: what a figure is made of, so that its limit can be set and met."""

from __future__ import annotations

from pathlib import Path

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


@click.group()
def budget() -> None:
    """Say what is behind a figure that a budget limits."""


@budget.command()
@click.argument("metric")
@click.argument("artifact", type=FOLDER)
@click.option("--data", "data", multiple=True, metavar="FILE", help="Rows to explain it on.")
@click.option("--text", default="text", show_default=True, metavar="COLUMN")
@click.option("--label", default="label", show_default=True, metavar="COLUMN")
@click.option("--reference", type=FOLDER, metavar="FOLDER", help="An exported model to compare.")
@click.option("--threads", default=1, show_default=True, type=click.IntRange(0))
@click.option("--top", default=10, show_default=True, type=click.IntRange(1), help="Rows a table.")
@json_output
@quietness
@verbosity
def explain(
    metric: str,
    artifact: Path,
    data: tuple[str, ...],
    text: str,
    label: str,
    reference: Path | None,
    threads: int,
    top: int,
    as_json: bool,
    quiet: bool,
) -> None:
    """Say why METRIC of ARTIFACT is what it is.

    Latency and throughput by the runtime's own profiler, size by tensor, cold start and memory
    by step, accuracy by class, sustained speed over time.
    """
    from compress.data.dataset import DataSettings
    from compress.explain.explain import explain as find
    from compress.explain.question import Question
    from runtimes.artifact import read_artifact

    question = Question(
        metric=metric,
        artifact=read_artifact(artifact),
        data=DataSettings(train=(), test=data, text=text, label=label) if data else None,
        reference=read_artifact(reference) if reference else None,
        threads=threads,
        top=top,
        progress=terminal(quiet),
    )
    found = find(question)
    if as_json:
        print_json(found.to_json(metric))
    else:
        click.echo(found.text(metric))


@budget.command()
@click.argument("artifact", type=FOLDER)
@rows_options
@click.option("--reference", metavar="FOLDER", help="The teacher, for retention and speed-up.")
@click.option("--profile", default="local", show_default=True, metavar="NAME", help="The device.")
@click.option(
    "--headroom",
    default=0.0,
    show_default=True,
    type=click.FloatRange(0, 10),
    help="A share on top of what noise and drift need, as in 0.1.",
)
@click.option("--seed", default=7, show_default=True, type=click.IntRange(0))
@tier_option
@json_output
@quietness
@verbosity
def suggest(
    artifact: Path,
    data: tuple[str, ...],
    text: str,
    label: str,
    reference: str | None,
    profile: str,
    headroom: float,
    seed: int,
    tier: str,
    as_json: bool,
    quiet: bool,
) -> None:
    """Measure ARTIFACT and print a profile's [budgets] that it meets, each with its reason."""
    import dataclasses

    from compress.data.dataset import DataSettings
    from compress.judge.suggest import suggest_budgets
    from compress.judge.validate import measure_model
    from compress.run.cache import default_cache

    session = measure_model(
        artifact,
        reference,
        DataSettings(train=(), test=data, text=text, label=label),
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
