"""The contract of every task's device half: subclass `DeviceTaskContract`, give a model."""

from __future__ import annotations

import importlib
import json
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest

from runtimes.artifact import Artifact
from runtimes.errors import ArtifactError, BackendError, UnsupportedError
from runtimes.manifest import read_manifest
from runtimes.predict import Predictor, open_predictor
from runtimes.soundness import numbers_of
from runtimes.tasks import TASKS, DeviceTask


class DeviceTaskContract:
    """Test a task on a real model: `rows` differ in length, and two rows' answers differ too.

    `ranked` says that `shown` lists the best `top` of an answer, under "top".
    """

    name: ClassVar[str]
    rows: ClassVar[Sequence[Any]]
    ranked: ClassVar[bool] = False

    @staticmethod
    def make(folder: Path) -> Artifact:
        """Make a small exported model of the task in a folder."""
        raise NotImplementedError

    @pytest.fixture(scope="class")
    @classmethod
    def artifact(cls, tmp_path_factory: pytest.TempPathFactory) -> Artifact:
        return cls.make(tmp_path_factory.mktemp(cls.name))

    @pytest.fixture(scope="class")
    @classmethod
    def predictor(cls, artifact: Artifact) -> Predictor:
        return open_predictor(artifact.path)

    @pytest.fixture
    def task(self, predictor: Predictor) -> DeviceTask:
        return predictor.task

    def test_it_is_found_by_its_name(self, task: DeviceTask) -> None:
        assert TASKS.resolve(self.name) is type(task)
        assert task.name == self.name

    def test_its_module_imports_nothing_heavy(self, task: DeviceTask) -> None:
        heavy = {*task.packages, "numpy", "torch", "transformers", "compress", "profiles"}
        code = f"import sys, {type(task).__module__}; print(sorted({heavy!r} & set(sys.modules)))"
        done = subprocess.run(
            [sys.executable, "-c", code], capture_output=True, text=True, check=True
        )
        assert done.stdout.strip() == "[]"

    def test_feeds_are_what_the_model_takes_of_one_row(self, predictor: Predictor) -> None:
        for row in self.rows:
            feeds = predictor.feeds(row)
            assert list(feeds) == [spec.name for spec in predictor.opened.inputs]
            for spec in predictor.opened.inputs:
                tensor = memoryview(feeds[spec.name])
                assert tensor.c_contiguous
                assert np.asarray(tensor).dtype.name == spec.dtype
                assert tensor.ndim == len(spec.shape)
                assert len(tensor) == 1

    def test_an_answer_is_of_floats_and_the_same_again(self, predictor: Predictor) -> None:
        answers = [predictor.answer(row) for row in self.rows]
        for row, answer in zip(self.rows, answers, strict=True):
            numbers = list(numbers_of(answer))
            assert {type(number) for number in numbers} == {float}
            assert numbers == [float(np.float32(number)) for number in numbers]
            assert np.isfinite(np.asarray(answer)).all()
            assert predictor.answer(row) == answer
        assert any(answer != answers[0] for answer in answers)

    def test_one_row_is_answered_without_numpy(self, artifact: Artifact) -> None:
        """Only the runtime brings it: a function's cold start has no time for it."""
        code = (
            "import json, sys\n"
            "from pathlib import Path\n"
            "from runtimes.manifest import read_manifest\n"
            "from runtimes.predict import Predictor, load_task\n"
            "from runtimes.runtime import Opened\n"
            "folder, row, inputs, outputs = json.loads(sys.argv[1])\n"
            "outputs = {n: memoryview(bytes.fromhex(h)).cast('f', s) for n, s, h in outputs}\n"
            "task = load_task(read_manifest(Path(folder)))\n"
            "made = task(Path(folder), read_manifest(Path(folder)), inputs)\n"
            "predictor = Predictor(made, Opened('none', '0', (), (), lambda feeds: outputs))\n"
            "answer = predictor.answer(row)\n"
            "print(json.dumps([made.shown(answer, row, 0), 'numpy' in sys.modules]))"
        )
        here = open_predictor(artifact.path)
        row = self.rows[0]
        outputs = {name: np.asarray(tensor) for name, tensor in here.infer(here.feeds(row)).items()}
        said = [
            str(artifact.path),
            row,
            [spec.name for spec in here.opened.inputs],
            [[name, one.shape, one.tobytes().hex()] for name, one in outputs.items()],
        ]
        done = subprocess.run(
            [sys.executable, "-c", code, json.dumps(said)],
            capture_output=True,
            text=True,
            check=True,
        )
        assert json.loads(done.stdout) == [here.task.shown(here.answer(row), row, 0), False]

    def test_rows_in_a_batch_answer_as_alone(self, predictor: Predictor) -> None:
        alone = [predictor.feeds(row) for row in self.rows]
        together = predictor.task.batch(alone)
        assert {name: np.asarray(tensor).dtype for name, tensor in together.items()} == {
            name: np.asarray(tensor).dtype for name, tensor in alone[0].items()
        }
        outputs = predictor.infer(together)
        for place, (row, feeds) in enumerate(zip(self.rows, alone, strict=True)):
            single = predictor.infer(feeds)
            for name, array in single.items():
                own = outputs[name][place][tuple(slice(size) for size in array.shape[1:])]
                np.testing.assert_allclose(own, array[0], atol=1e-4, err_msg=str(row))

    def test_a_batch_of_one_row_is_its_feeds(self, predictor: Predictor) -> None:
        feeds = predictor.feeds(self.rows[0])
        for name, array in predictor.task.batch([feeds]).items():
            np.testing.assert_array_equal(array, feeds[name])

    def test_outputs_of_another_shape_are_refused(self, predictor: Predictor) -> None:
        feeds = predictor.feeds(self.rows[0])
        outputs = predictor.infer(feeds)
        for wrong in (
            {name: np.concatenate([array, array]) for name, array in outputs.items()},
            {name: np.concatenate([array, array], axis=-1) for name, array in outputs.items()},
        ):
            with pytest.raises(BackendError, match="shape"):
                predictor.task.answer(wrong, feeds)

    def test_what_is_shown_is_json_and_a_line(self, predictor: Predictor) -> None:
        for row in self.rows:
            shown = predictor.task.shown(predictor.answer(row), row, 0)
            assert json.loads(json.dumps(shown)) == shown
            assert row.items() <= shown.items() if isinstance(row, dict) else row in shown.values()
            line = predictor.task.line(shown)
            assert line
            assert "\n" not in line

    def test_top_limits_a_ranking(self, predictor: Predictor) -> None:
        row = self.rows[0]
        answer = predictor.answer(row)
        plain = predictor.task.shown(answer, row, 0)
        for top in (1, 2) if self.ranked else ():
            shown = predictor.task.shown(answer, row, top)
            assert len(shown.pop("top")) == top
            assert shown == plain

    def test_a_missing_or_damaged_file_is_named(self, artifact: Artifact, tmp_path: Path) -> None:
        manifest, inputs = read_manifest(artifact.path), [spec.name for spec in artifact.inputs]
        task: type[DeviceTask] = TASKS.resolve(self.name)
        assert task.files
        for file in task.files:
            for other in task.files:
                (tmp_path / other).write_bytes((artifact.path / other).read_bytes())
            (tmp_path / file).write_text("garbage", encoding="utf-8")
            with pytest.raises(ArtifactError, match=file):
                task(tmp_path, manifest, inputs)
            (tmp_path / file).unlink()
            with pytest.raises(ArtifactError, match=file):
                task(tmp_path, manifest, inputs)

    def test_an_input_that_it_does_not_make_is_refused(self, artifact: Artifact) -> None:
        manifest = read_manifest(artifact.path)
        with pytest.raises(UnsupportedError, match="pixels"):
            TASKS.resolve(self.name)(artifact.path, manifest, ["pixels"])


def contract_of(task: str) -> type[DeviceTaskContract]:
    """Return the contract's tests of a task, which make a model and know rows."""
    module = importlib.import_module(f"tests.runtimes.test_{task.replace('-', '_')}")
    return next(
        known
        for known in vars(module).values()
        if isinstance(known, type)
        and issubclass(known, DeviceTaskContract)
        and known is not DeviceTaskContract
    )


def askable(rows: Sequence[Any]) -> list[Any]:
    """Return the rows that have no empty text, rows of words as their text."""
    texts = [" ".join(row) if isinstance(row, list) else row for row in rows]
    return [row for row in texts if row and all(row.values() if isinstance(row, dict) else row)]
