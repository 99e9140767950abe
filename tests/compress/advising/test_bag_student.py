"""A student of no layer in the advice: the one a search tries first, measured, and its recipe."""

from __future__ import annotations

from pathlib import Path

import pytest

from compress.advising import advise as advising
from compress.advising import rules
from compress.advising.advise import Question
from compress.advising.facts import Option
from compress.advising.measure import Bench, title_of
from compress.advising.recorded import Run
from compress.advising.rules import Answer
from compress.advising.wording import to_json, to_lines
from compress.advising.write_recipe import recipe_of
from compress.bag.stage import Bag
from compress.cli.main import run
from compress.progress import Silence
from compress.prune.stage import Prune
from compress.quantize.stage import Quantize
from compress.recipe import read_recipe
from compress.run.cache import default_cache
from compress.run.plan import make_plan
from compress.search.board import TerminalBoard
from compress.search.workshop import Workshop
from compress.setup.survey import Given, survey
from tests.compress.brief_tier import shorten
from tests.compress.searching import write_recipe
from tests.compress.tiny_models import make_data


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with a trained teacher of one layer, its rows and a recipe."""
    folder = tmp_path_factory.mktemp("bag")
    write_recipe(folder)
    return folder


@pytest.fixture(scope="module")
def bench(place: Path) -> Bench:
    plan = make_plan(read_recipe(place / "tiny.toml"), place / "run")
    return Bench(Workshop(plan, {}, default_cache(), Silence()), make_data().test, refit=True)


def test_the_student_of_no_layer_is_the_one_that_a_search_tries_first(bench: Bench) -> None:
    first, *others = bench.shapes()
    assert first == bench.bag == bench.space().first()[0]
    assert title_of(first) == "no layer: pieces and pairs of pieces"
    assert [title_of(shape) for shape in others] == ["1 layer, without positions", "1 layer"]


def test_it_is_timed_as_a_trained_one(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    shorten(monkeypatch)
    assert bench.bag is not None
    model = bench.untrained(bench.bag)
    assert (model.model_type, model.history[-1].kind) == ("bag", "quantize")
    times = bench.timed({"bag": model})["bag"]
    assert times.p50_ms > 0
    assert 0 < times.size_mb < 10


def test_its_recipe_is_the_search_s_and_is_taken(place: Path, bench: Bench) -> None:
    found = survey(Given(str(place / "model"), place / "train.csv"))
    option = Option("distil", "no layer", 0.1, 0.2, 60.0, 2.6, layers=0, positions=False)
    answer, out = Answer("distil", "student", "", option), place / "advised.toml"
    out.write_text(recipe_of(found, out, "local", answer, cuts=True, bag=bench.bag))
    prune, bag, quantize = read_recipe(out).stages
    assert isinstance(prune, Prune)
    assert (prune.vocabulary, prune.recovery_epochs) == (True, 0)
    assert bag == Bag(width=64, inner=128, augment=4, epochs=12)
    assert isinstance(quantize, Quantize)
    assert (quantize.weights, quantize.embeddings) == ("int4", "int8")
    assert run(["run", str(out), "--out", str(place / "advised"), "--dry-run"]) == 0


@pytest.mark.parametrize("known", [True, False])
def test_it_is_advised_where_its_recorded_runs_reached_the_goal(
    place: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, known: bool
) -> None:
    shorten(monkeypatch)
    runs = tuple(Run("distil", 0, 99.0, 100.0, linear, "made up", "") for linear in (97.0, 80.0))
    monkeypatch.setattr(advising, "recorded", lambda: runs if known else ())
    monkeypatch.setattr(rules, "RULES", (rules.student,))
    given, out = Given(str(place / "model"), place / "train.csv"), tmp_path / "recipe.toml"
    advice = advising.advise(Question(given, "local", out, 0.98), TerminalBoard(quiet=True))
    assert to_json(advice)["layers"] == (0 if known else 1)
    shown = "\n".join(to_lines(advice))
    assert "no layer: pieces and pairs of pieces" in shown
    assert ("advice    distil to no layer (pieces and pairs)" in shown) == known
    assert ("recorded  1 such run of edgepress kept 99.0% of" in shown) == known
    out.write_text(advice.recipe)
    kinds = [stage.kind for stage in read_recipe(out).stages]
    assert kinds == ["prune", "bag" if known else "distill", "quantize"]
