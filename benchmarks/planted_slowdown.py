"""Add a known slowdown to a copy of an ONNX classifier: more work in its graph, not a sleep.

python -m benchmarks.planted_slowdown --model ARTIFACT --data CSV --text COL --out FOLDER

The added work is of the model's own kind: columns of its largest dense layers (MatMul or
MatMulInteger) are computed once more from the same activations, so it grows with the row's length
as they do. Its sum, times 1e-30, is added to the logits: the runtime cannot leave it out, and no
float32 logit changes. No weights are added, so the file grows by some hundred bytes.

The numbers of columns for 3, 5, 10 and 20 % are measured: every copy and the plain model run
interleaved, each round in fresh processes, and a line through the results gives the next guess. A
last session, which no guess uses, measures the final slowdowns. A planted 0 % is a plain copy.

How much slower a copy is: the median ratio of the latencies of the same row in the same block,
clean samples alone; of these the median over the rounds, bounded by order statistics. A round has
fresh processes, and sometimes one of them differs by several percent as long as it lives, which
would distort the mean of a few rounds.

FOLDER gets `plus-3`, `plus-5`, … and `planted.json`, which --json FILE repeats: `schema_version`,
`model` {digest, format, runtime, runtime_version}, `settings`, `machine`, `seconds`, and `planted`,
a list of {`folder`, `nominal_percent`, `columns`, `digest`, `percent` {value, lower, upper} (how
much slower it is, one-sided 95 % bounds), `shorter_percent` and `longer_percent` (the same on the
shorter and the longer half of the rows), `within` (the value is within half a point of the nominal
one), `logits_differ` (the largest difference of a logit)}.
"""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click
import numpy as np

from benchmarks.command import run
from benchmarks.planted_work import dense_layers, slow_copy
from compress.data.reading import read_table
from profiles.job import Job
from profiles.statistics import Interval, percentile_interval
from runtimes.artifact import Artifact, read_artifact
from runtimes.errors import BackendError, InputError, UnsupportedError
from runtimes.files import write_json
from runtimes.measure import MeasurePlan, Variant
from runtimes.predict import open_predictor
from runtimes.runtime import runs_in
from runtimes.samples import Samples

PERCENTS = (0.0, 3.0, 5.0, 10.0, 20.0)
TOLERANCE = 0.5
"""The percentage points by which a slowdown may differ from its nominal one."""

PLAIN = "plain"
_GUESSES = 3
"""Sessions for guessing the columns; all of their results count for the last guess."""


@dataclass(frozen=True, slots=True)
class Planted:
    """Hold one slowed copy: its nominal slowdown, and how many columns it computes again."""

    nominal: float
    columns: int
    artifact: Artifact

    @property
    def name(self) -> str:
        """Return the name of the copy's folder and of its variant."""
        return f"plus-{self.nominal:g}"


@click.command(context_settings={"show_default": True})
@click.option("--model", required=True, type=click.Path(path_type=Path), metavar="ARTIFACT")
@click.option("--data", required=True, metavar="CSV", help="Rows whose texts are run.")
@click.option("--text", default="text", help="The column of texts.")
@click.option("--out", required=True, type=click.Path(path_type=Path), metavar="FOLDER")
@click.option("--percent", multiple=True, default=PERCENTS, type=click.FloatRange(0, 100))
@click.option("--rows", default=200, type=click.IntRange(2), help="So many texts of the data.")
@click.option("--rounds", default=40, type=click.IntRange(2), help="Rounds of the last session.")
@click.option("--seed", default=7)
@click.option("--quick", is_flag=True, help="Two rounds, one guess: a check, not a result.")
@click.option("--json", "json_file", type=click.Path(path_type=Path), help="Write figures here.")
def main(json_file: Path | None, **options: Any) -> None:
    """Add known slowdowns to copies of an ONNX classifier."""

    def measure() -> dict[str, Any]:
        if json_file is not None and not json_file.resolve().parent.is_dir():
            raise InputError(f"--json {json_file}: no such folder", action="make the folder first")
        return plant_all(**options)

    run(measure, table, json_file)


def plant_all(
    *,
    model: Path,
    data: str,
    text: str,
    out: Path,
    percent: Sequence[float],
    rows: int,
    rounds: int,
    seed: int,
    quick: bool,
) -> dict[str, Any]:
    """Make every slowed copy below `out`, and return the figures of the module's docstring."""
    started = time.monotonic()
    plain = _onnx_artifact(model)
    texts = some_texts(data, text, rows, seed)
    rounds = 2 if quick else rounds
    wanted = sorted(set(percent))
    columns = _calibrate(plain, wanted, texts, rounds, 1 if quick else _GUESSES, seed, out)
    planted = [_plant(plain, nominal, count, out) for nominal, count in columns.items()]
    samples = _session(plain, planted, texts, rounds, seed + 1000)
    content = {
        "schema_version": 1,
        "model": {
            "digest": plain.digest,
            "format": plain.format,
            "runtime": samples[PLAIN].runtime,
            "runtime_version": samples[PLAIN].runtime_version,
        },
        "settings": {"rows": rows, "rounds": rounds, "seed": seed, "quick": quick},
        "machine": Job().facts().to_json(),
        "seconds": round(time.monotonic() - started, 1),
        "planted": [_row(one, plain, samples, texts) for one in planted],
    }
    write_json(out / "planted.json", content)
    return content


def some_texts(data: str, column: str, rows: int, seed: int) -> tuple[str, ...]:
    """Return so many texts of a file, drawn by the seed; all texts if it has fewer."""
    texts = [row[0] for row in read_table(data, Path(), (column,), None).rows]
    drawn = np.random.default_rng(seed).permutation(len(texts))[:rows]
    return tuple(texts[index] for index in drawn)


def _onnx_artifact(folder: Path) -> Artifact:
    artifact = read_artifact(folder)
    if artifact.format != "onnx":
        raise UnsupportedError(
            f"{folder}: format {artifact.format!r}; work is planted in ONNX graphs only",
            expected="an artifact of format 'onnx'",
            action="run `edgepress export` first",
        )
    artifact.verify()
    return artifact


# --- how much of it ------------------------------------------------------------------------------


def _calibrate(
    plain: Artifact,
    wanted: Sequence[float],
    texts: Sequence[str],
    rounds: int,
    guesses: int,
    seed: int,
    out: Path,
) -> dict[float, int]:
    """Return how many columns make each slowdown, in percent."""
    layers = dense_layers(_loaded(plain))
    most = sum(layer.columns - 1 for layer in layers)
    # First guess: dense layers take all of the time, and all columns take the same time.
    every = sum(layer.columns for layer in layers)
    columns = {nominal: min(round(nominal / 100 * every), most) for nominal in wanted}
    seen: list[tuple[int, float]] = []
    for guess in range(guesses if any(wanted) else 0):
        planted = [
            _plant(plain, nominal, count, out) for nominal, count in columns.items() if count
        ]
        samples = _session(plain, planted, texts, rounds, seed + guess)
        slower = [percent_slower(samples[one.name], samples[PLAIN]).value for one in planted]
        _tell(guess, planted, slower)
        both = zip(planted, slower, strict=True)
        seen += [(one.columns, value) for one, value in both if value is not None]
        if not seen:
            raise BackendError(
                "every sample was preempted or waited",
                action="end what else uses the processor, or wait until it ends",
            )
        columns = {nominal: next_guess(seen, nominal, most) for nominal in wanted}
    return columns


def _loaded(artifact: Artifact) -> Any:
    import onnx

    return onnx.load(artifact.model_file, load_external_data=False)


def next_guess(seen: Iterable[tuple[int, float]], nominal: float, most: int) -> int:
    """Return the columns for a slowdown, by a line through the measured (columns, percent).

    Points are weighted by their distance to the nominal one, because kernels compute columns in
    panels and the line is not quite straight. A single point, or a line that does not rise, is
    scaled proportionally.
    """
    if not nominal:
        return 0
    columns, percents = np.array([*seen], dtype=np.float64).T
    weights = 1 / (np.abs(percents - nominal) + TOLERANCE)
    slope = intercept = 0.0
    if len(set(columns)) > 1:
        slope, intercept = np.polyfit(columns, percents, 1, w=weights)
    if slope <= 0:
        nearest = int(np.argmax(weights))
        slope, intercept = max(percents[nearest], TOLERANCE) / columns[nearest], 0.0
    return int(np.clip(round((nominal - intercept) / slope), 1, most))


def _plant(plain: Artifact, nominal: float, columns: int, out: Path) -> Planted:
    return Planted(nominal, columns, slow_copy(plain, columns, out / f"plus-{nominal:g}"))


def _session(
    plain: Artifact, planted: Sequence[Planted], texts: Sequence[str], rounds: int, seed: int
) -> dict[str, Samples]:
    """Measure the plain model and its slowed copies, interleaved, in so many rounds."""
    runtime = runs_in(plain.format)
    variants = [Variant(PLAIN, plain, runtime)]
    variants += [Variant(one.name, one.artifact, runtime) for one in planted]
    plan = MeasurePlan(
        processes=rounds, blocks=6, warmup_s=0.1, warmup_limit_s=0.3, cold_starts=0, seed=seed
    )
    return Job().measure(variants, texts, plan)


def percent_slower(slowed: Samples, plain: Samples) -> Interval:
    """Return how many percent slower a variant is, with one-sided 95 % bounds."""
    ratios = list(_round_ratios(slowed, plain))
    if not ratios:
        return Interval(None, None, None, 0, "no row ran clean in both")
    bound = percentile_interval(ratios, 0.5, 0.95, noun="rounds")
    lower, upper = (None if it is None else 100 * (it - 1) for it in (bound.lower, bound.upper))
    return Interval(100 * (float(np.median(ratios)) - 1), lower, upper, bound.samples, bound.why)


def _round_ratios(slowed: Samples, plain: Samples) -> Iterator[float]:
    """Yield each round's median ratio of two latencies of the same row in the same block."""
    usual = {(block.process, block.place): block for block in plain.blocks}
    rounds: dict[int, list[float]] = {}
    for block in slowed.blocks:
        other = usual[block.process, block.place]
        dirty = np.array(block.contaminated) | np.array(other.contaminated)
        ratios = np.array(block.latency_ms) / np.array(other.latency_ms)
        rounds.setdefault(block.process, []).extend(ratios[~dirty])
    return (float(np.median(ratios)) for ratios in rounds.values() if ratios)


def _tell(guess: int, planted: Sequence[Planted], slower: Sequence[float | None]) -> None:
    said = (
        f"{one.nominal:g} % with {one.columns} columns:"
        f" {'?' if value is None else f'{value:.2f}'} %"
        for one, value in zip(planted, slower, strict=True)
    )
    click.echo(f"guess {guess + 1}: {'; '.join(said)}", err=True)


# --- what was reached ----------------------------------------------------------------------------


def _row(
    one: Planted, plain: Artifact, samples: Mapping[str, Samples], texts: Sequence[str]
) -> dict[str, Any]:
    slowed, usual = samples[one.name], samples[PLAIN]
    reached = percent_slower(slowed, usual)
    middle = np.median([len(text) for text in texts])
    halves = {}
    for key, keep in (
        ("shorter_percent", lambda row: len(texts[row]) <= middle),
        ("longer_percent", lambda row: len(texts[row]) > middle),
    ):
        halves[key] = _bounds(percent_slower(only_rows(slowed, keep), only_rows(usual, keep)))
    return {
        "folder": one.artifact.path.name,
        "nominal_percent": one.nominal,
        "columns": one.columns,
        "digest": one.artifact.digest,
        "percent": _bounds(reached),
        **halves,
        "within": reached.value is not None and abs(reached.value - one.nominal) <= TOLERANCE,
        "logits_differ": logits_differ(plain, one.artifact, texts[:50]),
    }


def only_rows(samples: Samples, keep: Callable[[int], bool]) -> Samples:
    """Return the samples of some rows only."""
    blocks = []
    for block in samples.blocks:
        kept = [place for place, row in enumerate(block.rows) if keep(row)]
        blocks.append(
            dataclasses.replace(
                block,
                latency_ms=tuple(block.latency_ms[place] for place in kept),
                contaminated=tuple(block.contaminated[place] for place in kept),
                rows=tuple(block.rows[place] for place in kept),
            )
        )
    return dataclasses.replace(samples, blocks=tuple(blocks))


def logits_differ(one: Artifact, other: Artifact, texts: Sequence[str]) -> float:
    """Return the largest difference of a logit between two models on the texts."""
    pair = [open_predictor(artifact.path) for artifact in (one, other)]
    answers = [[model.answer(text) for text in texts] for model in pair]
    return float(np.abs(np.diff(answers, axis=0)).max())


def _bounds(interval: Interval) -> dict[str, float | None]:
    figures = {name: getattr(interval, name) for name in ("value", "lower", "upper")}
    return {name: None if it is None else round(it, 3) for name, it in figures.items()}


def table(content: Mapping[str, Any]) -> str:
    """Return the figures as an aligned table."""
    lines = [("planted %", "true %", "shorter rows", "longer rows", "columns", "logits differ")]
    for row in content["planted"]:
        lines.append(
            (
                f"{row['nominal_percent']:g}",
                shown_percent(row["percent"]) + ("" if row["within"] else " off"),
                shown_percent(row["shorter_percent"]),
                shown_percent(row["longer_percent"]),
                f"{row['columns']}",
                f"{row['logits_differ']:.1g}",
            )
        )
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    return "\n".join(
        "  ".join(cell.rjust(width) for cell, width in zip(line, widths, strict=True))
        for line in lines
    )


def shown_percent(figure: Mapping[str, float | None]) -> str:
    """Format how much slower a copy is, with its bounds; `?` is an unsupported bound."""
    value, lower, upper = (
        "?" if figure[name] is None else f"{figure[name]:.2f}"
        for name in ("value", "lower", "upper")
    )
    return f"{value} [{lower}, {upper}]"


if __name__ == "__main__":
    main()
