"""Gate a model against a copy of itself many times: every FAIL is a false alarm.

python -m benchmarks.gate_false_alarms --model ARTIFACT --data CSV --text COL --label COL

Every second gate runs while another process works a core, so that both halves share whatever else
the machine does meanwhile. Beside each gate, in the same minute and condition, the other tools of
benchmarks/other_gates.py judge the same two folders.

--json FILE holds `schema_version`, `model` {digest, format}, `settings`, `machine`, `seconds` (of
the last session), `methods` (where each other method is from), `results`: by condition (`quiet`,
`loaded`, `all`) and method {`trials`, `fail`, `inconclusive`, `pass`, `fail_share` {value, lower,
upper}: exact one-sided 95 % bounds}, `metrics`: the same for each budget of ours over all gates,
`costs` by condition {`gate_s` {median, most}, `looks` (gates by looks), `overhead` {median, most}},
and `trials`, each gate as it was.

FILE's name with `.trials.jsonl` gets a line a gate as they come: --resume goes on where a killed
run stopped.
"""

from __future__ import annotations

import shutil
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import click

from benchmarks.command import run
from benchmarks.gate_trials import (
    OURS,
    FewRows,
    Journal,
    Terms,
    aligned,
    costs,
    few_rows,
    gated_artifact,
    metric_tallies,
    percent,
    tallies,
    trial,
)
from benchmarks.other_gates import METHODS
from compress.judge.tiers import TIERS
from profiles.job import Job
from runtimes.artifact import Artifact, read_artifact


@click.command(context_settings={"show_default": True})
@click.option("--model", required=True, type=click.Path(path_type=Path), metavar="ARTIFACT")
@click.option("--data", required=True, metavar="CSV", help="Labeled rows.")
@click.option("--text", default="text", help="The column of texts.")
@click.option("--label", default="label", help="The column of labels.")
@click.option("--gates", default=100, type=click.IntRange(2), help="Gates, half of them loaded.")
@click.option("--tier", default="ci", type=click.Choice(tuple(TIERS)))
@click.option("--profile", default="regression", help="Budgets of the gates.")
@click.option("--limit", default=1.05, type=click.FloatRange(1), help="Of the medians' ratio.")
@click.option("--rows", default=200, type=click.IntRange(2), help="So many rows of the data.")
@click.option("--seed", default=7, type=click.IntRange(0))
@click.option("--quick", is_flag=True, help="4 gates of tier quick: a check, not a result.")
@click.option("--resume", is_flag=True, help="Go on with the trials beside --json FILE.")
@click.option("--json", "json_file", type=click.Path(path_type=Path), help="Write figures here.")
def main(json_file: Path | None, quick: bool, **options: Any) -> None:
    """Gate a model against a copy of itself and count the false alarms."""
    if quick:
        options |= {"gates": 4, "tier": "quick"}
    run(lambda: count_alarms(json_file=json_file, **options), table, json_file)


def count_alarms(
    *,
    model: Path,
    data: str,
    text: str,
    label: str,
    gates: int,
    tier: str,
    profile: str,
    limit: float,
    rows: int,
    seed: int,
    resume: bool,
    json_file: Path | None,
) -> dict[str, Any]:
    """Gate so many times, and return the figures of the module's docstring."""
    artifact = gated_artifact(model)
    machine = Job().facts()
    settings = {"tier": tier, "profile": profile, "limit": limit, "rows": rows, "seed": seed}
    head = {
        "benchmark": "gate_false_alarms",
        "model": artifact.digest,
        "machine": machine.fingerprint(),
        **settings,
    }
    journal = Journal(json_file, head, resume)
    started = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="edgepress-alarms-") as scratch:
        few = few_rows(data, text, label, rows, seed, Path(scratch))
        shutil.copytree(model, Path(scratch) / "copy")
        copy = read_artifact(Path(scratch) / "copy")
        _gate_on(journal, artifact, copy, few, Terms(profile, tier, limit), gates, seed)
    return {
        "schema_version": 1,
        "model": {"digest": artifact.digest, "format": artifact.format},
        "settings": {"gates": gates, **settings},
        "machine": machine.to_json(),
        "seconds": round(time.monotonic() - started, 1),
        "methods": {method.name: method.source for method in METHODS},
        **summarize(journal.trials),
        "trials": journal.trials,
    }


def _gate_on(
    journal: Journal,
    artifact: Artifact,
    copy: Artifact,
    rows: FewRows,
    terms: Terms,
    gates: int,
    seed: int,
) -> None:
    for number in range(len(journal.trials), gates):
        gate = trial(
            artifact,
            copy,
            rows,
            terms,
            seed=seed + number,
            loaded=number % 2 > 0,
            others_first=number // 2 % 2 > 0,
        )
        journal.add(gate)
        _tell(number, gates, gate)


def _tell(number: int, gates: int, gate: Mapping[str, Any]) -> None:
    ours = gate["gate"]
    wrong = [name for name, one in gate["others"].items() if one["regressed"]]
    click.echo(
        f"gate {number + 1} of {gates}, {'loaded' if gate['loaded'] else 'quiet'}:"
        f" {ours['status']} after {ours['looks']} looks, {ours['wall_s']:.0f} s;"
        f" alarms of others: {', '.join(wrong) or 'none'}",
        err=True,
    )


def summarize(trials: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Return counts and costs by condition; a condition without gates is left out."""
    parts = {
        "quiet": [row for row in trials if not row["loaded"]],
        "loaded": [row for row in trials if row["loaded"]],
        "all": list(trials),
    }
    met = {condition: rows for condition, rows in parts.items() if rows}
    return {
        "results": {
            condition: {name: count.to_json() for name, count in tallies(rows).items()}
            for condition, rows in met.items()
        },
        "metrics": {name: count.to_json() for name, count in metric_tallies(trials).items()},
        "costs": {condition: costs(rows) for condition, rows in met.items()},
    }


_HEAD = ("false FAIL", "inconclusive", "pass", "FAIL share", "at most (95 %)")


def table(result: Mapping[str, Any]) -> str:
    """Return the false alarms by condition and method, then by budget, and the gates' costs."""
    parts: list[list[tuple[str, ...]]] = []
    for condition, methods in result["results"].items():
        parts.append([(f"{condition}: {methods[OURS]['trials']} gates", *_HEAD)])
        parts[-1] += [_line(name, row) for name, row in methods.items()]
    parts.append([("budgets, all gates", *_HEAD)])
    parts[-1] += [_line(name, row) for name, row in result["metrics"].items()]
    taken = [
        f"{condition}: a gate took {row['gate_s']['median']:.0f} s (median),"
        f" {row['gate_s']['most']:.0f} s at most; gates by looks"
        f" {', '.join(f'{looks}: {count}' for looks, count in row['looks'].items())};"
        f" the engine's own time {percent(row['overhead']['median'])}"
        for condition, row in result["costs"].items()
    ]
    return "\n\n".join([*map(aligned, parts), "\n".join(taken)])


def _line(name: str, row: Mapping[str, Any]) -> tuple[str, ...]:
    share = row["fail_share"]
    counts = (f"{row[key]}" for key in ("fail", "inconclusive", "pass"))
    return (name, *counts, percent(share["value"]), percent(share["upper"]))


if __name__ == "__main__":
    main()
