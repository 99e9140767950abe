"""The frontier: how fast and how small a teacher becomes before it loses 1 % of its accuracy.

python benchmarks/frontier.py --teacher FOLDER --train CSV --test CSV \\ --text COL --label COL
--json FILE [--base FOLDER] [--retention SHARE] [--artifact-mb MB] [--seeds N]
[--front-seeds N] [--quick]

From a fine-tuned text classifier and its rows, whatever they are about:

1. `edgepress search` chooses the student on a validation part of the training file, by its own
rule: the answer, or where no shape is shown to meet the goal, the one that comes nearest; 2. it is
trained again on all training rows, with as many seeds as --seeds (--minutes hold for the search and
the first of them), and with --front-seeds the search's best of every other depth too; 3. each peer
quantizes the same teacher in an environment of its own (benchmarks/peers), or learns the same rows
(`fastText`, `model2vec`, their settings chosen on rows apart); linear models (`TF-IDF word`,
`TF-IDF word + character`) are fitted to them; 4. all of them run on the test file in one
interleaved session, one thread, batch 1 at the rows' real lengths, beside the teacher's fp32 ONNX
(edgepress's own export) in ONNX Runtime; fastText, which no runtime loads, times itself afterwards,
and its row says so; 5. each ingredient of the choice is left out in turn.

No choice is made on the test file: it is read for step 4 alone. --json FILE holds `teacher`,
`artifact` (the first seed), `seeds`, `spread` (their mean, standard deviation and ends), `peers`,
`front` (the search's best student of each depth) and its `front_spread`, `front_at` (the best
retention at 3, 5, 10, 15, 20 and 30 times the speed), `ablation`, `search` (wall time of this
process, seconds of the trainings that earlier ones did as well, peak memory, what retention was
measured against), `against_peers`, `data` and `machine`. Beside it, FILE's name with .md is the
table and with .html the drawing. What is made is kept in the folder of FILE's name, and a command
that was killed goes on there. --quick searches for minutes, with one seed and no ablation.
"""

from __future__ import annotations

import platform
import shlex
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import click

if not __package__:  # run as a file
    sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from benchmarks.frontier_ablation import ablation
from benchmarks.frontier_peers import Comparison, against
from benchmarks.frontier_report import report
from benchmarks.frontier_rows import (
    Contestant,
    figures,
    front_at,
    measured_together,
    page,
    spread,
)
from benchmarks.peers.make import PEERS, PeerModel, make_peers
from benchmarks.peers.own_answers import OwnAnswers, own_answers
from compress.data.dataset import DataSettings
from compress.judge.evaluation import Outcome
from compress.models.teacher import open_model
from compress.recipe import parse_recipe
from compress.run.run_folder import RunFolder
from compress.search.board import TerminalBoard
from compress.search.choice import Standing
from compress.search.request import SearchRequest, SearchResult, request_of
from compress.search.rivals import made_rivals
from compress.search.search import search
from compress.tasks import task_of
from profiles.job import Job
from runtimes.artifact import Artifact, read_artifact
from runtimes.errors import BackendError, EdgepressError
from runtimes.files import write_json, write_text
from runtimes.tokenizing import load_tokenizer

RETENTION = 0.99
SEED = 7
_ROWS = 90_000
"""The number of rows and augmented copies that is enough: larger sets get fewer copies."""
_MOST_COPIES = 6
_LENGTHS = 32
"""Texts are cut at the longest training text's tokens, rounded up to a multiple of this."""


@dataclass(frozen=True, slots=True)
class SearchPlan:
    """Hold the search time in minutes, how much is measured, and the goal."""

    minutes: float
    seeds: int
    rungs: tuple[int, ...]
    tier: str
    ablation: bool
    retention: float = RETENTION
    front_seeds: int = 0
    artifact_mb: float | None = None


FULL = SearchPlan(minutes=90, seeds=5, rungs=(3, 12), tier="ci", ablation=True)
QUICK = SearchPlan(minutes=12, seeds=1, rungs=(2, 6), tier="ci", ablation=False)


@click.command(context_settings={"show_default": True})
@click.option("--teacher", required=True, metavar="FOLDER", help="A fine-tuned classifier.")
@click.option("--base", metavar="FOLDER", help="What the teacher was fine-tuned from.")
@click.option("--train", required=True, type=click.Path(path_type=Path), help="Labeled rows.")
@click.option("--test", required=True, type=click.Path(path_type=Path), help="Labeled rows.")
@click.option("--text", default="text", help="The column of texts.")
@click.option("--label", default="label", help="The column of labels.")
@click.option("--json", "json_file", required=True, type=click.Path(path_type=Path))
@click.option("--quick", is_flag=True, help="Minutes instead of hours: less search, one seed.")
@click.option("--retention", type=click.FloatRange(0, 1, min_open=True), default=RETENTION)
@click.option("--artifact-mb", type=click.FloatRange(0, min_open=True), help="The most it ships.")
@click.option("--minutes", type=click.FloatRange(1), help="For the search; else 90, quick 12.")
@click.option("--seeds", type=click.IntRange(1, 20), help="Refits of the choice; else 5, quick 1.")
@click.option(
    "--front-seeds",
    type=click.IntRange(0, 20),
    default=0,
    help="Refits of the best of each other depth; 0: as the search trained it.",
)
@click.option("--peer", "peers", multiple=True, type=click.Choice([*PEERS, "none"]), help="All.")
@click.option("--ablation/--no-ablation", "ablated", default=None, help="Else not with --quick.")
def main(
    teacher: str,
    base: str | None,
    train: Path,
    test: Path,
    text: str,
    label: str,
    json_file: Path,
    quick: bool,
    retention: float,
    artifact_mb: float | None,
    minutes: float | None,
    seeds: int | None,
    front_seeds: int,
    peers: tuple[str, ...],
    ablated: bool | None,
) -> None:
    """Compress a teacher as far as possible and compare it with the peers' models."""
    known = QUICK if quick else FULL
    effort = SearchPlan(
        minutes or known.minutes,
        seeds or known.seeds,
        known.rungs,
        known.tier,
        known.ablation if ablated is None else ablated,
        retention,
        front_seeds,
        artifact_mb,
    )
    names = [name for name in (peers or PEERS) if name != "none"]
    try:
        board = TerminalBoard()
        recipe = recipe_of(Path(teacher), train, test, text, label, effort, base)
        folder = json_file.with_suffix("")
        parsed = parse_recipe(recipe, Path.cwd(), "frontier")
        assert parsed.target is not None
        request = request_of(parsed, parsed.target, folder, board=board)
        frontier = Frontier(request, effort, names, json_file)
        result = frontier.run()
    except EdgepressError as error:
        click.echo(f"error: {error}", err=True)
        sys.exit(error.exit_code)
    click.echo(result["report"])


def recipe_of(
    teacher: Path,
    train: Path,
    test: Path,
    text: str,
    label: str,
    effort: SearchPlan,
    base: str | None = None,
) -> dict[str, Any]:
    """Return the recipe of the search, as a TOML file would hold it.

    The number of augmented copies and the cut of the texts follow from the training rows.
    """
    from compress.data.dataset import load_inputs
    from compress.tasks import DEFAULT_TASK

    data = DataSettings(train=(), test=(str(train.resolve()),), text=text, label=label)
    whole = data.model_copy(update={"on_empty": "drop"})
    texts = load_inputs(whole, Path(), task_of(DEFAULT_TASK)).inputs
    copies = max(0, min(_MOST_COPIES, _ROWS // max(1, len(texts)) - 1))
    return {
        "schema": 1,
        "name": "frontier",
        "seed": SEED,
        "teacher": {
            "path": str(teacher.resolve()) if teacher.is_dir() else str(teacher),
            "max_length": _longest(teacher, texts),
            **({"base": base} if base else {}),
        },
        "data": {
            "train": str(train.resolve()),
            "test": str(test.resolve()),
            "text": text,
            "label": label,
            "on_empty": "drop",
        },
        "stage": [
            {"kind": "prune", "vocabulary": True, "alphabet": "seen"},
            {"kind": "distill", "layers": 1, "augment": copies},
            {"kind": "quantize", "scheme": "int8-dynamic", "embeddings": "int4"},
        ],
        "target": {
            "retention": effort.retention,
            **({"artifact_mb": effort.artifact_mb} if effort.artifact_mb else {}),
            "minutes": effort.minutes,
            "rungs": list(effort.rungs),
            "seeds": 1,  # what a user gets in this time; the others are this benchmark's own
        },
    }


def _longest(teacher: Path, texts: Sequence[str]) -> int:
    known = open_model(str(teacher), task="text-classification")
    rows = load_tokenizer(known.path, known.max_length).encode_batch(list(texts))
    longest = max(len(row.ids) for row in rows)
    return min(known.max_length, -(-longest // _LENGTHS) * _LENGTHS)


@dataclass(slots=True)
class Frontier:
    """Carry out the benchmark's steps."""

    request: SearchRequest
    effort: SearchPlan
    peers: Sequence[str]
    json_file: Path

    def run(self) -> dict[str, Any]:
        """Return all results, as in the JSON file."""
        start = time.monotonic()
        result = search(self.request)
        chosen = result.chosen
        begun = time.monotonic()
        refits = self._refits(result, chosen)
        refit_s = time.monotonic() - begun
        models, strangers, failed = self._peers()
        contestants = [
            _teacher(result),
            *refits,
            *self._front(result),
            *models,
            *self._rivals(),
        ]
        outcome = measured_together(
            contestants,
            self.request.plan.data.test,
            tier=self.effort.tier,
            seed=SEED,
            progress=self.request.board,
            shared=self.request.cache.shared,
        )
        own = list(self._own_answers(strangers, failed))
        targets = self.request.plan.data.test.targets
        comparison = Comparison(contestants, outcome, targets, SEED, own)
        rows: dict[str, list[dict[str, Any]]] = {}
        for one in contestants:
            row = figures(one, outcome.of(one.name)) | comparison.of(one)
            rows.setdefault(one.role, []).append(row)
        rows.setdefault("peer", []).extend(comparison.rows_of_own())
        seeds = [*rows["artifact"], *rows.get("seed", [])]
        content: dict[str, Any] = {
            "schema_version": 1,
            "teacher": rows["teacher"][0],
            "artifact": rows["artifact"][0],
            "seeds": seeds,
            "spread": spread(seeds),
            "peers": rows.get("peer", []),
            "peers_failed": failed,
            "front": rows.get("front", []),
            "front_spread": _spreads(rows.get("front", [])),
            "front_at": front_at([*seeds, *rows.get("front", [])]),
            "against_peers": against(rows["artifact"][0], rows.get("peer", [])),
            "search": _search(result, chosen, refit_s),
            "data": _data(self.request),
            "machine": _machine(),
            "command": shlex.join(["python", *sys.argv]),
            "ablation": [],
            "seconds": round(time.monotonic() - start, 1),
        }
        self._write(content, contestants, outcome)
        if self.effort.ablation and not chosen.trial.shape.linear:  # its parts are no student's
            content["ablation"] = ablation(result, chosen, "ci")
            content["seconds"] = round(time.monotonic() - start, 1)
            self._write(content, contestants, outcome)
        return content

    def _write(
        self, content: dict[str, Any], contestants: Sequence[Contestant], outcome: Outcome
    ) -> None:
        content["report"] = report(content)
        write_json(self.json_file, content)
        write_text(self.json_file.with_suffix(".md"), content["report"] + "\n")
        drawn = page(contestants, outcome, content["report"])
        write_text(self.json_file.with_suffix(".html"), drawn)

    def _refits(self, result: SearchResult, row: Standing) -> list[Contestant]:
        """Return the choice trained on all training rows, one model a seed: the artifact first."""
        seeds = range(SEED, SEED + self.effort.seeds)
        return [
            Contestant(
                f"edgepress seed {seed}",
                "artifact" if seed == SEED else "seed",
                _ours(),
                RunFolder(self.request.out / "artifacts").keep(made, f"seed-{seed}"),
                _notes(row) | {"seed": seed},
            )
            for seed, made in self._trained_again(result, row, seeds)
        ]

    def _trained_again(
        self, result: SearchResult, row: Standing, seeds: Sequence[int]
    ) -> Iterator[tuple[int, Artifact]]:
        """Yield a shape trained on all training rows, with each seed."""
        self.request.board.note(f"refit {row.trial.name} with {len(seeds)} seeds")
        result.prepare_refits(row, seeds)
        for seed in seeds:
            yield seed, result.refit(row, seed)

    def _front(self, result: SearchResult) -> list[Contestant]:
        """Return the best student of each depth: the search's, or several trained on all rows.

        Without layers, linear ones and bags are apart.
        """
        best: dict[tuple[int, bool, bool], Standing] = {}
        for row in [*result.pareto, *sorted(result.rows, key=lambda row: -row.retention)]:
            shape = row.trial.shape
            best.setdefault((shape.layers, shape.linear, shape.bag), row)
        rows = [row for _, row in sorted(best.items())]
        if not self.effort.front_seeds:
            return [self._student(row) for row in rows]
        others = [row for row in rows if row.trial.name != result.chosen.trial.name]
        return [one for row in others for one in self._students(result, row)]

    def _students(self, result: SearchResult, row: Standing) -> Iterator[Contestant]:
        seeds = range(SEED, SEED + self.effort.front_seeds)
        for seed, made in self._trained_again(result, row, seeds):
            name = f"{row.trial.name} seed {seed}"
            kept = RunFolder(self.request.out / "front").keep(made, name.replace(" ", "-"))
            yield Contestant(name, "front", _ours(), kept, _notes(row) | {"seed": seed})

    def _student(self, row: Standing) -> Contestant:
        trial, shop = row.trial, self.request.workshop()
        made = shop.deployed(shop.student(trial.shape, trial.epochs), trial.shape, judged=False)
        kept = RunFolder(self.request.out / "front").keep(made, trial.name)
        return Contestant(trial.name, "front", _ours(), kept, _notes(row))

    def _rivals(self) -> Iterator[Contestant]:
        """Yield linear models of the same rows, in the runtime that is fastest for them."""
        from sklearn import __version__

        made = "scikit-learn " + __version__
        for name, model in made_rivals(self.request.workshop()):
            kept = RunFolder(self.request.out / "rivals").keep(model, name.replace(" ", "-"))
            notes = {"regularization": model.history[-1].metrics["regularization"]}
            yield Contestant(name, "peer", made, kept, notes)

    def _own_answers(
        self, strangers: Sequence[PeerModel], failed: list[dict[str, Any]]
    ) -> Iterator[OwnAnswers]:
        """Let peers whose models no runtime loads answer the test rows, and time themselves."""
        for model in strangers:
            self.request.board.note(f"peer {model.name}: answers and times itself")
            try:
                yield own_answers(model, self.request.plan.data.test.inputs)
            except BackendError as error:
                failed.append({"name": model.name, "error": error.received})

    def _peers(self) -> tuple[list[Contestant], list[PeerModel], list[dict[str, Any]]]:
        """Return the peers' models, those that no runtime loads, and why others failed."""
        recipe = self.request.plan.recipe
        columns = {"text": recipe.data.text, "label": recipe.data.label}
        made = make_peers(
            Path(recipe.teacher.path),
            DataSettings(train=(), test=recipe.data.train, **columns),
            self.request.out / "peers",
            self.peers,
            progress=self.request.board,
        )
        models = [
            Contestant(
                one.name, "peer", one.version, read_artifact(one.path), {"made_s": one.seconds}
            )
            for one in made
            if one.runnable and one.path
        ]
        strangers = [one for one in made if one.path and not one.runnable]
        failed = [{"name": one.name, "error": one.error} for one in made if not one.path]
        return models, strangers, failed


def _notes(row: Standing) -> dict[str, Any]:
    trial = row.trial
    return {"trial": trial.name, "shape": trial.shape.to_json(), "epochs": trial.epochs}


def _spreads(front: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Return the spread of each shape's seeds by the trial's name."""
    names = dict.fromkeys(row["trial"] for row in front)
    spreads = {name: spread([row for row in front if row["trial"] == name]) for name in names}
    return {name: known for name, known in spreads.items() if known}


def _teacher(result: SearchResult) -> Contestant:
    reference = result.request.workshop().reference
    return Contestant("teacher, fp32 ONNX", "teacher", _ours(), reference)


def _search(result: SearchResult, row: Standing, refit_s: float) -> dict[str, Any]:
    return {
        "met": result.answer is not None,
        "goal": result.request.goal.text(),
        "answer": row.trial.name,
        "validation_retention": {"value": row.retention, "lower": row.lower, "seeds": row.seeds},
        "advice": list(result.advice),
        "control": result.control.name,
        "why": result.control.why,
        "seconds": round(result.seconds, 1),
        "training_seconds": round(sum(one.trial.seconds for one in result.rows), 1),
        "refit_seconds": round(refit_s, 1),
        "rss_peak_mb": result.rss_peak_mb,
        "trials": [
            {
                "name": one.trial.name,
                "accuracy": one.trial.accuracy,
                "deployed": one.trial.deployed,
                "retention": one.retention,
                "lower": one.lower,
                "seeds": one.seeds,
                "speedup": one.trial.latency.speedup,
                "size_mb": one.trial.size_mb,
                "seconds": round(one.trial.seconds, 1),
            }
            for one in result.rows
        ],
    }


def _data(request: SearchRequest) -> dict[str, Any]:
    data = request.plan.data
    return {
        "train": len(data.train),
        "validation": len(data.validation),
        "test": len(data.test),
        "classes": len(data.labels),
        "digest": data.digest,
    }


def _machine() -> dict[str, Any]:
    return {"python": platform.python_version(), **asdict(Job().facts())}


def _ours() -> str:
    return version("edgepress")


if __name__ == "__main__":
    main()
