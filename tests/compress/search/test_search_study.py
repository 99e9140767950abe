"""The study that keeps trials: what it gives back, after a kill too, and what it refuses."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from compress.search.shape import Shape
from compress.search.study import Study, check_storage, default_storage
from compress.search.trial import Latency, Trial, trial_from_json
from profiles.scores import RowScores
from runtimes.errors import InputError
from tests.compress.searching import SPACE, trial

SHAPE = Shape(1, 0.5, embeddings="int4")


def study(folder: Path, name: str = "x", **more: bool) -> Study:
    return Study(default_storage(folder), name, SPACE, (3, 8), 7, **more)


@given(st.lists(st.booleans(), min_size=1, max_size=40), st.booleans())
def test_a_trial_is_the_same_after_json(rows: list[bool], deployed: bool) -> None:
    student, model = RowScores.right(rows), RowScores.right(rows[::-1])
    latency = Latency(0.2, 0.4, 20)
    known = Trial(SHAPE, 3, latency, 1.5, 9, student, model if deployed else None)
    assert trial_from_json(known.to_json()) == known
    assert known.scores == (model if deployed else student)


def test_trials_and_figures_are_there_for_the_next_process(tmp_path: Path) -> None:
    first = study(tmp_path)
    known = dataclasses.replace(trial(SHAPE), epochs=3)
    first.tell(first.ask(SHAPE, 3), known)
    first.keep_latency(SHAPE, Latency(0.2, 0.4, 20))
    first.keep_size(SHAPE, 1.5)
    second = study(tmp_path)
    assert second.trials() == [known]
    wider = dataclasses.replace(SHAPE, embeddings="int8")
    assert second.latency(wider) == Latency(0.2, 0.4, 20), "as fast as with narrower embeddings"
    assert (second.size_mb(SHAPE), second.size_mb(wider)) == (1.5, None)
    assert study(tmp_path, "y").trials() == []
    assert study(tmp_path, fresh=True).trials() == []


def test_what_a_killed_process_left_open_is_closed(tmp_path: Path) -> None:
    import optuna

    first = study(tmp_path)
    first.ask(SHAPE, 3)
    second = study(tmp_path)
    assert second.trials() == []
    second.tell(second.ask(Shape(2, embeddings="int8"), 8), trial(Shape(2), epochs=8))
    kept = optuna.load_study(study_name="x", storage=default_storage(tmp_path)).trials
    assert [row.state.name for row in kept] == ["FAIL", "COMPLETE"]


def test_what_was_left_in_the_queue_is_not_taken_for_another(tmp_path: Path) -> None:
    import optuna

    first = study(tmp_path)
    kept = optuna.load_study(study_name="x", storage=default_storage(tmp_path))
    kept.enqueue_trial({"layers": 4, "epochs": 8})
    asked = first.ask(SHAPE, 3)
    assert (asked.params["layers"], asked.params["epochs"]) == (1, 3)


def test_a_failure_says_why_and_is_no_trial(tmp_path: Path) -> None:
    import optuna

    first = study(tmp_path)
    first.dismiss(first.ask(SHAPE, 3), "too large")
    assert first.trials() == []
    kept = optuna.load_study(study_name="x", storage=default_storage(tmp_path)).trials
    assert kept[0].user_attrs["why"] == "too large"


def test_the_sampler_proposes_shapes_of_the_space(tmp_path: Path) -> None:
    first = study(tmp_path)
    for number in range(8):
        asked, shape = first.propose(3)
        assert all(getattr(shape, name) in values for name, values in SPACE.choices.items())
        assert shape.scheme == SPACE.scheme
        first.tell(asked, trial(shape, epochs=3, hits=800 + number))
    assert len({row.shape for row in first.trials()}) > 1


def test_a_storage_that_cannot_be_opened_is_bad_input() -> None:
    with pytest.raises(InputError, match="--storage"):
        check_storage("nosuchdb://x")
