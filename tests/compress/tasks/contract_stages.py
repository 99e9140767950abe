"""The contract of a task with the stages: subclass `StagesContract` and give rows that are learned.

A tiny model learns the rows, and goes through every stage; a whole run reports the task's score.
"""

from __future__ import annotations

import dataclasses
import json
import tomllib
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest
import tomli_w

from compress.data.dataset import DataSettings, load_dataset
from compress.distill.stage import Distill
from compress.explain.explain import explain
from compress.explain.explanation import Explanation
from compress.explain.question import Question
from compress.export.stage import Export
from compress.finetune.stage import Finetune
from compress.models.architectures import FULL, PARTIAL
from compress.prune.stage import Prune
from compress.quantize.stage import Quantize
from compress.tasks import TASKS, task_of
from runtimes.artifact import read_artifact
from tests.compress.tasks.stage_bench import Bench
from tests.compress.tiny_models import make_model
from tests.compress.tiny_tags import write_jsonl

_TURNS = 3
_RECIPE = """
schema = 1
name = "stages"
seed = 7
profiles = ["local"]
[teacher]
path = "model"
[data]
train = "train.jsonl"
test = "test.jsonl"
[[stage]]
kind = "finetune"
epochs = 4
learning_rate = 1e-3
[[stage]]
kind = "distill"
layers = 1
augment = 1
epochs = 3
[[stage]]
kind = "prune"
ffn = 0.5
heads = 0.5
vocabulary = true
recovery_epochs = 1
[[stage]]
kind = "quantize"
scheme = "int8-dynamic"
max_drop = 0.3
[export]
formats = ["onnx", "openvino"]
"""


class StagesContract:
    """Test a task through the stages.

    `budgets` are limits that a model which learned the rows meets, `text` an input to predict.
    `quantized` names formats, each with what `Quantize` is given. `explained` is the metric that is
    explained. `run_epochs` are those of a whole run's teacher, which its step `teacher_step` makes.
    `pruned` is the share of the student's score that a pruned model keeps at least.
    """

    name: ClassVar[str]
    settings: ClassVar[Mapping[str, Any]] = {}
    method: ClassVar[str] = "full"
    quantized: ClassVar[Sequence[tuple[str, Mapping[str, Any]]]]
    pruned: ClassVar[float] = 0.7
    run_epochs: ClassVar[int] = 4
    teacher_step: ClassVar[str] = "01-finetune"
    budgets: ClassVar[Mapping[str, float]]
    explained: ClassVar[str]
    text: ClassVar[str]

    @staticmethod
    def rows(count: int, seed: int) -> list[dict[str, Any]]:
        """Return rows that a tiny model learns."""
        raise NotImplementedError

    def check_explained(self, said: Explanation) -> None:
        """Check what is said of a model beside itself."""
        raise NotImplementedError

    def check_shown(self, shown: Mapping[str, Any]) -> None:
        """Check the answer to `text`."""
        raise NotImplementedError

    @classmethod
    def bench_of(cls, folder: Path, count: int) -> Bench:
        """Return a bench with so many rows."""
        write_jsonl(folder / "rows.jsonl", cls.rows(count, 1))
        settings = DataSettings(train=("rows.jsonl",), **cls.settings)
        return Bench(load_dataset(settings, folder, 7, task_of(cls.name)), folder)

    @pytest.fixture(scope="class")
    @classmethod
    def bench(cls, tmp_path_factory: pytest.TempPathFactory) -> Bench:
        """Return a bench with a teacher that has learned the rows."""
        made = cls.bench_of(tmp_path_factory.mktemp("stages"), 400)
        source = read_artifact(make_model(made.folder / "model", "bert").path)
        stage = Finetune(method=cls.method, epochs=10, learning_rate=2e-3, patience=None)  # type: ignore[arg-type]
        made.teacher = made.run(stage, dataclasses.replace(source, task=cls.name), "teacher")
        return made

    def test_every_stage_keeps_the_score(self, bench: Bench) -> None:
        teacher = bench.teacher
        assert teacher is not None
        learned = bench.score(teacher)
        assert learned > 0.85
        student = bench.run(Distill(layers=1, augment=1, epochs=8), teacher, "student")
        assert bench.score(student) > 0.85 * learned
        cut = Prune(ffn=0.5, heads=0.5, hidden=32, vocabulary=True, recovery_epochs=6)
        pruned = bench.run(cut, student, "pruned")
        assert bench.score(pruned) > self.pruned * learned
        exported = bench.run(Export(format="onnx"), pruned, "pruned-onnx")
        assert bench.score(exported) == pytest.approx(bench.score(pruned), abs=1e-4)
        for form, settings in self.quantized:
            name = "-".join([form, *map(str, settings.values())])
            made = bench.run(Export(format=form), student, name)  # type: ignore[arg-type]
            assert bench.score(made) == pytest.approx(bench.score(student), abs=1e-4)
            small = bench.run(Quantize(max_drop=0.1, **settings), made, f"{name}-small")
            assert bench.score(small) > 0.9 * bench.score(made)

    def test_a_model_beside_itself_is_explained(self, bench: Bench) -> None:
        assert bench.teacher is not None
        made = bench.run(Export(format="onnx"), bench.teacher, "explained")
        write_jsonl(bench.folder / "asked.jsonl", self.rows(60, 3))
        asked = (str(bench.folder / "asked.jsonl"),)
        data = DataSettings(train=(), test=asked, **self.settings)
        self.check_explained(explain(Question(self.explained, made, data=data, reference=made)))

    def pytest_generate_tests(self, metafunc: pytest.Metafunc) -> None:
        """Take a third of the architectures, another one for the next task; the rest are slow.

        An export takes seconds, and most of what it does is the same for every task.
        """
        if "any_type" not in metafunc.fixturenames:
            return
        turn = sorted(TASKS).index(self.name) % _TURNS
        types = sorted({*FULL, *PARTIAL})
        slow = [place % _TURNS != turn for place in range(len(types))]
        metafunc.parametrize(
            "any_type",
            [
                pytest.param(name, marks=[pytest.mark.slow] if late else [])
                for name, late in zip(types, slow, strict=True)
            ],
        )

    def test_every_architecture_learns_and_is_exported(self, any_type: str, tmp_path: Path) -> None:
        bench = self.bench_of(tmp_path, 60)
        source = read_artifact(make_model(tmp_path / "model", any_type, layers=1).path)
        named = dataclasses.replace(source, task=self.name)
        teacher = bench.run(Finetune(epochs=1), named, "teacher")
        exported = bench.run(Export(format="onnx"), teacher, "onnx")
        for one, other in zip(bench.answers(exported), bench.answers(teacher), strict=True):
            np.testing.assert_allclose(one, other, atol=1e-4, rtol=1e-4)

    @pytest.mark.slow
    def test_a_run_reports_the_score_and_its_bundle_is_gated(
        self, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        from compress.cli.main import run

        recipe, out = self.write_inputs(tmp_path), tmp_path / "out"
        assert run(["run", str(recipe), "--out", str(out), "--tier", "quick"]) in (0, 1, 3)
        said = capsys.readouterr().out
        task = task_of(self.name)
        assert task.score_name in said
        summary = json.loads((out / "report.json").read_text(encoding="utf-8"))["summary"]
        assert summary["model"]["score_name"] == task.score_name
        if task.metric != "accuracy":
            assert "accuracy" not in said.replace(task.score_name, "")
            assert summary["model"]["accuracy"] is None
        self._check_gate(out, tmp_path / "test.jsonl", run, capsys)
        assert run(["predict", str(out / "bundle"), self.text, "--json"]) == 0
        self.check_shown(json.loads(capsys.readouterr().out))

    def _check_gate(
        self,
        out: Path,
        rows: Path,
        run: Callable[[list[str]], int],
        capsys: pytest.CaptureFixture[str],
    ) -> None:
        """Check that the run's bundle meets the budgets, beside the teacher."""
        columns = [
            part
            for key, name in self.settings.items()
            for part in (f"--{key.replace('_', '-')}", name)
        ]
        limits = [
            part for one in self.budgets.items() for part in ("--budget", "=".join(map(str, one)))
        ]
        reference = ["--reference", str(out / self.teacher_step), "--data", str(rows)]
        run(
            [
                "gate",
                str(out / "bundle"),
                *reference,
                *columns,
                *limits,
                "--tier",
                "quick",
                "--json",
            ]
        )
        checks = json.loads(capsys.readouterr().out)["verdicts"][0]["checks"]
        judged = {check["metric"]: check["status"] for check in checks}
        for metric in self.budgets:
            assert judged[metric] == "PASS", checks
        if task_of(self.name).metric != "accuracy":
            assert not any(metric.startswith("accuracy") for metric in judged)

    @classmethod
    def write_inputs(cls, folder: Path) -> Path:
        """Write a pretrained model without a head, files of rows and a recipe; return it."""
        make_model(folder / "model", "bert")
        (folder / "model" / "artifact.json").unlink()
        write_jsonl(folder / "train.jsonl", cls.rows(300, 1))
        write_jsonl(folder / "test.jsonl", cls.rows(120, 2))
        content = tomllib.loads(_RECIPE)
        content["teacher"]["task"] = cls.name
        content["stage"][0] |= {"epochs": cls.run_epochs, "patience": cls.run_epochs}
        content["data"] |= cls.settings
        recipe = folder / "stages.toml"
        recipe.write_text(tomli_w.dumps(content), encoding="utf-8")
        return recipe
