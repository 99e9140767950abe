"""edgepress baseline: store a measurement, show it, compare two."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from compress.cli.border import force_option
from compress.cli.command import Group
from compress.cli.judged import commit_measured
from compress.cli.options import (
    history_options,
    json_output,
    kept_answers_option,
    output_options,
    print_json,
    profile_option,
    rows_options,
    seed_option,
    shared_cache,
    terminal,
    tier_option,
    unlabeled_option,
    verbosity,
)
from compress.cli.paths import BASELINE, FILE, FOLDER

if TYPE_CHECKING:
    from profiles.baseline import Baseline


@click.group(
    cls=Group,
    examples=[
        "edgepress baseline save runs/first/bundle --data test.csv --out baseline.json",
        "edgepress gate runs/new/bundle --data test.csv --baseline baseline.json",
    ],
)
def baseline() -> None:
    """Store a measurement, show it, compare two."""


@baseline.command(
    examples=["edgepress baseline save runs/first/bundle --data test.csv --out baseline.json"]
)
@click.argument("artifact", type=FOLDER)
@rows_options
@unlabeled_option
@click.option("--out", type=BASELINE, required=True, help="Write this file.")
@profile_option("Measure with the runtime and the threads of this profile.")
@kept_answers_option
@history_options
@seed_option
@tier_option
@force_option()
@output_options
def save(
    artifact: Path,
    data: tuple[str, ...],
    text: str,
    text_pair: str,
    label: str,
    group: str | None,
    unlabeled: bool,
    out: Path,
    profile: str,
    kept_answers: bool,
    history: Path | None,
    commit: str | None,
    branch: str | None,
    seed: int,
    tier: str,
    as_json: bool,
    quiet: bool,
) -> None:
    """Measure ARTIFACT and store the measurement.

    `edgepress gate --baseline` compares a later model with it.
    """
    from compress.data.dataset import DataSettings
    from compress.judge.baselines import save_baseline

    measured = commit_measured(history, commit, branch)
    stored = save_baseline(
        artifact,
        out,
        DataSettings(train=(), test=data, text=text, text_pair=text_pair, label=label, group=group),
        profile=profile,
        tier=tier,
        seed=seed,
        unlabeled=unlabeled,
        progress=terminal(quiet),
        shared=shared_cache(kept_answers),
    )
    if history is not None and measured is not None:
        from compress.history.recording import record_baseline
        from profiles.device import load_profile

        record_baseline(stored, load_profile(profile).name, history, measured)
    _print(stored, as_json=as_json)
    if not as_json:
        click.echo(f"{'file':<20}{out}")


@baseline.command(examples=["edgepress baseline show baseline.json"])
@click.argument("file", type=FILE)
@json_output
@verbosity
def show(file: Path, as_json: bool) -> None:
    """Show the measurement that is stored in FILE."""
    from profiles.baseline import read_baseline

    _print(read_baseline(file), as_json=as_json)


@baseline.command("compare", examples=["edgepress baseline compare old.json new.json"])
@click.argument("old", type=FILE)
@click.argument("new", type=FILE)
@json_output
@verbosity
def compare_two(old: Path, new: Path, as_json: bool) -> None:
    """Compare the figures of NEW with those of OLD.

    Each figure is NEW's over OLD's, with its bounds. A latency, a size or a memory below 1 is
    an improvement; so is an accuracy above 1.
    """
    from compress.judge.baselines import comparisons
    from profiles.baseline import read_baseline, remarks

    then, now = read_baseline(old), read_baseline(new)
    rows, said = comparisons(now, then), remarks(now, then)
    if as_json:
        print_json({"figures": [row.to_json() for row in rows], "remarks": said})
        return
    for row in rows:
        click.echo(f"{row.metric:<28}{row.text()}")
    for remark in said:
        click.echo(f"note: {remark}")


def _print(stored: Baseline, *, as_json: bool) -> None:
    if as_json:
        print_json(stored.to_json())
        return
    for name, value in _lines(stored):
        click.echo(f"{name:<20}{value}")


def _lines(stored: Baseline) -> list[tuple[str, str]]:
    model, machine, scores = stored.model, stored.machine, stored.scores()
    several = {
        "latency_p50_ms": stored.latency_p50_ms,
        "latency_p90_ms": stored.latency_p90_ms,
        "cold_start_ms": stored.cold_start_ms,
        "rss_peak_mb": stored.rss_peak_mb,
    }
    return [
        ("model", f"{model.name} ({model.format}, {model.digest[:12]})"),
        ("runtime", f"{model.runtime} {model.runtime_version}, threads {model.threads}"),
        ("machine", f"{machine.cpu_model} ({machine.fingerprint})"),
        ("created", stored.created),
        ("rows", f"{stored.rows:,}"),
        *((name, _spread(values)) for name, values in several.items() if values),
        ("artifact_mb", f"{stored.artifact_mb:.3f}"),
        *([(stored.metric, f"{scores.metric:.4f}")] if scores is not None else []),
    ]


def _spread(values: tuple[float, ...]) -> str:
    from statistics import median

    low, high = min(values), max(values)
    return f"{median(values):.3f} ({low:.3f} to {high:.3f} in {len(values)} processes)"
