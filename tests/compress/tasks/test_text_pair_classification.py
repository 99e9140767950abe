"""Text pair classification on the host, and what a pair's tokens are."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from compress.models.opening import Opening
from compress.tasks import Answer, canonical_task, task_of
from compress.training.batches import encode
from runtimes.encoder import Encoder
from runtimes.errors import DataError
from runtimes.pairs import pair_of
from runtimes.tokenizing import load_tokenizer
from tests.compress.tasks.contract_task import TaskContract
from tests.compress.tiny_models import MODEL_TYPES, make_model
from tests.compress.tiny_pairs import pair_rows

MAX_LENGTH = 24
TEXTS = st.one_of(
    st.just(""),
    st.text(st.sampled_from("abcdefghé漢 .,!\n"), max_size=30),
    st.integers(1, 60).map(lambda count: "refund invoice " * count),
)


class TestTextPairClassification(TaskContract):
    """Hold text pair classification to the contract."""

    name: ClassVar[str] = "text-pair-classification"
    settings: ClassVar[dict[str, Any]] = {"text": "premise", "text_pair": "hypothesis"}
    records: ClassVar[Sequence[dict[str, Any]]] = pair_rows(60, 1)
    refused: ClassVar[Sequence[Sequence[dict[str, Any]]]] = [
        [{**row, "label": "same"} for row in pair_rows(30, 1)],
        [{**row, "hypothesis": "" if n == 3 else "x"} for n, row in enumerate(pair_rows(30, 1))],
        [{"premise": row["premise"], "label": row["label"]} for row in pair_rows(30, 1)],
    ]

    def perfect(self, targets: Sequence[Any], labels: tuple[str, ...]) -> list[Answer]:
        """Return logits that are sure of the right label."""
        return list((10 * np.eye(len(labels))[list(targets)]).astype(np.float32))

    def random(self, targets: Sequence[Any], labels: tuple[str, ...], seed: int) -> list[Answer]:
        """Return logits drawn at random."""
        rng = np.random.default_rng(seed)
        return list(rng.normal(size=(len(targets), len(labels))).astype(np.float32))


@pytest.fixture(scope="module", params=MODEL_TYPES)
def model(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a model of each architecture, with its family's tokenizer."""
    made = make_model(tmp_path_factory.mktemp("pairs") / request.param, request.param, layers=1)
    return made.path


@settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))
@given(pairs=st.lists(st.tuples(TEXTS, TEXTS), min_size=1, max_size=5))
def test_pairs_are_encoded_as_transformers_does(model: Path, pairs: Any) -> None:
    from transformers import AutoTokenizer

    theirs = AutoTokenizer.from_pretrained(model)(
        [one for one, _ in pairs],
        [other for _, other in pairs],
        truncation="longest_first",
        max_length=MAX_LENGTH,
        return_token_type_ids=True,
    )
    task = task_of("text-pair-classification")
    rows = [{"text": one, "text_pair": other} for one, other in pairs]
    mine = task.encode(load_tokenizer(model, MAX_LENGTH), rows)
    assert [list(row.windows[0]) for row in mine] == theirs["input_ids"]
    assert [list(row.types[0]) for row in mine] == theirs["token_type_ids"]
    device = Encoder(model, MAX_LENGTH, {})
    given = [device.encode(pair_of(row)) for row in rows]
    assert [one.ids for one in given] == theirs["input_ids"]
    assert [one.type_ids for one in given] == theirs["token_type_ids"]


def test_types_are_padded_with_their_rows(tmp_path: Path) -> None:
    from compress.models.torch_model import load_config

    folder = make_model(tmp_path / "model", layers=1).path
    task = task_of("text-pair-classification")
    rows = [{"text": "card", "text_pair": "the refund"}, {"text": "a " * 9, "text_pair": "b"}]
    encoded = encode(load_tokenizer(folder, 16), rows, load_config(folder), task)
    types = encoded.collate(np.arange(2)).inputs["token_type_ids"].numpy()
    for line, row in zip(types, task.encode(load_tokenizer(folder, 16), rows), strict=True):
        wanted = list(row.types[0])
        assert 1 in wanted
        assert line.tolist() == wanted + [0] * (len(line) - len(wanted))
    assert encoded.first(1).types[0].tolist() == list(
        task.encode(load_tokenizer(folder, 16), rows)[0].types[0]
    )


def test_what_pairs_have_in_common_is_read_from_their_own_template(tmp_path: Path) -> None:
    bert = make_model(tmp_path / "bert", "bert", layers=1).path
    roberta = make_model(tmp_path / "roberta", "roberta", layers=1).path
    assert Opening.of(bert, 32).one_type
    assert not Opening.of(bert, 32, pairs=True).one_type
    assert Opening.of(bert, 32, pairs=True).first_id == Opening.of(bert, 32).first_id
    assert Opening.of(roberta, 32, pairs=True).one_type


@pytest.mark.parametrize("row", ["a text", {"text": "one"}, {"text": "a", "text_pair": None}, 7])
def test_a_row_without_both_texts_is_refused(row: Any) -> None:
    with pytest.raises(DataError, match="a row is a") as caught:
        pair_of(row)
    assert "text_pair" in (caught.value.expected or "")


@pytest.mark.parametrize(
    "name",
    ["nli", "natural-language-inference", "sentence-pair-classification", "paraphrase"],
)
def test_other_names_are_known(name: str) -> None:
    assert canonical_task(name) == "text-pair-classification"
