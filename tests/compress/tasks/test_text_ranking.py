"""Text ranking on the host: its scores are scikit-learn's, and a group is the unit."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from compress.data.dataset import DataSettings, load_dataset, load_labeled
from compress.data.rows import Rows
from compress.quantize.check import pick_rows
from compress.tasks import Answer, canonical_task, task_of
from compress.tasks.ranking_scores import group_rows, groups_of, ndcg, reciprocal_rank
from compress.tasks.text_ranking import TextRanking, margins
from profiles.paired import paired_retention
from runtimes.errors import DataError
from tests.compress.tasks.contract_task import TaskContract
from tests.compress.tiny_pairs import ranking_rows
from tests.compress.tiny_tags import write_jsonl

TASK = TextRanking()
_ranked = st.integers(2, 14).flatmap(
    lambda count: st.tuples(
        st.lists(st.integers(-3, 3), min_size=count, max_size=count),
        st.lists(st.integers(0, 3), min_size=count, max_size=count),
    )
)


class TestTextRanking(TaskContract):
    """Hold text ranking to the contract."""

    name: ClassVar[str] = "text-ranking"
    settings: ClassVar[dict[str, Any]] = {"text": "query", "text_pair": "passage"}
    records: ClassVar[Sequence[dict[str, Any]]] = ranking_rows(20, 1)
    refused: ClassVar[Sequence[Sequence[dict[str, Any]]]] = [
        [{**row, "label": "relevant"} for row in ranking_rows(10, 1)],
        [{**row, "label": -1} for row in ranking_rows(10, 1)],
        [{**row, "label": 1} for row in ranking_rows(10, 1)],
        [{**row, "query": f"{n}"} for n, row in enumerate(ranking_rows(10, 1))],
        [{**row, "passage": ""} for row in ranking_rows(10, 1)],
    ]

    def perfect(self, targets: Sequence[Any], labels: tuple[str, ...]) -> list[Answer]:
        """Return logits in the order of the relevances."""
        return [np.array([10 * target[0] - 5], dtype=np.float32) for target in targets]

    def random(self, targets: Sequence[Any], labels: tuple[str, ...], seed: int) -> list[Answer]:
        """Return logits drawn at random."""
        return list(np.random.default_rng(seed).normal(size=(len(targets), 1)).astype(np.float32))


@settings(deadline=None)
@given(_ranked)
def test_ndcg_is_scikit_learn_s(pair: tuple[list[int], list[int]]) -> None:
    metrics = pytest.importorskip("sklearn.metrics")
    scores, relevance = (np.array(one, dtype=np.float64) for one in pair)
    wanted = metrics.ndcg_score([relevance], [scores], k=10)
    assert ndcg(scores, relevance) == pytest.approx(wanted)


@settings(deadline=None)
@given(
    st.integers(2, 6).flatmap(
        lambda n: st.tuples(
            st.lists(st.integers(0, 2), min_size=n, max_size=n),
            st.lists(st.integers(0, 1), min_size=n, max_size=n),
        )
    )
)
def test_reciprocal_rank_is_the_mean_over_the_orders_of_ties(
    pair: tuple[list[int], list[int]],
) -> None:
    scores, relevance = (np.array(one, dtype=np.float64) for one in pair)
    found = []
    for order in itertools.permutations(range(len(scores))):
        ranked = sorted(order, key=lambda place: -scores[place])
        firsts = [rank for rank, place in enumerate(ranked, 1) if relevance[place]]
        found.append(1 / firsts[0] if firsts else 0.0)
    assert reciprocal_rank(scores, relevance) == pytest.approx(np.mean(found))


def test_groups_without_an_order_are_left_out_and_a_group_counts_once() -> None:
    relevance = np.array([1, 0, 0, 1, 1, 0, 1], dtype=np.float64)
    names = ["a", "a", "b", "c", "c", "d", "d"]
    groups = groups_of(names, relevance)
    assert [places.tolist() for places in groups] == [[0, 1], [5, 6]]
    rows = group_rows(ndcg, np.array([1.0, 0, 0, 0, 0, 1, 0]), relevance, groups)
    assert rows.weight.tolist() == [1, 0, 0, 0, 0, 1, 0]
    assert rows.metric == pytest.approx((1 + 1 / np.log2(3)) / 2)


def test_retention_resamples_groups_whatever_their_size() -> None:
    """Rows that earn nothing change no bound: only groups are drawn."""
    rng = np.random.default_rng(3)
    relevance = np.tile([1.0, 0, 0, 0], 40)
    names = [str(n // 4) for n in range(160)]
    groups = groups_of(names, relevance)
    mine, theirs = (group_rows(ndcg, rng.normal(size=160), relevance, groups) for _ in range(2))
    first = np.array([places[0] for places in groups])
    whole = paired_retention(mine, theirs, 0.95, 7)
    assert whole == paired_retention(mine.of(first), theirs.of(first), 0.95, 7)
    assert whole.samples == 40


def test_two_classes_rank_by_the_difference_of_their_logits() -> None:
    answers = [np.array(one, dtype=np.float32) for one in ([0, 1], [3, 1], [-1, 4])]
    assert margins(answers).tolist() == [1, -2, 5]
    targets = [[1.0, "q"], [0.0, "q"], [2.0, "q"]]
    assert TASK.score(answers, targets, ("no", "yes")).metric == pytest.approx(1)
    labels = ("no", "yes")
    figures = TASK.figures(answers, targets, labels, answers).all(0.95)
    assert figures["mrr"].value == figures["ndcg_at_10_retention"].value == pytest.approx(1)


def test_groups_stay_in_one_split_and_may_have_a_column(tmp_path: Path) -> None:
    rows = [
        {**row, "id": number // 2} for number, row in enumerate(ranking_rows(40, 2, candidates=4))
    ]
    write_jsonl(tmp_path / "rows.jsonl", rows)
    own = {"text": "query", "text_pair": "passage"}
    by_query = load_dataset(DataSettings(train="rows.jsonl", **own), tmp_path, 7, TASK)
    parts = [
        {target[1] for target in part.targets}
        for part in (by_query.train, by_query.validation, by_query.test)
    ]
    assert sum(map(len, parts)) == len(set.union(*parts)) == 40
    assert all(parts)
    settings_ = DataSettings(train=(), test="rows.jsonl", group="id", **own)
    given, _ = load_labeled(settings_, tmp_path, ("relevance",), TASK)
    assert len({target[1] for target in given.targets}) == 80


def test_a_sample_has_whole_groups() -> None:
    targets = tuple([float(n % 4 == 0), f"q{n // 4}"] for n in range(100))
    rows = Rows(tuple(range(100)), targets)
    picked = pick_rows(rows, 20, TASK)
    assert len(picked) == 20
    assert {target[1] for target in picked.targets} == {"q0", "q6", "q12", "q18", "q24"}
    assert len(pick_rows(rows, 2, TASK)) == 4


def test_the_scale_of_relevances_is_learned(tmp_path: Path) -> None:
    learner = TASK.learner(None, [[3.0, "a"], [0.0, "a"]])
    sure = [np.array([one], dtype=np.float32) for one in (9.0, -9.0)]
    score, loss = learner.evaluate(sure, [[3.0, "a"], [0.0, "a"]], ("relevance",))
    assert score == 1
    assert loss < 0.01


def test_heads_of_more_outputs_rank_nothing(tmp_path: Path) -> None:
    config = {
        "architectures": ["BertForSequenceClassification"],
        "id2label": {"0": "a", "1": "b", "2": "c"},
    }
    shapes = {"classifier.weight": (3, 8)}
    assert TASK.head_labels(tmp_path, config, shapes) == ()
    two = {**config, "id2label": {"0": "no", "1": "yes"}}
    assert TASK.head_labels(tmp_path, two, {"classifier.weight": (2, 8)}) == ("no", "yes")


def test_rows_that_rank_nothing_are_refused_with_the_groups_counted(tmp_path: Path) -> None:
    rows = [{"text": f"q{n}", "text_pair": "x", "label": n % 2} for n in range(30)]
    write_jsonl(tmp_path / "rows.jsonl", rows)
    with pytest.raises(DataError, match="none of its 30 groups") as caught:
        load_labeled(DataSettings(train=(), test="rows.jsonl"), tmp_path, ("relevance",), TASK)
    assert "query" in (caught.value.action or "")


@pytest.mark.parametrize("name", ["reranking", "rerank", "text-reranking", "cross-encoder"])
def test_other_names_are_known(name: str) -> None:
    assert task_of(canonical_task(name)).name == "text-ranking"
