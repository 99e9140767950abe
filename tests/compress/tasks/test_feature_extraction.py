"""Sentence embeddings on the host, and their scores against plain definitions."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from compress.data.dataset import DataSettings, load_dataset
from compress.models.teacher import import_model
from compress.recipe import read_recipe
from compress.tasks import Answer, Task, counted_outputs, divergence_of, task_of
from compress.tasks.embedding_scores import (
    binary_vectors,
    int8_vectors,
    search,
    similarity_spearman,
)
from compress.tasks.feature_extraction import FeatureExtraction
from compress.tasks.text_regression import TextRegression
from runtimes.errors import DataError, UnsupportedError
from tests.compress.tasks.contract_task import TaskContract
from tests.compress.tiny_tags import write_jsonl
from tests.compress.tiny_vectors import make_encoder, opened, topic_rows

TASK = FeatureExtraction()
WIDTH = 16


class TestFeatureExtraction(TaskContract):
    """Hold sentence embeddings to the contract; no head of theirs learns from labels."""

    name: ClassVar[str] = "feature-extraction"
    records: ClassVar[Sequence[dict[str, Any]]] = topic_rows(60, 1)
    refused: ClassVar[Sequence[Sequence[dict[str, Any]]]] = [
        [{"text": f"text {n}", "label": "same"} for n in range(20)],
        [{"text": f"text {n}", "label": str(n)} for n in range(20)],
        [{"text": f"text {n}", "label": None if n == 3 else "ab"[n % 2]} for n in range(20)],
    ]

    def perfect(self, targets: Sequence[Any], labels: tuple[str, ...]) -> list[Answer]:
        """Return the same direction for each label."""
        names = sorted(set(targets))
        return [np.eye(WIDTH, dtype=np.float32)[names.index(target)] for target in targets]

    def random(self, targets: Sequence[Any], labels: tuple[str, ...], seed: int) -> list[Answer]:
        """Return vectors in all directions."""
        rng = np.random.default_rng(seed)
        return list(rng.normal(size=(len(targets), WIDTH)).astype(np.float32))

    def test_a_new_head_learns(self, task: Task, model: Path, tmp_path: Path) -> None:
        """It learns from a teacher alone: labels do not say what a vector is."""
        data = self._data(tmp_path, self.records, task)
        data = task.aligned(data, tuple(map(str, range(WIDTH))))
        batch, network = self._opened(task, model, data)
        output = network(**batch.inputs)
        with pytest.raises(UnsupportedError, match="no contrastive loss"):
            task.hard_loss(output, batch, data.train.targets)
        assert task.weights(data.train.targets, data.labels, "balanced") is None
        assert output.logits.shape == (len(data.train), WIDTH)

    def test_a_teacher_s_own_answers_have_no_soft_loss(
        self, task: Task, model: Path, tmp_path: Path
    ) -> None:
        import torch

        data = self._data(tmp_path, self.records, task)
        data = task.aligned(data, tuple(map(str, range(WIDTH))))
        batch, network = self._opened(task, model, data)
        with torch.inference_mode():
            output = network.eval()(**batch.inputs)
            known = task.answers(output, batch)
            soft = task.soft_loss(output, batch, known, 3.0)
            longer = task.soft_loss(output, batch, [2 * one for one in known], 3.0)
            other = task.soft_loss(output, batch, known[::-1], 3.0)
            mean = task.distillation_loss(
                output, batch, known[::-1], data.train.targets, temperature=3.0, alpha=0.5
            )
        assert soft.shape == (len(known),)
        assert float(soft.abs().max()) < 1e-5
        assert float(longer.abs().max()) < 1e-5, "the length of a vector says nothing"
        assert float(other.max()) > 0
        assert float(mean) == pytest.approx(float(other.mean()))

    def test_its_own_answers_are_no_news_on_average(
        self, task: Task, model: Path, tmp_path: Path
    ) -> None:
        """Gradients of vectors drawn around the model's cancel; the same draw repeats."""
        import torch

        vectors = torch.randn(4, WIDTH, requires_grad=True)

        def gradient(seed: int) -> Any:
            from compress.tasks.sentence_encoder import Embedding

            generator = torch.Generator().manual_seed(seed)
            loss = task.own_loss(Embedding(logits=vectors), Any, 4.0, generator)  # type: ignore[arg-type]
            return torch.autograd.grad(loss, vectors)[0]

        draws = torch.stack([gradient(seed) for seed in range(200)])
        assert torch.equal(gradient(0), draws[0])
        assert float(draws.mean(0).norm()) < 0.3 * float(draws.norm(dim=(1, 2)).mean())

    def test_batches_do_not_change_answers(self, task: Task, model: Path, tmp_path: Path) -> None:
        """Padding is no part of a pooled vector, and long texts stand beside short ones."""
        from compress.answers.trained import trained_answers

        for pooling in ("mean", "cls", "max"):
            folder = make_encoder(tmp_path / pooling, pooling=pooling, layers=1)
            source = import_model(opened(folder), tmp_path / f"{pooling}-t")
            texts = ["hi", "refund my card please " * 5, "thanks"]
            together = trained_answers(source, texts)
            for text, answer in zip(texts, together, strict=True):
                np.testing.assert_allclose(trained_answers(source, [text])[0], answer, atol=1e-4)

    def test_the_device_answers_as_the_host_and_earns_the_same(
        self, task: Task, model: Path, tmp_path: Path
    ) -> None:
        """The contract of all stages compares them (test_feature_stages.py)."""


_rows = st.integers(4, 12)


def _drawn(rows: int, seed: int) -> tuple[Any, list[str]]:
    rng = np.random.default_rng(seed)
    vectors = rng.normal(size=(rows, 5)).astype(np.float32)
    return vectors, [str(label) for label in rng.integers(0, 3, rows)]


@settings(deadline=None, max_examples=50)
@given(_rows, st.integers(0, 10_000))
def test_scores_are_those_of_plain_loops(rows: int, seed: int) -> None:
    vectors, targets = _drawn(rows, seed)
    found = search(vectors, targets)
    unit = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    for row in range(rows):
        others = [other for other in range(rows) if other != row]
        near = sorted(others, key=lambda other: -float(unit[row] @ unit[other]))[:10]
        relevant = [targets[other] == targets[row] for other in near]
        total = sum(targets[other] == targets[row] for other in others)
        if not total:
            assert found.nearest_right().weight[row] == found.ndcg().weight[row] == 0
            continue
        gain = sum(hit / np.log2(place + 2) for place, hit in enumerate(relevant))
        ideal = sum(1 / np.log2(place + 2) for place in range(min(total, len(near))))
        assert found.nearest_right().value[row] == relevant[0]
        assert found.recall().value[row] == pytest.approx(sum(relevant) / total)
        assert found.ndcg().value[row] == pytest.approx(gain / ideal)


@settings(deadline=None, max_examples=25)
@given(_rows, st.integers(0, 10_000))
def test_the_rank_correlation_is_scipy_s(rows: int, seed: int) -> None:
    from scipy.stats import spearmanr

    one, other = _drawn(rows, seed)[0], _drawn(rows, seed + 1)[0]
    mine = [v / np.linalg.norm(v, axis=1, keepdims=True) for v in (one, other)]
    similar = [v @ v.T for v in mine]
    for row, value in enumerate(similarity_spearman(one, other)):
        others = np.arange(rows) != row
        known = spearmanr(*(block[row, others] for block in similar)).statistic
        assert value == pytest.approx(known, abs=1e-9)
    assert similarity_spearman(one, 3 * one) == pytest.approx(1)


def test_stored_vectors_keep_what_their_bits_hold() -> None:
    vectors = np.array([[0.5, -0.25, 0.0], [2.0, 1.0, -1.0]], dtype=np.float32)
    assert int8_vectors(vectors).tolist() == [[127, -64, 0], [127, 64, -64]]
    assert binary_vectors(vectors).tolist() == [[1, -1, -1], [1, 1, -1]]


def test_figures_say_what_stored_vectors_keep() -> None:
    vectors, targets = _drawn(200, 3)
    answers = list(vectors)
    figures = TASK.figures(answers, targets, (), answers).all(0.95)
    assert figures["nearest_neighbour_accuracy_retention"].value == 1
    found = figures["nearest_neighbour_accuracy"]
    lower, value, upper = (one or 0.0 for one in (found.lower, found.value, found.upper))
    assert 0 < lower < value < upper < 1
    assert figures["similarity_spearman"].value == pytest.approx(1)
    assert figures["retention_int8_vectors"].value == pytest.approx(1, abs=0.2)
    assert figures["retention_binary_vectors"].value is not None


def test_texts_without_labels_are_all_that_is_learned(tmp_path: Path) -> None:
    write_jsonl(tmp_path / "texts.jsonl", [{"text": row["text"]} for row in topic_rows(30, 1)])
    for name in ("validation", "test"):
        write_jsonl(tmp_path / f"{name}.jsonl", topic_rows(12, len(name)))
    known = {"validation": ("validation.jsonl",), "test": ("test.jsonl",)}
    settings = DataSettings(train=(), unlabeled=("texts.jsonl",), **known)
    data = load_dataset(settings, tmp_path, 7, TASK)
    assert (len(data.validation), len(data.test), len(data.unlabeled)) == (12, 12, 0)
    assert set(data.train.targets) == {None}
    assert len(data.train) == len({row["text"] for row in topic_rows(30, 1)})
    for task, rows in ((TASK, DataSettings(train=(), **known)), (TextRegression(), settings)):
        with pytest.raises(DataError, match="train names no file"):
            load_dataset(rows, tmp_path, 7, task)


@pytest.mark.parametrize("name", ["banking77-embeddings", "banking77-static"])
def test_a_recipe_for_banking77_lists_no_labeled_file(name: str) -> None:
    recipe = read_recipe(Path(__file__).parents[3] / "benchmarks" / f"{name}.toml")
    assert recipe.data.train == ()
    assert recipe.data.unlabeled == ("texts.jsonl",)


@pytest.mark.parametrize(
    ("task", "outputs", "divergence"),
    [
        ("feature-extraction", "3 dimensions", "1 − cosine"),
        ("text-classification", "3 classes", "KL"),
        ("question-answering", "", "KL"),
    ],
)
def test_outputs_and_divergences_have_the_task_s_names(
    task: str, outputs: str, divergence: str
) -> None:
    assert counted_outputs(task, 3) == outputs
    assert divergence_of(task_of(task)) == divergence
