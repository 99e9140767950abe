"""Gate copies of a model that are known to be slower: which slowdowns are detected?

python -m benchmarks.gate_sensitivity --model ARTIFACT --data CSV --text COL --label COL \\
--planted FOLDER

The slowed copies are those that benchmarks/planted_slowdown.py left in FOLDER (`planted.json` says
what each one truly is); where there are none, they are made first. In every round each copy is
gated once for each --limit on the ratio of the medians, in an order drawn anew, so that all share
whatever else the machine does. Beside each gate the other tools of benchmarks/other_gates.py judge
the same two folders by the same limit.

A slowdown within the limit should PASS: it is what the budget allows. One beyond it is caught
reliably when at least 90 % of the gates FAIL, also of every larger one.

--json FILE holds `schema_version`, `model` {digest, format}, `settings`, `machine`, `seconds` (of
the last session), `planted` (as in planted.json), `methods`, `results`: a list of {`limit`,
`nominal_percent`, `true_percent` {value, lower, upper}, `methods`: by name {`trials`, `fail`,
`inconclusive`, `pass`, `fail_share` {value, lower, upper}: exact one-sided 95 % bounds}, `metrics`:
the same for each budget of ours, `costs` {`gate_s`, `looks`, `overhead`}}, `caught`: by limit the
smallest nominal percent that is caught reliably, by method, null where none is, and `trials`, each
gate as it was.

FILE's name with `.trials.jsonl` gets a line a gate as they come: --resume goes on where a killed
run stopped.
"""

from __future__ import annotations

import json
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click
import numpy as np

from benchmarks.command import run
from benchmarks.gate_trials import (
    JUDGED,
    OURS,
    FewRows,
    Journal,
    Terms,
    aligned,
    costs,
    few_rows,
    gated_artifact,
    metric_tallies,
    tallies,
    trial,
)
from benchmarks.other_gates import METHODS
from benchmarks.planted_slowdown import PERCENTS, plant_all, shown_percent
from compress.judge.tiers import TIERS
from profiles.job import Job
from runtimes.artifact import Artifact
from runtimes.errors import InputError

RELIABLE = 0.9
"""A slowdown counts as detected from this share of FAIL among its gates."""

Planted = Mapping[str, Any]
"""One entry of planted.json's `planted`."""


@dataclass(frozen=True, slots=True)
class Cell:
    """Name one gate of many: a round, a limit and a slowed copy by its nominal percent."""

    number: int
    limit: float
    nominal: float


@click.command(context_settings={"show_default": True})
@click.option("--model", required=True, type=click.Path(path_type=Path), metavar="ARTIFACT")
@click.option("--data", required=True, metavar="CSV", help="Labeled rows.")
@click.option("--text", default="text", help="The column of texts.")
@click.option("--label", default="label", help="The column of labels.")
@click.option("--planted", required=True, type=click.Path(path_type=Path), metavar="FOLDER")
@click.option("--gates", default=10, type=click.IntRange(1), help="Gates a copy and limit.")
@click.option("--limit", "limits", multiple=True, default=(1.05,), type=click.FloatRange(1))
@click.option("--tier", default="ci", type=click.Choice(tuple(TIERS)))
@click.option("--profile", default="regression", help="Budgets of the gates.")
@click.option("--rows", default=200, type=click.IntRange(2), help="So many rows of the data.")
@click.option("--seed", default=7, type=click.IntRange(0))
@click.option("--quick", is_flag=True, help="One gate of tier quick a copy: that it runs.")
@click.option("--resume", is_flag=True, help="Resume with the trials beside --json FILE.")
@click.option("--json", "json_file", type=click.Path(path_type=Path), help="Write figures here.")
def main(json_file: Path | None, quick: bool, **options: Any) -> None:
    """Gate copies of a model that are known to be slower, and count the detected slowdowns."""
    if quick:
        options |= {"gates": 1, "tier": "quick"}
    run(lambda: count_caught(json_file=json_file, quick=quick, **options), table, json_file)


def count_caught(
    *,
    model: Path,
    data: str,
    text: str,
    label: str,
    planted: Path,
    gates: int,
    limits: Sequence[float],
    tier: str,
    profile: str,
    rows: int,
    seed: int,
    quick: bool,
    resume: bool,
    json_file: Path | None,
) -> dict[str, Any]:
    """Gate every copy so many times, and return the figures of the module's docstring."""
    artifact = gated_artifact(model)
    machine = Job().facts()
    if not (planted / "planted.json").is_file():
        plant_all(
            model=model,
            data=data,
            text=text,
            out=planted,
            percent=PERCENTS,
            rows=rows,
            rounds=40,
            seed=seed,
            quick=quick,
        )
    copies = planted_copies(planted, artifact)
    settings = {"tier": tier, "profile": profile, "rows": rows, "seed": seed}
    settings |= {"limits": list(limits)}
    head = {
        "benchmark": "gate_sensitivity",
        "model": artifact.digest,
        "copies": [row["digest"] for row in copies],
        "machine": machine.fingerprint(),
        **settings,
    }
    journal = Journal(json_file, head, resume)
    started = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="edgepress-sensitivity-") as scratch:
        few = few_rows(data, text, label, rows, seed, Path(scratch))
        order = list(cells([row["nominal_percent"] for row in copies], limits, gates, seed))
        folders = {row["nominal_percent"]: planted / row["folder"] for row in copies}
        _gate_on(journal, artifact, folders, few, order, profile, tier, seed)
    return {
        "schema_version": 1,
        "model": {"digest": artifact.digest, "format": artifact.format},
        "settings": {"gates": gates, **settings},
        "machine": machine.to_json(),
        "seconds": round(time.monotonic() - started, 1),
        "planted": copies,
        "methods": {method.name: method.source for method in METHODS},
        **summarize(journal.trials, copies),
        "trials": journal.trials,
    }


def planted_copies(folder: Path, artifact: Artifact) -> list[Planted]:
    """Read and check what was planted, the smallest slowdown first.

    Raises InputError when it was planted in another model, ArtifactError when a copy was changed.
    """
    content = json.loads((folder / "planted.json").read_text(encoding="utf-8"))
    if content["model"]["digest"] != artifact.digest:
        raise InputError(
            f"{folder}: slowed copies of another model",
            expected=f"digest {artifact.digest[:12]}",
            available=f"digest {content['model']['digest'][:12]}",
            action="give the model that they were made from, or a new folder",
        )
    for row in content["planted"]:
        gated_artifact(folder / row["folder"])
    return sorted(content["planted"], key=lambda row: float(row["nominal_percent"]))


def cells(
    nominals: Sequence[float], limits: Sequence[float], gates: int, seed: int
) -> Iterator[Cell]:
    """Yield every gate; each round has each copy at each limit, in a new order."""
    generator = np.random.default_rng(seed)
    for number in range(gates):
        every = [Cell(number, limit, nominal) for limit in limits for nominal in nominals]
        yield from (every[place] for place in generator.permutation(len(every)))


def _gate_on(
    journal: Journal,
    artifact: Artifact,
    folders: Mapping[float, Path],
    rows: FewRows,
    order: Sequence[Cell],
    profile: str,
    tier: str,
    seed: int,
) -> None:
    for place, cell in enumerate(order[len(journal.trials) :], len(journal.trials)):
        gate = trial(
            artifact,
            gated_artifact(folders[cell.nominal]),
            rows,
            Terms(profile, tier, cell.limit),
            seed=seed + place,
            others_first=cell.number % 2 > 0,
        )
        journal.add({"limit": cell.limit, "nominal_percent": cell.nominal, **gate})
        _tell(place, len(order), journal.trials[-1])


def _tell(place: int, gates: int, gate: Mapping[str, Any]) -> None:
    ours = gate["gate"]
    ratio = ours["checks"].get(JUDGED, {}).get("value")
    click.echo(
        f"gate {place + 1} of {gates}, planted {gate['nominal_percent']:g} %,"
        f" limit {gate['limit']:g}: {ours['status']}"
        f" at {'?' if ratio is None else f'{ratio:.3f}'} after {ours['looks']} looks,"
        f" {ours['wall_s']:.0f} s",
        err=True,
    )


def summarize(trials: Sequence[Mapping[str, Any]], copies: Sequence[Planted]) -> dict[str, Any]:
    """Return counts and costs by limit and copy, and the reliably detected slowdowns."""
    results = []
    for limit in dict.fromkeys(row["limit"] for row in trials):
        for copy in copies:
            nominal = copy["nominal_percent"]
            rows = [r for r in trials if r["limit"] == limit and r["nominal_percent"] == nominal]
            if rows:
                results.append({"limit": limit, "nominal_percent": nominal, **_result(rows, copy)})
    return {"results": results, "caught": caught(results)}


def _result(rows: Sequence[Mapping[str, Any]], copy: Planted) -> dict[str, Any]:
    return {
        "true_percent": copy["percent"],
        "methods": {name: count.to_json() for name, count in tallies(rows).items()},
        "metrics": {name: count.to_json() for name, count in metric_tallies(rows).items()},
        "costs": costs(rows),
    }


def caught(results: Sequence[Mapping[str, Any]]) -> dict[str, dict[str, float | None]]:
    """Return by limit and method the smallest slowdown detected reliably, with all larger ones."""
    smallest: dict[str, dict[str, float | None]] = {}
    for limit in dict.fromkeys(row["limit"] for row in results):
        rows = [row for row in results if row["limit"] == limit and row["nominal_percent"] > 0]
        falling = sorted(rows, key=lambda row: -float(row["nominal_percent"]))
        names = dict.fromkeys(name for row in rows for name in row["methods"])
        smallest[f"{limit:g}"] = {name: _smallest(name, falling) for name in names}
    return smallest


def _smallest(method: str, falling: Sequence[Mapping[str, Any]]) -> float | None:
    smallest: float | None = None
    for row in falling:
        if row["methods"][method]["fail_share"]["value"] < RELIABLE:
            break
        smallest = float(row["nominal_percent"])
    return smallest


def table(result: Mapping[str, Any]) -> str:
    """Return a table for each limit: the verdicts on each slowdown, and the other tools' alarms."""
    parts = []
    for limit in dict.fromkeys(row["limit"] for row in result["results"]):
        head = ("planted", "true %", "FAIL", "inconclusive", "PASS", "gate s")
        lines = [(*head, *(method.name for method in METHODS))]
        lines += [_line(row) for row in result["results"] if row["limit"] == limit]
        smallest = (
            f"{name}: {'none' if nominal is None else f'{nominal:g} %'}"
            for name, nominal in result["caught"][f"{limit:g}"].items()
        )
        caught_line = (
            f"smallest caught in {100 * RELIABLE:.0f} % of gates or more: {'; '.join(smallest)}"
        )
        parts.append(f"limit {limit:g}\n{aligned(lines)}\n{caught_line}")
    return "\n\n".join(parts)


def _line(row: Mapping[str, Any]) -> tuple[str, ...]:
    ours = row["methods"][OURS]
    others = (row["methods"][method.name] for method in METHODS)
    return (
        f"{row['nominal_percent']:g} %",
        shown_percent(row["true_percent"]),
        *(f"{ours[key]}" for key in ("fail", "inconclusive", "pass")),
        f"{row['costs']['gate_s']['median']:.0f}",
        *(f"{other['fail']} of {other['trials']}" for other in others),
    )


if __name__ == "__main__":
    main()
