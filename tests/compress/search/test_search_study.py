"""The study that keeps trials: what it returns, also after a kill, and what it refuses."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from compress.search.shape import Shape
from compress.search.study import Study
from compress.search.trial import Latency, Trial, trial_from_json
from profiles.scores import RowScores
from runtimes.errors import ArtifactError
from tests.compress.searching import trial

SHAPE = Shape(1, 0.5, embeddings="int4")


def study(folder: Path, name: str = "x") -> Study:
    return Study(folder / "search" / "study.jsonl", name)


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
    first.keep_trial(known)
    first.keep_latency(SHAPE, Latency(0.2, 0.4, 20))
    first.keep_size(SHAPE, 1.5)
    wider = dataclasses.replace(SHAPE, embeddings="int8")
    for kept in (first, study(tmp_path)):
        assert kept.trials == (known,)
        assert kept.latency(wider) == Latency(0.2, 0.4, 20), "as fast as with narrower embeddings"
        assert (kept.size_mb(SHAPE), kept.size_mb(wider)) == (1.5, None)
    assert study(tmp_path, "y").trials == ()


def test_a_kill_at_any_moment_costs_the_last_line_at_most(tmp_path: Path) -> None:
    first = study(tmp_path)
    epochs = [dataclasses.replace(trial(SHAPE), epochs=number) for number in (1, 2, 3)]
    for known in epochs[:2]:
        first.keep_trial(known)
    path = tmp_path / "search" / "study.jsonl"
    whole = path.read_bytes()
    second_line = whole.index(b"\n") + 1
    for end in range(second_line, len(whole)):
        path.write_bytes(whole[:end])
        assert study(tmp_path).trials == (epochs[0],)
    study(tmp_path).keep_trial(epochs[2])
    assert study(tmp_path).trials == (epochs[0], epochs[2])


@pytest.mark.parametrize("line", [b"{", b"[]", b"{}", b"7", b"\xff"])
def test_a_damaged_study_is_refused_with_its_line(tmp_path: Path, line: bytes) -> None:
    study(tmp_path).keep_size(SHAPE, 1.5)
    path = tmp_path / "search" / "study.jsonl"
    path.write_bytes(line + b"\n" + path.read_bytes())
    with pytest.raises(ArtifactError, match="line 1 is damaged"):
        study(tmp_path)
