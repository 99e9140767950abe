"""A whole search on a tiny teacher: its choice, its files, its resumption, and unused test rows."""

from __future__ import annotations

import csv
import dataclasses
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from benchmarks.frontier import QUICK, Frontier
from compress.cli.main import run
from compress.recipe import TargetSettings, read_recipe
from compress.run.cache import Cache
from compress.search.choice import Goal, Standing, fastest, nearest, smallest
from compress.search.conclude import _planned
from compress.search.control import teacher_saw_validation
from compress.search.request import NoBoard, SearchRequest, SearchResult, request_of
from compress.search.rivals import RIVALS
from compress.search.schedule import Training
from compress.search.search import SearchRun, search
from compress.search.shape import Shape
from compress.search.space import Space
from compress.search.trial import Latency, Trial
from compress.search.workshop import Workshop, refit_rows
from profiles.scores import RowScores
from runtimes.artifact import Artifact, read_artifact
from runtimes.errors import QualityError
from tests.compress.searching import RECIPE, write_recipe
from tests.compress.stand_in import Copy


@pytest.fixture(scope="module")
def recipe(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_recipe(tmp_path_factory.mktemp("search"))


def asked(recipe: Path, out: Path, **changes: Any) -> SearchRequest:
    """Return a search of the recipe with a cache beside it."""
    parsed = read_recipe(recipe)
    assert parsed.target is not None
    request = request_of(parsed, parsed.target, out)
    cache = Cache(recipe.parent / "cache")
    return dataclasses.replace(request, **{"cache": cache, "rungs": (1,), **changes})


def timed(shop: Workshop, models: dict[Shape, Artifact]) -> dict[Shape, Latency]:
    """Return latencies that no other work on the machine changes; linear students are slow."""
    speeds = {s: 0.5 if s.linear else 4.0 / (s.layers or 0.5) + s.ffn for s in models}
    return {shape: Latency(1 / speed, 2 / speed, speed) for shape, speed in speeds.items()}


class InterruptAfter(NoBoard):
    """End the search as Ctrl-C does, once there are so many shapes."""

    def __init__(self, after: int) -> None:
        super().__init__()
        self._after = after

    def show(self, rows: Sequence[Standing], goal: Goal) -> None:
        if len(rows) == self._after:
            raise KeyboardInterrupt


class Heard(NoBoard):
    """Keep the warnings of a search."""

    def __init__(self) -> None:
        super().__init__()
        self.warnings: list[str] = []

    def warn(self, text: str) -> None:
        """Keep a warning."""
        self.warnings.append(text)


@pytest.fixture(scope="module")
def results(recipe: Path, tmp_path_factory: pytest.TempPathFactory) -> list[SearchResult]:
    """Return a killed and resumed search, and another one in the same folder."""
    out = tmp_path_factory.mktemp("out")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Workshop, "timed", timed)
        with pytest.raises(KeyboardInterrupt):
            search(asked(recipe, out, board=InterruptAfter(3)))
        return [search(asked(recipe, out, max_trials=4, board=Heard())) for _ in range(2)]


def test_a_killed_search_goes_on_and_a_finished_one_has_nothing_to_do(
    results: list[SearchResult],
) -> None:
    first, again = results
    assert len(first.rows) == 4
    assert [row.trial for row in again.rows] == [row.trial for row in first.rows]
    assert again.answer == first.answer


def test_the_answer_is_the_fastest_that_meets_the_goal(results: list[SearchResult]) -> None:
    result = results[0]
    assert result.answer == fastest(result.rows, result.request.goal)
    assert result.smallest == smallest(result.rows, result.request.goal)
    assert result.control.name == "teacher"
    assert (result.rss_peak_mb or 0.0) > 100
    assert result.seconds > 0


def test_linear_students_are_shapes_like_the_others(results: list[SearchResult]) -> None:
    linear = [row for row in results[0].rows if row.trial.shape.linear]
    assert {row.trial.name for row in linear} == {"linear-words-20000", "linear-characters-20000"}
    assert all(row.trial.deployed and row.trial.epochs == 0 for row in linear)
    assert all(row.trial.whole for row in linear), "these rows have fewer n-grams than it may keep"
    assert any(row in results[0].pareto for row in linear), "they are the smallest"


def test_the_benchmark_takes_the_same_model_or_without_an_answer_the_nearest(
    results: list[SearchResult], tmp_path: Path
) -> None:
    """Refit by the frontier's own steps what `edgepress search` answers; both read one study."""
    result = results[0]
    assert result.answer is not None
    assert result.chosen is result.answer
    effort = dataclasses.replace(QUICK, seeds=1)
    frontier = Frontier(result.request, effort, (), tmp_path / "out.json")
    (refit,) = frontier._refits(result, result.chosen)
    assert refit.notes["shape"] == result.answer.trial.shape.to_json()
    assert refit.notes["epochs"] == result.answer.trial.epochs
    without = dataclasses.replace(result, answer=None)
    assert without.chosen == nearest(result.rows)


def test_without_any_student_nothing_is_chosen(results: list[SearchResult]) -> None:
    empty = dataclasses.replace(results[0], answer=None, rows=())
    with pytest.raises(QualityError, match="before any student"):
        _ = empty.chosen


def test_an_answer_is_not_said_to_be_faster_than_itself(results: list[SearchResult]) -> None:
    for result in results:
        assert result.answer is not None
        assert isinstance(result.request.board, Heard)
        assert not [said for said in result.request.board.warnings if "times as fast" in said]


def test_formats_that_refuse_the_answer_are_left_out_with_a_warning(
    results: list[SearchResult], recipe: Path, tmp_path: Path
) -> None:
    parsed = read_recipe(recipe)
    both = parsed.export.model_copy(update={"formats": ("onnx", "openvino")})
    parsed = dataclasses.replace(parsed, export=both)
    assert parsed.target is not None
    request = request_of(parsed, parsed.target, tmp_path / "out")
    request = dataclasses.replace(request, board=Heard())
    row = next(one for one in results[0].rows if one.trial.shape.embeddings == "int4")
    plan = _planned(request, results[0].stages(row), None)
    assert plan.recipe.export.formats == ("onnx",)
    assert isinstance(request.board, Heard)
    (said,) = request.board.warnings
    assert "'openvino'" in said
    assert "embeddings 'int4'" in said


def test_the_front_is_written_as_artifacts(results: list[SearchResult]) -> None:
    result = results[0]
    assert set(result.models) == {row.trial.name for row in result.pareto}
    for row in result.pareto:
        model = read_artifact(result.models[row.trial.name])
        model.verify()
        form = "linear" if row.trial.shape.linear else "onnx"
        assert (model.format, model.precision) == (form, "int8")
        # A trial's size is that of a refit, whose rows have more pieces and pairs.
        assert model.size_mb == pytest.approx(row.trial.size_mb, rel=0.3)


def test_a_search_never_holds_the_test_rows(recipe: Path, tmp_path: Path) -> None:
    shop = asked(recipe, tmp_path / "out").workshop()
    assert len(shop.plan.data.test) > 0
    assert len(shop.data.test) == len(refit_rows(shop.data).test) == 0
    joined = refit_rows(shop.data).train
    assert len(joined) == len(shop.data.train) + len(shop.data.validation)
    assert refit_rows(shop.data).digest != shop.data.digest


@pytest.mark.parametrize(
    ("change", "saw"),
    [
        ("", False),
        ('validation = "validation.csv"', True),
        ('path = "model"\n', False),
        ('path = "model"\nsaw_validation = true\n', True),
    ],
)
def test_whether_the_teacher_saw_the_rows_is_found_out_or_said(
    recipe: Path, tmp_path: Path, change: str, saw: bool
) -> None:
    text = RECIPE
    if change.startswith("validation"):
        text = text.replace(change, "")
    elif change:
        text = text.replace('path = "model"\n', change)
    other = recipe.parent / "other.toml"
    other.write_text(text, encoding="utf-8")
    assert teacher_saw_validation(asked(other, tmp_path / "out").plan)[0] == saw


def test_the_control_needs_no_time_for_refits_of_its_own(recipe: Path, tmp_path: Path) -> None:
    """Without the control no search has an answer."""
    run = SearchRun(asked(recipe, tmp_path, limit_s=600, refits=5))
    run._state.teacher = None
    control = Training(run._state.control_shape, 1)
    run._clock.paces = {run._space.work(control.shape): 100}
    assert run._fits(control)
    assert not run._fits(dataclasses.replace(control, epochs=3))
    run._state.control_shape = dataclasses.replace(control.shape, layers=9)
    assert not run._fits(control)


def test_what_comes_next_is_trained_beside_a_long_training(
    recipe: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pairs: list[list[Training]] = []
    monkeypatch.setattr(Workshop, "train", lambda _, trainings: pairs.append(trainings))
    monkeypatch.setattr(Workshop, "timed", timed)
    run = SearchRun(asked(recipe, tmp_path))
    shapes = run._space.first()
    # The second is the first with vectors in fewer bits: one training makes both.
    first, second = (run._state.training(shape, 1) for shape in (shapes[0], shapes[2]))
    run._screened(shapes[0])
    run._state.closed |= set(run._space.first_linear())
    run._train_with_next(first)
    run._clock.paces = {run._space.work(shapes[0]): 5.0}
    run._train_with_next(first)
    assert pairs == []  # short ones are not worth a process
    run._clock.paces = {run._space.work(shapes[0]): 60.0}
    run._train_with_next(first)
    assert pairs == [[first, second]]
    longer = dataclasses.replace(first, epochs=2)  # `first` is the same student for fewer epochs
    run._train_with_next(longer)
    assert pairs[1:] == [[longer, second]]


@pytest.mark.parametrize(("limit_s", "promoted"), [(1000, False), (650, True), (540, False)])
def test_a_promising_shape_is_trained_to_its_end_before_it_is_too_late(
    recipe: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    limit_s: float,
    promoted: bool,
) -> None:
    """Closing takes 120 s here, the last rung and its refit 450 s, the next shape 150 s or more.

    There is one rung, so that the last one would go first for its little time.
    """
    monkeypatch.setattr(Workshop, "timed", timed)
    monkeypatch.setattr("compress.search.search._LITTLE", 0.0)
    run = SearchRun(asked(recipe, tmp_path, limit_s=limit_s, refits=1))
    state, shapes = run._state, [shape for shape in run._space.first() if not shape.bag]
    run._screened(shapes[0])
    state.closed |= {*run._space.first_linear(), *run._space.first()} - set(shapes)
    right = RowScores.right([True] * len(run._shop.data.validation))
    seen = Trial(shapes[0], 1, Latency(1.0, 1.0, 9.0), 1.0, 50.0, right)
    state.trials.append(seen)
    run._clock.paces = {run._space.work(shape): 150.0 for shape in shapes}
    run._clock.paces[run._space.work(shapes[0])] = 200.0 / state.rungs[-1]
    run._clock.making_s = run._clock.answering_s = 0.0
    last = state.training(shapes[0], state.rungs[-1])
    assert (run._next() == last) is promoted
    state.trials.append(dataclasses.replace(seen, epochs=state.rungs[-1], model=seen.student))
    assert run._next() != last


@pytest.mark.parametrize(
    ("limit_s", "epochs"), [(3_000, 12), (2_200, 9), (1_500, 6), (1_000, None)]
)
def test_a_last_rung_that_takes_too_long_has_fewer_epochs(
    recipe: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    limit_s: float,
    epochs: int | None,
) -> None:
    """Twelve epochs and their refit take 2,700 s here, closing 120 s."""
    monkeypatch.setattr(Workshop, "timed", timed)
    run = SearchRun(asked(recipe, tmp_path, limit_s=limit_s, refits=1))
    state, shape = run._state, run._space.first()[-1]
    right = RowScores.right([True] * len(run._shop.data.validation))
    state.trials.append(Trial(shape, 3, Latency(1.0, 1.0, 9.0), 1.0, 300.0, right))
    run._clock.paces = {run._space.work(shape): 100.0}
    run._clock.making_s = run._clock.answering_s = 0.0
    wanted = Training(shape, 12, deploy=True)
    fitted = run._fitted(wanted)
    assert fitted == (None if epochs is None else dataclasses.replace(wanted, epochs=epochs))
    assert run._fitted(Training(shape, 12)) == (Training(shape, 12) if epochs == 12 else None)


def test_the_nearest_is_deployed_whatever_time_is_left(
    recipe: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Workshop, "timed", timed)
    run = SearchRun(asked(recipe, tmp_path, limit_s=0.001, refits=1, goal=Goal(0.999)))
    done: list[Training] = []
    monkeypatch.setattr(run, "_carry_out", done.append)
    rows, state = len(run._shop.data.validation), run._state
    for speed, (shape, hits) in enumerate(zip(run._space.first(), (10, 20), strict=False)):
        right = RowScores.right([True] * hits + [False] * (rows - hits))
        state.trials.append(Trial(shape, 3, Latency(1.0, 1.0, 9.0 - speed), 1.0, 50.0, right))
    run._deploy_the_rest()
    assert done == [Training(run._space.first()[1], 3, deploy=True)]


def test_what_was_trained_beside_another_is_judged_without_time_for_its_refit(
    recipe: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Workshop, "timed", timed)
    monkeypatch.setattr(Workshop, "train", lambda *_: None)
    monkeypatch.setattr("compress.search.search.rounds", lambda count: 1.4 * count / 2)
    run = SearchRun(asked(recipe, tmp_path, limit_s=900, refits=1))
    run._state.closed |= set(run._space.first_linear())
    plain = [shape for shape in run._space.first() if shape.layers]
    run._state.closed |= set(run._space.first()) - set(plain)
    first, other = (run._state.training(shape, 1) for shape in plain[:2])
    run._screened(first.shape)
    run._clock.paces = {run._space.work(first.shape): 200.0}
    run._clock.making_s = run._clock.answering_s = 0.0
    run._train_with_next(first)
    assert run._beside == {first, other}
    run._clock.limit_s = 300
    assert run._fits(other)
    assert not run._fits(dataclasses.replace(other, epochs=2))


def test_a_bag_is_trained_to_its_end_before_a_slower_shape_begins(
    recipe: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It takes little time, may be the answer, and shows what longer training gains."""
    monkeypatch.setattr(Workshop, "timed", timed)
    run = SearchRun(asked(recipe, tmp_path, limit_s=3_000, refits=1, rungs=(3, 12)))
    state, space = run._state, run._space
    bag, one_layer = next(s for s in space.first() if s.bag), _with_layers(space, 1)
    run._screened(bag)
    state.closed |= {*space.first_linear(), *space.first()} - {bag, one_layer}
    half = RowScores.right([True, False] * (len(run._shop.data.validation) // 2))
    state.trials.append(Trial(bag, 3, Latency(1.0, 1.0, 90.0), 1.0, 12.0, half))
    run._clock.paces = {space.work(bag): 4.0}
    assert run._next() == Training(bag, 24, deploy=True)


def _with_layers(space: Space, layers: int) -> Shape:
    return next(shape for shape in space.first() if shape.layers == layers)


def test_a_target_becomes_a_goal(recipe: Path, tmp_path: Path) -> None:
    target = TargetSettings(retention=0.95, artifact_mb=2, minutes=3, seeds=2, rungs=(8, 3, 8))
    request = request_of(read_recipe(recipe), target, tmp_path / "out")
    assert (request.goal.retention, request.goal.artifact_mb) == (0.95, 2)
    assert (request.limit_s, request.refits, request.rungs) == (180, 2, (3, 8))


def test_a_stage_that_no_search_carries_out_is_said(recipe: Path, tmp_path: Path) -> None:
    parsed = read_recipe(recipe)
    added = dataclasses.replace(parsed, stages=(*parsed.stages, Copy()))
    request = request_of(added, TargetSettings(), tmp_path / "out")
    assert any("copy: a search leaves" in warning for warning in request.plan.warnings)
    left = request_of(parsed, TargetSettings(), tmp_path / "out").plan.warnings
    assert not any("a search leaves" in warning for warning in left)


def outcome(recipe: Path, out: Path, monkeypatch: pytest.MonkeyPatch, *more: str) -> int:
    monkeypatch.setenv("EDGEPRESS_CACHE", str(recipe.parent / "cache"))
    return run(["search", str(recipe), "--out", str(out), "--tier", "quick", *more])


@pytest.mark.slow
def test_a_search_ends_with_a_run_s_report(
    recipe: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    out = tmp_path / "out"
    code = outcome(recipe, out, monkeypatch, "--seeds", "2", "--json")
    report = json.loads(capsys.readouterr().out)
    assert code in (0, 1, 3)
    search_ = report["search"]
    assert search_["answer"] in [row["name"] for row in search_["trials"]]
    assert [row["seed"] for row in search_["seeds"]] == [7, 8]
    chosen = next(row for row in report["stages"] if row["selected"])
    assert search_["answer"].startswith("linear"), "these rows need no more, and it is the fastest"
    assert (chosen["kind"], chosen["format"]) == ("linear", "linear")
    assert chosen["accuracy"] == pytest.approx(search_["seeds"][0]["accuracy"])
    checks = {check["metric"]: check["limit"] for check in report["verdicts"][0]["checks"]}
    assert checks["accuracy_retention"] == 0.5, "the goal's limit takes the profile's place"
    assert (out / "bundle" / "predict.py").is_file()
    assert [row["name"] for row in search_["rivals"]] == list(RIVALS)
    for row in search_["rivals"]:
        assert row["latency_p50_ms"] > 0
        assert row["speedup"]["value"] > 0
        assert row["compression"] > 0
    assert not {row["name"] for row in report["stages"]} & set(RIVALS)
    page = (out / "report.html").read_text()
    assert "Search" in page
    assert search_["answer"] in page


@pytest.mark.slow
def test_where_nothing_meets_the_goal_the_front_is_shown_and_the_code_is_1(
    recipe: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    out = tmp_path / "out"
    code = outcome(recipe, out, monkeypatch, "--retention", "1")
    assert code == 1
    said = " ".join(capsys.readouterr().out.split())
    assert "no shape meets" in said
    assert "1-layer" in said
    report = json.loads((out / "report.json").read_text())
    assert report["search"]["answer"] is None
    assert any(row["front"] for row in report["search"]["trials"])
    assert not (out / "bundle").exists()


@pytest.mark.slow
def test_poisoned_test_rows_change_nothing_that_is_chosen(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Workshop, "timed", timed)
    recipe = write_recipe(tmp_path)
    before = search(asked(recipe, tmp_path / "one", max_trials=4))
    with (tmp_path / "test.csv").open(encoding="utf-8", newline="") as stream:
        rows = list(csv.reader(stream))
    poisoned = [(f"{text} x", "a" if label != "a" else "b") for text, label in rows[1:]]
    with (tmp_path / "test.csv").open("w", encoding="utf-8", newline="") as stream:
        csv.writer(stream).writerows([rows[0], *poisoned])
    after = search(asked(recipe, tmp_path / "two", max_trials=4))
    seen = [(r.trial.name, r.trial.scores, r.retention, r.lower) for r in before.rows]
    assert [(r.trial.name, r.trial.scores, r.retention, r.lower) for r in after.rows] == seen


@pytest.mark.slow
def test_a_short_time_still_gives_one_shape(
    recipe: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Workshop, "timed", timed)
    result = search(asked(recipe, tmp_path / "out", limit_s=1.0, max_trials=None))
    assert len(result.rows) == 1
