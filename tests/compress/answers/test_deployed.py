"""Answers of deployable models: computed on the device, and cached for it."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest

from compress.answers import Answers
from compress.answers.deployed import answers
from compress.answers.kept import write_answers
from compress.progress import Silence
from profiles.device import TransportSettings
from profiles.job import Job
from runtimes.artifact import Artifact
from runtimes.errors import BackendError
from runtimes.facts import Facts
from tests.profiles.elsewhere import Elsewhere
from tests.runtimes.tiny import LABELS, TEXTS, tiny_onnx


class OtherCpu(Elsewhere):
    """Reach a folder, and report the processor that the test sets."""

    cpu_model = "one"

    def facts(self) -> Facts:
        return dataclasses.replace(super().facts(), cpu_model=self.cpu_model)


@pytest.fixture
def model(tmp_path: Path) -> Artifact:
    return tiny_onnx(tmp_path / "model")


def _answers(model: Artifact, shared: Path, device: Job) -> Answers:
    return answers(
        model,
        "onnxruntime",
        TEXTS,
        threads=1,
        progress=Silence(),
        name="model",
        shared=shared,
        device=device,
    )


def _board(folder: Path, cpu_model: str) -> Job:
    board = OtherCpu(TransportSettings(kind="elsewhere", host=str(folder)))
    board.cpu_model = cpu_model
    return Job(board)


def test_answers_are_kept_apart_for_each_device(model: Artifact, tmp_path: Path) -> None:
    shared = tmp_path / "shared"
    shared.mkdir()
    here = _answers(model, shared, Job())
    assert np.shape(here) == (len(TEXTS), len(LABELS))
    for known, cpu_model in ((2, "one"), (2, "one"), (3, "another")):
        given = _answers(model, shared, _board(tmp_path / "board", cpu_model))
        assert len(list(shared.iterdir())) == known
        assert np.abs(np.subtract(given, here)).max() < 1e-5


def test_a_kept_answer_is_the_device_s_own(model: Artifact, tmp_path: Path) -> None:
    shared = tmp_path / "shared"
    shared.mkdir()
    _answers(model, shared, Job())
    (file,) = shared.iterdir()
    marked = np.full((len(TEXTS), len(LABELS)), 7, dtype=np.float32)
    marked[:, 0] += np.arange(len(TEXTS))  # the same answer to every row would be refused
    write_answers(file, list(marked))
    assert np.equal(_answers(model, shared, Job()), marked).all()
    given = _answers(model, shared, _board(tmp_path / "board", "one"))
    assert not np.equal(given, marked).any()


def test_the_row_that_fails_is_named_and_not_shown(model: Artifact, tmp_path: Path) -> None:
    rows = [*TEXTS * 4, 5]  # a number is no text
    with pytest.raises(BackendError, match=f"fails on row {len(rows)} of the data") as caught:
        answers(model, "onnxruntime", rows, threads=1, progress=Silence(), name="model")
    assert TEXTS[0] not in str(caught.value)
