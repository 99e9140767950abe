"""The frontier's figures and texts; its parts have their own tests."""

from __future__ import annotations

import csv
import dataclasses
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from benchmarks.frontier import QUICK, Frontier, main, recipe_of
from benchmarks.frontier_ablation import AS_CHOSEN, VARIANTS
from benchmarks.frontier_peers import against, peers_said
from benchmarks.frontier_report import report
from benchmarks.frontier_rows import SPEEDUPS, STEPS, front_at, spread, table
from compress.recipe import parse_recipe
from compress.search.conclude import conclude
from compress.search.search import search
from compress.search.shape import Shape
from compress.search.workshop import Workshop
from tests.compress.search.test_search import asked, timed
from tests.compress.searching import write_recipe
from tests.compress.tiny_models import LABELS, make_data, make_model


def row(name: str, speedup: float | None, retention: float, size_mb: float = 2.0) -> dict[str, Any]:
    bounds = {"value": retention, "lower": retention - 0.01, "upper": retention + 0.01}
    return {
        "name": name,
        "version": "1",
        "accuracy": 0.9 * retention,
        "size_mb": size_mb,
        "compression": 90 / size_mb,
        "latency_p50_ms": 0.1,
        "model_latency_p50_ms": 0.05,
        **dict.fromkeys(SPEEDUPS, speedup),
        **{f"{name}_bounds": {"lower": speedup, "upper": None} for name in SPEEDUPS},
        "retention": bounds,
    }


def test_the_front_is_read_at_each_speed_from_what_is_at_least_that_fast() -> None:
    rows = front_at([row("a", 4, 0.999), row("b", 12, 0.995), row("c", 50, 0.98)])
    assert [one["speedup_least"] for one in rows] == list(STEPS)
    assert [one["name"] for one in rows] == ["a", "b", "b", "c", "c", "c"]
    assert front_at([row("slow", 2, 1.0)])[0]["name"] is None


def test_peers_far_below_in_retention_are_not_compared() -> None:
    peers = [
        row("fast, bad", 9, 0.9, 5.0),
        row("good", 4, 0.995, 23.0),
        row("small", 3, 0.985, 12.0),
    ]
    comparison = against(row("ours", 40, 0.99), peers)
    assert comparison["fastest_peer"] == "good"
    assert comparison["times_faster"] == pytest.approx(10)
    assert comparison["smallest_peer"] == "small"
    assert comparison["times_smaller"] == pytest.approx(6)
    assert comparison["points_below_best_peer"] == pytest.approx(0.5)


def test_without_a_peer_worth_comparing_nothing_is_claimed() -> None:
    assert against(row("ours", 40, 0.99), []) == {}
    assert against(row("ours", 40, 0.99), [row("failed", None, 0.99)]) == {}


def test_a_student_that_a_peer_beats_at_its_size_is_said_to_be_beaten() -> None:
    ahead = {"value": 0.002, "lower": -0.001, "upper": 0.005}
    peer = row("TF-IDF word", 90, 0.99) | {"difference": ahead, "wins": True}
    student = row("edgepress seed 7", 40, 0.99) | {"beaten_by": ["TF-IDF word"]}
    said = list(peers_said([peer], [student, row("3-layer", 10, 1.0) | {"beaten_by": []}]))
    assert "- TF-IDF word: +0.2 points [-0.1, +0.5]" in said
    assert [line for line in said if "beaten" in line] == [
        "edgepress seed 7 is beaten at its size by TF-IDF word: not larger, and edgepress seed 7"
        " is not surely more accurate."
    ]


def test_the_table_shows_a_dash_for_what_was_not_measured() -> None:
    lines = table([row("teacher", 1.0, 1.0), row("crashed", None, 0.99)]).splitlines()
    assert len(lines) == 4
    assert lines[3].endswith("| – [–, –] |")


def test_one_seed_has_no_spread() -> None:
    assert spread([row("seed 7", 5.0, 0.97)]) == {}
    assert "speedup" not in spread([row("a", 5.0, 0.97), row("crashed", None, 0.97)])


def test_variants_are_one_ingredient_away() -> None:
    shape = Shape(1, vocabulary="common", weights="int4", embeddings="int4")
    bag = dataclasses.replace(shape, layers=0, positions=False, hidden=256, pairs=5000)
    for variant in VARIANTS:
        fits = [one for one in (shape, bag) if not (one.bag and variant.of_layers)]
        changed = any(variant.shape(one) != one for one in fits)
        assert changed or variant.settings, variant.name
        assert all(variant.shape(one).bag == one.bag for one in fits), variant.name
    assert AS_CHOSEN.shape(shape) == shape
    assert AS_CHOSEN.kept({"distill": {"augment": 2}}) == {"distill": {"augment": 2}}


def write(path: Path, rows: int) -> Path:
    texts = make_data().train
    with path.open("w", encoding="utf-8", newline="") as stream:
        lines = csv.writer(stream)
        lines.writerow(("query", "kind"))
        for text, label in zip(texts.inputs[:rows], texts.targets[:rows], strict=True):
            lines.writerow((text, LABELS[label]))
        lines.writerow(("", LABELS[0]))
    return path


def test_the_recipe_follows_from_the_rows_and_passes_its_own_checks(tmp_path: Path) -> None:
    teacher = make_model(tmp_path / "teacher").path
    train, test = write(tmp_path / "train.csv", 60), write(tmp_path / "test.csv", 20)
    recipe = recipe_of(teacher, train, test, "query", "kind", QUICK)
    assert recipe["teacher"]["max_length"] == 32
    parsed = parse_recipe(recipe, tmp_path, "frontier")
    assert parsed.target is not None
    assert parsed.target.rungs == QUICK.rungs
    assert [stage.kind for stage in parsed.stages] == ["prune", "distill", "quantize"]
    assert parsed.target.artifact_mb is None
    small = recipe_of(
        teacher, train, test, "query", "kind", dataclasses.replace(QUICK, artifact_mb=1.6)
    )
    assert small["target"]["artifact_mb"] == 1.6


def test_a_missing_file_is_said_in_a_line(tmp_path: Path) -> None:
    teacher = make_model(tmp_path / "teacher").path
    train = write(tmp_path / "train.csv", 60)
    arguments = ["--teacher", str(teacher), "--train", str(train), "--test", "absent.csv"]
    arguments += ["--text", "query", "--label", "kind", "--json", str(tmp_path / "out.json")]
    done = CliRunner().invoke(main, [*arguments, "--quick", "--peer", "none"])
    assert done.exit_code == 2
    assert "absent.csv" in done.output


def fell_short() -> dict[str, Any]:
    return {
        "search": {
            "met": False,
            "goal": "retention ≥ 99 %",
            "answer": "3-layer",
            "seconds": 60,
            "refit_seconds": 60,
            "rss_peak_mb": 2000.0,
            "advice": ["rows: about 9,000 validation rows would show it"],
        },
        "data": {"train": 1, "validation": 1, "test": 1, "classes": 2},
        "teacher": row("teacher", 1.0, 1.0),
        "seeds": [row("seed 7", 5.0, 0.97)],
        "spread": spread([row("seed 7", 5.0, 0.97), row("seed 8", 6.0, 0.99)]),
        "peers": [],
        "peers_failed": [{"name": "olive", "error": "pip ended with 1"}],
        "front": [],
        "front_spread": {},
        "front_at": front_at([row("seed 7", 5.0, 0.97)]),
        "against_peers": {},
        "ablation": [],
    }


def test_the_report_says_what_fell_short() -> None:
    said = report(fell_short())
    assert "not shown on validation" in said
    assert "rows: about 9,000" in said
    assert "| retention | 98.00% | 1.41% | 97.00% | 99.00% |" in said
    assert "olive: pip ended with 1" in said
    assert "≥ 10×: none" in said


def test_the_report_has_the_spread_of_each_depths_seeds() -> None:
    seeds = [row("0-layer seed 7", 200.0, 0.97), row("0-layer seed 8", 210.0, 0.99)]
    front = [one | {"trial": "0-layer", "seed": place} for place, one in enumerate(seeds)]
    said = report(fell_short() | {"front": front, "front_spread": {"0-layer": spread(front)}})
    assert "trained on all rows" in said
    assert "| speedup | 205 | 7.07 | 200 | 210 |" in said


def test_a_peer_that_is_faster_or_smaller_is_said_to_be_so() -> None:
    peers = {"fastest_peer": "fastText", "smallest_peer": "TF-IDF", "points_below_best_peer": 0.0}
    known = fell_short() | {"against_peers": peers | {"times_faster": 0.2, "times_smaller": 3.0}}
    assert "5.0× slower than fastText, 3.0× smaller than TF-IDF" in report(known)


@pytest.mark.slow
def test_the_benchmark_trains_what_the_search_answers(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Compare the two from one study: what `edgepress search` bundles, and the first refit."""
    monkeypatch.setattr(Workshop, "timed", timed)
    request = asked(write_recipe(tmp_path), tmp_path / "out", max_trials=3)
    answered = search(request)
    assert answered.answer is not None
    report_, _ = conclude(answered, command="edgepress search", tier="quick")
    again = search(request)
    effort = dataclasses.replace(QUICK, seeds=1)
    frontier = Frontier(request, effort, (), tmp_path / "out.json")
    refits = frontier._refits(again, again.chosen)
    assert refits[0].notes["shape"] == answered.answer.trial.shape.to_json()
    made = next(row for row in report_.stages if row.selected)
    assert refits[0].artifact.digest == made.digest
    searched = frontier._front(again)
    frontier.effort = dataclasses.replace(effort, front_seeds=2)
    trained = frontier._front(again)
    others = {one.name for one in searched} - {again.chosen.trial.name}
    assert sorted(one.name for one in trained) == sorted(
        f"{name} seed {seed}" for name in others for seed in (7, 8)
    )
