"""The comparison of graphs: all contestants compute the same, and the figures are right."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest

from benchmarks.graph import OURS, compare, table
from runtimes.errors import InputError
from tests.compress.tiny_models import make_model

_TEXTS = ["my card is lost", "where is the refund", "I love the new phone a lot"]


def _rows(folder: Path) -> str:
    path = folder / "rows.csv"
    with path.open("w", newline="", encoding="utf-8") as stream:
        csv.writer(stream).writerows([["text"], *([text] for text in _TEXTS)])
    return str(path)


@pytest.mark.slow
def test_every_graph_computes_the_same(tmp_path: Path) -> None:
    teacher = make_model(tmp_path / "teacher", "bert")
    comparison = compare(
        teacher=str(teacher.path),
        texts=_rows(tmp_path),
        text="text",
        other=(),
        max_length=32,
        threads=1,
        processes=2,
    )
    graphs = comparison["graphs"]
    assert list(graphs) == [OURS, "torchscript", "optimized O2", "edgepress O2"]
    assert max(row["difference"] for row in graphs.values()) < 1e-4
    assert graphs[OURS]["nodes"] < graphs["torchscript"]["nodes"]
    assert graphs[OURS]["slower"]["value"] == 1
    assert len(table(comparison).splitlines()) == 5


def test_a_graph_that_is_not_there_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no such file"):
        compare(
            teacher="none",
            texts=_rows(tmp_path),
            text="text",
            other=(f"mine={tmp_path / 'absent.onnx'}",),
            max_length=32,
            threads=1,
            processes=2,
        )
