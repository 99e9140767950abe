"""The contract of every task's host half: subclass `TaskContract` and give the examples."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest
import torch

from compress.answers.folder import folder_answers
from compress.answers.trained import trained_answers
from compress.data.batch import Batch
from compress.data.dataset import DataSettings, load_dataset, load_inputs, load_labeled
from compress.data.rows import Record
from compress.export.stage import Export
from compress.finetune.stage import Finetune
from compress.models.torch_model import load_config, load_model
from compress.stage import RunContext, execute
from compress.tasks import TASKS, Answer, Task, task_of
from compress.training.batches import encode
from compress.training.loop import answers_of
from runtimes.artifact import read_artifact
from runtimes.errors import EdgepressError
from runtimes.tokenizing import load_tokenizer
from tests.compress.tiny_models import make_model


class TaskContract:
    """Test a task: `name` it, give rows as files hold them, and rows that must be refused."""

    name: ClassVar[str]
    settings: ClassVar[dict[str, Any]] = {}
    records: ClassVar[Sequence[dict[str, Any]]]
    refused: ClassVar[Sequence[Sequence[dict[str, Any]]]]

    def perfect(self, targets: Sequence[Any], labels: tuple[str, ...]) -> list[Answer]:
        """Return answers that are right on every row."""
        raise NotImplementedError

    def random(self, targets: Sequence[Any], labels: tuple[str, ...], seed: int) -> list[Answer]:
        """Return answers that do not depend on the targets."""
        raise NotImplementedError

    @pytest.fixture
    def task(self) -> Task:
        """Return the task, as production finds it."""
        return task_of(self.name)

    @pytest.fixture
    def model(self, tmp_path: Path) -> Path:
        """Return a tiny pretrained model."""
        return make_model(tmp_path / "model", layers=1).path

    def _data(self, folder: Path, rows: Sequence[dict[str, Any]], task: Task) -> Any:
        lines = "".join(json.dumps(row) + "\n" for row in rows)
        (folder / "rows.jsonl").write_text(lines, encoding="utf-8")
        return load_dataset(DataSettings(train="rows.jsonl", **self.settings), folder, 7, task)

    def test_it_is_found_by_its_name(self, task: Task) -> None:
        assert self.name in TASKS
        assert task.name == self.name

    def test_rows_are_read_split_and_read_again(self, task: Task, tmp_path: Path) -> None:
        data = self._data(tmp_path, self.records, task)
        parts = (data.train, data.validation, data.test)
        assert sum(map(len, parts)) == len(self.records)
        assert all(map(len, parts))
        content = [[list(rows.inputs), list(rows.targets)] for rows in parts]
        assert json.loads(json.dumps(content)) == content, "JSON values"
        settings = DataSettings(train=(), test="rows.jsonl", **self.settings)
        again, _ = load_labeled(settings, tmp_path, data.labels, task)
        known = {
            json.dumps(given): json.dumps(target)
            for rows in parts
            for given, target in zip(rows.inputs, rows.targets, strict=True)
        }
        first = zip(again.inputs, again.targets, strict=True)
        assert {json.dumps(given): json.dumps(target) for given, target in first} == known
        assert load_inputs(settings, tmp_path, task).inputs == again.inputs

    def test_rows_that_cannot_be_learned_are_refused(self, task: Task, tmp_path: Path) -> None:
        for rows in self.refused:
            with pytest.raises(EdgepressError) as caught:
                self._data(tmp_path, rows, task)
            assert caught.value.action

    def test_every_row_has_a_stratum(self, task: Task) -> None:
        row = self.records[0]
        settings = DataSettings(train=(), **self.settings)
        given = task.input([row[name] for name in task.input_columns(settings)])
        target = task.target([row[name] for name in task.target_columns(settings)])
        assert isinstance(task.stratum(Record(given, target)), str)

    def test_scores_are_a_row_each_and_perfect_answers_earn_all(
        self, task: Task, tmp_path: Path
    ) -> None:
        data = self._data(tmp_path, self.records, task)
        targets = data.train.targets
        perfect = task.score(self.perfect(targets, data.labels), targets, data.labels)
        assert len(perfect) == len(targets)
        assert (perfect.value <= perfect.weight).all()
        assert perfect.metric == pytest.approx(1)
        assert perfect.metric > task.chance(targets, data.labels)

    def test_random_answers_earn_what_chance_does(self, task: Task, tmp_path: Path) -> None:
        data = self._data(tmp_path, self.records, task)
        targets = data.train.targets * 20
        scores = [
            task.score(self.random(targets, data.labels, seed), targets, data.labels).metric
            for seed in range(5)
        ]
        assert np.mean(scores) <= task.chance(targets, data.labels)

    def test_figures_hold_the_score_and_what_is_kept_of_it(
        self, task: Task, tmp_path: Path
    ) -> None:
        data = self._data(tmp_path, self.records, task)
        targets, labels = data.train.targets, data.labels
        perfect, other = self.perfect(targets, labels), self.random(targets, labels, 1)
        figures = task.figures(other, targets, labels, perfect).all(0.95)
        metric, kept = task.score(other, targets, labels).metric, f"{task.metric}_retention"
        assert figures[task.metric].value == pytest.approx(metric)
        assert figures[kept].value == pytest.approx(metric)
        assert task.score_name
        for figure in figures.values():
            if figure.value is not None and figure.lower is not None and figure.upper is not None:
                assert figure.lower <= figure.value <= figure.upper
        assert kept not in task.figures(other, targets, labels).all(0.95)

    def test_an_answer_agrees_with_itself(self, task: Task, tmp_path: Path) -> None:
        data = self._data(tmp_path, self.records, task)
        answers = self.random(data.train.targets, data.labels, 2)
        assert task.agrees(answers, answers).all()
        np.testing.assert_allclose(task.divergence(answers, answers), 0, atol=1e-6)
        others = self.random(data.train.targets, data.labels, 3)
        assert task.divergence(answers, others).min() >= -1e-6
        assert task.divergence(answers, others).max() > 0

    def test_a_new_head_learns(self, task: Task, model: Path, tmp_path: Path) -> None:
        """Gradient steps lower the hard loss, and the output has the declared shape."""
        data = self._data(tmp_path, self.records, task)
        batch, network = self._opened(task, model, data)
        targets = data.train.targets
        weights = task.weights(targets, data.labels, "balanced")
        steps = torch.optim.AdamW(network.parameters(), lr=1e-3)
        seen = []
        for _ in range(8):
            loss = task.hard_loss(network(**batch.inputs), batch, targets, weights)
            seen.append(float(loss.detach()))
            steps.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            steps.step()
        assert seen[-1] < seen[0]
        with torch.inference_mode():
            answers = task.answers(network(**batch.inputs), batch)
        assert len(answers) == len(targets)
        assert all(answer.dtype == np.float32 for answer in answers)
        assert [spec.dtype for spec in task.outputs(data.labels)] == ["float32"]

    def test_a_teacher_s_own_answers_have_no_soft_loss(
        self, task: Task, model: Path, tmp_path: Path
    ) -> None:
        data = self._data(tmp_path, self.records, task)
        batch, network = self._opened(task, model, data)
        with torch.inference_mode():
            output = network.eval()(**batch.inputs)
            known = task.answers(output, batch)
            soft = task.soft_loss(output, batch, known, 3.0)
            targets = data.train.targets
            unlabeled = [None] * len(targets)
            rules = {"temperature": 3.0, "alpha": 0.5}
            alone = task.distillation_loss(output, batch, known, unlabeled, **rules)
            both = task.distillation_loss(output, batch, known, targets, **rules)
            other = [2 * answer + 1 for answer in known]
            hard = task.hard_loss(output, batch, targets)
            moved = task.soft_loss(output, batch, other, 3.0)
        assert soft.shape == (len(targets),)
        assert float(soft.abs().max()) < 1e-5
        assert float(alone) == pytest.approx(0, abs=1e-5)
        assert float(both) == pytest.approx(0.5 * float(hard), rel=1e-4)
        assert float(moved.max()) > 0

    def test_its_own_answers_are_no_news_on_average(
        self, task: Task, model: Path, tmp_path: Path
    ) -> None:
        """Gradients of targets drawn from the model cancel on average; the same draw repeats.

        Those of the last weights do; a bias that all places share has no gradient at all.
        """
        data = self._data(tmp_path, self.records, task)
        batch, network = self._opened(task, model, data)
        output = network.eval()(**batch.inputs)
        last = [one for one in network.parameters() if one.ndim == 2][-1]

        def gradient(seed: int) -> Any:
            generator = torch.Generator().manual_seed(seed)
            loss = task.own_loss(output, batch, 4.0, generator)
            (mean,) = torch.autograd.grad(loss, last, retain_graph=True)
            return mean.flatten()

        draws = torch.stack([gradient(seed) for seed in range(200)])
        assert torch.equal(gradient(0), draws[0])
        assert not torch.equal(draws[1], draws[0])
        assert float(draws.mean(0).norm()) < 0.3 * float(draws.norm(dim=1).mean())

    def test_epochs_are_judged_by_score_and_loss(self, task: Task, tmp_path: Path) -> None:
        data = self._data(tmp_path, self.records, task)
        targets, labels = data.train.targets, data.labels
        best = task.evaluate(self.perfect(targets, labels), targets, labels)
        worse = task.evaluate(self.random(targets, labels, 4), targets, labels)
        assert best[0] > worse[0]
        assert best[1] < worse[1]

    def test_batches_do_not_change_answers(self, task: Task, model: Path, tmp_path: Path) -> None:
        data = self._data(tmp_path, self.records, task)
        _, network = self._opened(task, model, data)
        encoded = encode(load_tokenizer(model, 64), data.train.inputs, network.config, task)
        alone = answers_of(network, encoded, task, batch_size=1)
        together = answers_of(network, encoded, task, batch_size=16)
        for one, other in zip(alone, together, strict=True):
            np.testing.assert_allclose(one, other, atol=1e-4)

    def test_the_device_answers_as_the_host_and_earns_the_same(
        self, task: Task, model: Path, tmp_path: Path
    ) -> None:
        """The exported model's own code and the torch model give the same answers, row by row."""
        data = self._data(tmp_path, self.records, task)
        source = dataclasses.replace(read_artifact(model), task=self.name)
        context = RunContext(data, None, 7, tmp_path / "scratch")
        trained = execute(Finetune(epochs=1), source, context, tmp_path / "trained")
        made = execute(Export(format="onnx"), trained, context, tmp_path / "exported")
        assert made.task == self.name
        rows = data.train
        known = trained_answers(trained, rows.inputs)
        device_answers = folder_answers(made, made.path, rows.inputs)
        for one, other in zip(device_answers, known, strict=True):
            assert one.shape == other.shape
            np.testing.assert_allclose(one, other, atol=1e-4)
        np.testing.assert_allclose(task.divergence(known, device_answers), 0, atol=1e-4)
        targets, labels = rows.targets, data.labels
        mine, theirs = (task.score(one, targets, labels) for one in (device_answers, known))
        np.testing.assert_allclose(mine.value, theirs.value, atol=1e-3)
        np.testing.assert_array_equal(mine.weight, theirs.weight)

    def _opened(self, task: Task, model: Path, data: Any) -> tuple[Batch, Any]:
        torch.manual_seed(0)
        network = load_model(model, self.name, labels=data.labels)
        assert load_config(model).model_type == network.config.model_type
        tokenizer = load_tokenizer(model, 64)
        encoded = encode(tokenizer, data.train.inputs, network.config, task)
        return encoded.collate(np.arange(len(encoded))), network
