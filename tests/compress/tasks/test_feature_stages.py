"""Sentence embeddings through every stage, from a small encoder with its modules."""

from __future__ import annotations

import dataclasses
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest
import tomli_w

from compress.data.dataset import DataSettings
from compress.distill.stage import Distill
from compress.explain.explain import explain
from compress.explain.explanation import Explanation
from compress.explain.question import Question
from compress.export.reference import open_reference
from compress.export.stage import Export
from compress.finetune.stage import Finetune
from compress.models.architectures import FULL
from compress.models.outline import outline_of
from compress.models.teacher import import_model
from compress.progress import Silence
from compress.prune.stage import Prune
from compress.quantize.stage import Quantize
from compress.recipe import TargetSettings, read_recipe
from compress.run.cache import Cache
from compress.search.request import request_of
from compress.search.search import search
from compress.search.shape import Shape
from compress.search.trial import Latency
from compress.search.workshop import Workshop
from runtimes.artifact import Artifact, read_artifact
from runtimes.errors import RecipeError, UnsupportedError
from tests.compress.tasks.contract_stages import StagesContract
from tests.compress.tasks.stage_bench import Bench
from tests.compress.tiny_tags import write_jsonl
from tests.compress.tiny_vectors import make_encoder, opened, topic_rows


class TestFeatureStages(StagesContract):
    """Hold sentence embeddings to the contract; the teacher is an encoder as it is."""

    name: ClassVar[str] = "feature-extraction"
    quantized = (
        ("onnx", {"scheme": "int8-static"}),
        ("onnx", {"scheme": "int4-weight-only"}),
        ("openvino", {"scheme": "int8-dynamic"}),
    )
    teacher_step: ClassVar[str] = "00-teacher"
    budgets: ClassVar[Mapping[str, float]] = {
        "nearest_neighbour_accuracy": 0.5,
        "nearest_neighbour_accuracy_retention": 0.5,
        "ndcg_at_10": 0.4,
        "ndcg_at_10_retention": 0.4,
        "recall_at_10": 0.05,
        "recall_at_10_retention": 0.4,
        "similarity_spearman": 0.1,
        "retention_int8_vectors": 0.5,
        "retention_binary_vectors": 0.4,
    }
    explained: ClassVar[str] = "nearest_neighbour_accuracy"
    text: ClassVar[str] = "please refund my card"
    rows = staticmethod(topic_rows)

    @pytest.fixture(scope="class")
    @classmethod
    def bench(cls, tmp_path_factory: pytest.TempPathFactory) -> Bench:
        """Return a bench whose teacher is a random encoder: it tells texts apart by their words."""
        made = cls.bench_of(tmp_path_factory.mktemp("stages"), 400)
        made.teacher = import_model(opened(make_encoder(made.folder / "model")), made.folder / "t")
        return made

    def check_explained(self, said: Explanation) -> None:
        """Nothing is lost beside itself."""
        assert said.figures["lost"] == said.figures["gained"] == 0
        assert said.figures["similarity_spearman"] == pytest.approx(1)
        labels, confusions, rows = said.tables
        assert sum(row["rows"] for row in labels.to_json()) == said.figures["rows"] == 60
        assert sum(row["rows"] for row in confusions.to_json()) >= len(rows.to_json())

    def check_shown(self, shown: Mapping[str, Any]) -> None:
        """The vector has the length 1."""
        assert np.linalg.norm(shown["embedding"]) == pytest.approx(1, abs=1e-3)

    def test_every_architecture_learns_and_is_exported(self, any_type: str, tmp_path: Path) -> None:
        """Encoders of every architecture are exported; those that can be are distilled before."""
        bench = self.bench_of(tmp_path, 60)
        folder = make_encoder(tmp_path / "model", any_type, layers=1)
        bench.teacher = teacher = import_model(opened(folder), tmp_path / "teacher")
        if any_type in FULL:
            teacher = bench.run(Distill(layers=1, epochs=1), teacher, "student")
        exported = bench.run(Export(format="onnx"), teacher, "onnx")
        for one, other in zip(bench.answers(exported), bench.answers(teacher), strict=True):
            np.testing.assert_allclose(one, other, atol=1e-4, rtol=1e-4)

    @classmethod
    def write_inputs(cls, folder: Path) -> Path:
        """Write the recipe without its first stage: the teacher is there."""
        recipe = super().write_inputs(folder)
        make_encoder(folder / "encoder")
        content = tomllib.loads(recipe.read_text(encoding="utf-8"))
        content["teacher"]["path"] = "encoder"
        content["stage"] = content["stage"][1:]
        recipe.write_text(tomli_w.dumps(content), encoding="utf-8")
        return recipe

    def test_fewer_dimensions_are_components_and_can_be_pruned_again(self, bench: Bench) -> None:
        assert bench.teacher is not None
        small = bench.run(Distill(layers=1, epochs=4, dimensions=16), bench.teacher, "components")
        assert small.labels == tuple(map(str, range(16)))
        assert len(bench.answers(small)[0]) == 16
        assert bench.score(small) > 0.8 * bench.score(bench.teacher)
        pruned = bench.run(Prune(hidden=48, recovery_epochs=1), small, "components-pruned")
        exported = bench.run(Export(format="onnx"), pruned, "components-onnx")
        assert exported.outputs[0].shape == ("batch", 16)
        for one, other in zip(bench.answers(exported), bench.answers(pruned), strict=True):
            np.testing.assert_allclose(one, other, atol=1e-4)
        write_jsonl(bench.folder / "some.jsonl", self.rows(30, 5))
        data = DataSettings(train=(), test=(str(bench.folder / "some.jsonl"),))
        teacher = open_reference(
            str(bench.teacher.path), exported, bench.folder / "reference", 7, Silence()
        )
        said = explain(Question("ndcg_at_10", exported, data=data, reference=teacher))
        assert 0 < said.figures["similarity_spearman"] < 1
        with pytest.raises(RecipeError, match="cut before"):
            bench.run(Distill(layers=1, epochs=1, dimensions=8), small, "again")

    def test_a_static_student_looks_up_its_tokens(self, bench: Bench) -> None:
        assert bench.teacher is not None
        alone = bench.run(Prune(positions=False, recovery_epochs=0), bench.teacher, "unordered")
        static = bench.run(Distill(layers=0, epochs=4), alone, "static")
        assert bench.score(static) > 0.8 * bench.score(bench.teacher)
        exported = bench.run(Export(format="onnx"), static, "static-onnx")
        assert bench.score(exported) == pytest.approx(bench.score(static), abs=1e-4)
        small = bench.run(
            Quantize(scheme="int8-dynamic", embeddings="int4", max_drop=0.2),
            exported,
            "static-int4",
        )
        assert small.size_mb < exported.size_mb

    def test_a_search_tries_a_static_student_first(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def timed(shop: Workshop, models: dict[Shape, Artifact]) -> dict[Shape, Latency]:
            speeds = {shape: 8.0 / (1 + shape.layers) for shape in models}
            return {shape: Latency(1 / speed, 2 / speed, speed) for shape, speed in speeds.items()}

        monkeypatch.setattr(Workshop, "timed", timed)
        recipe = read_recipe(self.write_inputs(tmp_path))
        target = TargetSettings(retention=0.5, rungs=(1,), max_trials=2, seeds=1)
        asked = request_of(recipe, target, tmp_path / "out")
        found = search(dataclasses.replace(asked, cache=Cache(tmp_path / "cache")))
        assert [row.trial.shape.layers for row in found.rows] == [0, 1]
        assert found.answer is not None
        assert found.answer.trial.shape.static
        assert read_artifact(found.models[found.answer.trial.name]).task == self.name

    def test_the_first_dimensions_are_cut_and_normalized_again(self, bench: Bench) -> None:
        assert bench.teacher is not None
        cut = bench.run(Prune(dimensions=8, recovery_epochs=0), bench.teacher, "cut")
        for one, whole in zip(bench.answers(cut), bench.answers(bench.teacher), strict=True):
            np.testing.assert_allclose(one, whole[:8] / np.linalg.norm(whole[:8]), atol=1e-5)


def test_what_does_not_fit_is_refused(tmp_path: Path) -> None:
    source = outline_of(opened(make_encoder(tmp_path / "model", layers=1)))
    with pytest.raises(UnsupportedError, match="no contrastive loss"):
        Finetune().check(source)
    classes = dataclasses.replace(source, task="text-classification")
    cuts = (Prune(dimensions=8), Prune(layers=0))
    for stage in (*cuts, Distill(layers=1, dimensions=8), Distill(layers=0)):
        stage.check(source)
        with pytest.raises(UnsupportedError, match=r"dimensions|layers = 0"):
            stage.check(classes)
