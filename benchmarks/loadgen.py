"""An outside clock: MLPerf's LoadGen drives `predict`, beside edgepress's own figures.

python -m benchmarks.loadgen --texts CSV --text COL --per-s N MODEL

MODEL is an artifact or a bundle. In each round one fresh process is measured by edgepress, as a
gate does, and two are driven by LoadGen: in its SingleStream scenario (the next text when the last
one is answered: `latency_…`), and in its Server scenario (texts arrive as a Poisson process:
`server_latency_…_at_N_per_s`). The order within a round is drawn. LoadGen's clock is C++: from
before it calls Python (SingleStream) or from the scheduled arrival (Server) until Python tells it
that the answer is there. So its figures have its own callback in them, some microseconds.
"""

from __future__ import annotations

import csv
import json
import os
import random
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from functools import reduce
from itertools import cycle, islice
from pathlib import Path
from typing import Any, TypeVar

import click

from benchmarks.command import run
from profiles.job import Job
from profiles.measurement import summarize
from profiles.statistics import Interval, mean_interval
from runtimes.artifact import open_artifact
from runtimes.errors import BackendError
from runtimes.measure import MeasurePlan, Samples, Variant, joined
from runtimes.runtime import runs_in
from runtimes.worker import environment_of

_T = TypeVar("_T")

_PERCENTILES = ("p50", "p90", "p99")
_KEYS = {name: f"result_{name[1:]}.00_percentile_latency_ns" for name in _PERCENTILES}
_PROCESS = "import benchmarks.loadgen as b, json, sys; print(json.dumps(b.drive(*sys.argv[1:])))"
_CONFIDENCE = 0.95
_WARM_UP_S = 1.0


@click.command(context_settings={"show_default": True})
@click.argument("model", type=click.Path(path_type=Path, exists=True, file_okay=False))
@click.option("--texts", required=True, type=click.Path(path_type=Path, dir_okay=False))
@click.option("--text", default="text", help="The column of texts.")
@click.option("--rows", default=300, type=click.IntRange(2), help="The first so many texts.")
@click.option("--per-s", default=50, type=click.IntRange(1, 99999), help="Requests a second.")
@click.option("--seconds", default=6.0, type=click.FloatRange(0.5), help="Of each load.")
@click.option("--rounds", default=12, type=click.IntRange(2), help="Fresh processes of each.")
@click.option("--seed", default=7)
@click.option("--json", "json_file", type=click.Path(path_type=Path), help="Write the figures.")
def main(json_file: Path | None, **settings: Any) -> None:
    """Print LoadGen's percentiles beside edgepress's intervals of the same model."""
    run(lambda: measured(**settings), table, json_file)


def measured(
    model: Path,
    texts: Path,
    text: str,
    rows: int,
    per_s: int,
    seconds: float,
    rounds: int,
    seed: int,
) -> dict[str, Any]:
    """Measure in rounds; return LoadGen's percentiles of each run and edgepress's intervals.

    Raises BackendError when a process fails, InputError for a folder that is no model.
    """
    chosen = _texts(texts, text, rows)
    artifact = open_artifact(model)
    variant = Variant("model", artifact, runs_in(artifact.format))
    sessions: list[Samples] = []
    driven: dict[str, list[dict[str, float]]] = {"SingleStream": [], "Server": []}
    order = random.Random(seed)
    for number in range(rounds):
        plan = MeasurePlan(
            processes=1,
            first_process=number,
            cold_starts=1,
            seed=seed,
            requests_per_s=(per_s,),
            server_s=seconds,
        )
        steps: list[Callable[[], None]] = [_keeping(sessions, _own, variant, chosen, plan)]
        for scenario, runs in driven.items():
            call = [model, texts, text, rows, scenario, per_s, seconds, seed + number]
            steps.append(_keeping(runs, _in_a_process, call))
        for step in order.sample(steps, len(steps)):
            step()
    samples = reduce(joined, sessions)
    figures = summarize(samples).all(_CONFIDENCE)
    return {
        "model": model.name,
        "per_s": per_s,
        "seconds": seconds,
        "rounds": rounds,
        "loadgen_ms": driven,
        "edgepress": {
            metric: figures[metric].to_json() for metric in _metrics(per_s) if metric in figures
        },
    }


def _keeping(kept: list[_T], measure: Callable[..., _T], *arguments: Any) -> Callable[[], None]:
    """Return a step that measures once and keeps the result."""
    return lambda: kept.append(measure(*arguments))


def _metrics(per_s: int) -> dict[str, tuple[str, str]]:
    """Return the scenario and the percentile that each of our metrics is compared with."""
    single = {f"latency_{name}_ms": ("SingleStream", name) for name in _PERCENTILES}
    server = {
        f"server_latency_{name}_at_{per_s}_per_s_ms": ("Server", name) for name in _PERCENTILES
    }
    return {**single, **server}


def _own(variant: Variant, rows: list[str], plan: MeasurePlan) -> Samples:
    samples = Job().measure([variant], rows, plan)["model"]
    samples.raise_fault()
    return samples


def _texts(file: Path, column: str, rows: int) -> list[str]:
    with file.open(encoding="utf-8", newline="") as stream:
        return [row[column] for row in islice(csv.DictReader(stream), rows)]


def drive(
    model: str,
    file: str,
    column: str,
    rows: str,
    scenario: str,
    per_s: str,
    seconds: str,
    seed: str,
) -> dict[str, float]:
    """Let LoadGen drive one model in this process, once it is warm; return percentiles in ms."""
    import mlperf_loadgen as loadgen

    from runtimes.predict import open_predictor

    texts = _texts(Path(file), column, int(rows))
    predictor = open_predictor(Path(model))

    def answer(text: str) -> None:
        predictor.task.shown(predictor.answer(text), text, 0)

    def issue(samples: Sequence[Any]) -> None:
        for sample in samples:
            answer(texts[sample.index])
            done = loadgen.QuerySampleResponse(sample.id, 0, 0)
            loadgen.QuerySamplesComplete([done])

    _warm(answer, texts)
    settings = _settings(loadgen, scenario, int(per_s), float(seconds), int(seed))
    system = loadgen.ConstructSUT(issue, _nothing)
    library = loadgen.ConstructQSL(len(texts), len(texts), _nothing, _nothing)
    with tempfile.TemporaryDirectory() as folder:
        loadgen.StartTestWithLogSettings(system, library, settings, _logged(loadgen, folder), "")
        said = (Path(folder) / "mlperf_log_detail.txt").read_text(encoding="utf-8")
    loadgen.DestroyQSL(library)
    loadgen.DestroySUT(system)
    return percentiles_ms(said)


def _warm(answer: Callable[[str], None], texts: Sequence[str]) -> None:
    begun = time.perf_counter()
    for text in cycle(texts):
        answer(text)
        if time.perf_counter() - begun > _WARM_UP_S:
            return


def _settings(loadgen: Any, scenario: str, per_s: int, seconds: float, seed: int) -> Any:
    settings = loadgen.TestSettings()
    settings.scenario = getattr(loadgen.TestScenario, scenario)
    settings.mode = loadgen.TestMode.PerformanceOnly
    settings.server_target_qps = per_s
    settings.server_target_latency_ns = 10**9  # only for its own verdict, which is not used
    settings.single_stream_expected_latency_ns = 50_000  # so many queries are made beforehand
    settings.min_duration_ms = round(1e3 * seconds)
    settings.min_query_count = 50
    for name in ("qsl_rng_seed", "sample_index_rng_seed", "schedule_rng_seed"):
        setattr(settings, name, seed)
    return settings


def _logged(loadgen: Any, folder: str) -> Any:
    output, settings = loadgen.LogOutputSettings(), loadgen.LogSettings()
    output.outdir = folder
    settings.log_output = output
    settings.enable_trace = False
    return settings


def _nothing(*_: Any) -> None:
    """Do nothing: texts are in memory, and no answer is held back."""


def percentiles_ms(log: str) -> dict[str, float]:
    """Read the percentiles from LoadGen's detail log, a JSON object a line."""
    lines = (line.partition(":::MLLOG ")[2] for line in log.splitlines())
    said = {row["key"]: row["value"] for row in map(json.loads, filter(None, lines))}
    return {name: said[key] / 1e6 for name, key in _KEYS.items()}


def _in_a_process(call: Sequence[object]) -> dict[str, float]:
    done = subprocess.run(
        [sys.executable, "-c", _PROCESS, *map(str, call)],
        capture_output=True,
        encoding="utf-8",
        check=False,
        env={**os.environ, **environment_of(1, os.pathsep.join(sys.path))},
    )
    if done.returncode != 0:
        raise BackendError(
            f"LoadGen's process failed: {done.stderr.strip()[-500:]}",
            action="run its last command alone",
        )
    values: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return values


def table(result: Mapping[str, Any]) -> str:
    """Return a Markdown table: LoadGen's value is the geometric mean of its runs."""
    lines = [
        f"| {result['model']} | LoadGen ms | its runs | edgepress ms | |",
        "|---|---|---|---|---|",
    ]
    for metric, (scenario, name) in _metrics(result["per_s"]).items():
        ours = result["edgepress"][metric]
        runs = [run[name] for run in result["loadgen_ms"][scenario]]
        theirs = mean_interval(runs, _CONFIDENCE)
        bounds = f"{_ms(ours['value'])} [{_ms(ours['lower'])}, {_ms(ours['upper'])}]"
        spread = f"{min(runs):.2f} to {max(runs):.2f}"
        said = compared(theirs, ours["lower"], ours["upper"], ours["why"])
        lines.append(f"| `{metric}` | {_ms(theirs.value)} | {spread} | {bounds} | {said} |")
    return "\n".join(lines)


def compared(theirs: Interval, lower: float | None, upper: float | None, why: str) -> str:
    """Say whether LoadGen's value lies in our interval, or why not."""
    value, low, high = theirs.value, theirs.lower, theirs.upper
    assert value is not None  # there are two runs at least
    assert low is not None
    assert high is not None
    if lower is None or upper is None:
        return why or "no bounds"
    if lower <= value <= upper:
        return "inside"
    away = 100 * (value / (upper if value > upper else lower) - 1)
    said = f"{away:+.1f} % beyond the bound"
    overlap = low <= upper and lower <= high
    return f"{said}; its own runs allow [{low:.2f}, {high:.2f}]" if overlap else said


def _ms(value: float | None) -> str:
    return "–" if value is None else f"{value:.2f}"


if __name__ == "__main__":
    main()
