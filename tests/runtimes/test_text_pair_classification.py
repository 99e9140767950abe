"""Text pair classification on a device, and what is its alone."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any, ClassVar

import pytest

from runtimes.artifact import Artifact, write_like
from runtimes.command import Request, answer
from runtimes.errors import DataError, InputError
from runtimes.predict import Predictor
from runtimes.request_body import RefusedError, asked, require_keys, row_like, shown
from tests.runtimes.contract_device_task import DeviceTaskContract
from tests.runtimes.tiny import TEXTS, tiny_onnx

ROW = {"text": TEXTS[0], "text_pair": TEXTS[1]}


class TestTextPairClassification(DeviceTaskContract):
    """Hold text pair classification to the contract."""

    name: ClassVar[str] = "text-pair-classification"
    rows: ClassVar[Sequence[Any]] = (
        *({"text": one, "text_pair": TEXTS[0]} for one in TEXTS),
        {"text": "", "text_pair": "ça va ? 你好"},
        {"text": "thank you " * 200, "text_pair": ""},
    )
    ranked: ClassVar[bool] = True

    @staticmethod
    def make(folder: Path) -> Artifact:
        """Make an ONNX classifier."""
        made = tiny_onnx(folder)
        return write_like(dataclasses.replace(made, task="text-pair-classification"), folder)

    def test_what_is_shown_is_json_and_a_line(self, predictor: Predictor) -> None:
        """Both texts are shown beside the label."""
        for row in self.rows:
            said = predictor.task.shown(predictor.answer(row), row, 0)
            assert json.loads(json.dumps(said)) == said
            assert {"text": said["text"], "text_pair": said["text_pair"]} == row
            assert "\n" not in predictor.task.line(said)

    def test_rows_come_from_columns_objects_and_lines(
        self, artifact: Artifact, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        table = tmp_path / "rows.csv"
        table.write_text(f"q,passage\n{ROW['text']},{ROW['text_pair']}\n", encoding="utf-8")
        lines = tmp_path / "rows.txt"
        lines.write_text(json.dumps(ROW) + "\n", encoding="utf-8")
        objects = tmp_path / "rows.jsonl"
        objects.write_text(json.dumps(ROW) + "\n", encoding="utf-8")
        asked_of = Request(artifact.path, as_json=True)
        answer(asked_of._replace(file=str(table), column="q", pair_column="passage"))
        answer(asked_of._replace(file=str(lines)))
        answer(asked_of._replace(file=str(objects)))
        answer(asked_of._replace(rows=[json.dumps(ROW)]))
        first, *others = map(json.loads, capsys.readouterr().out.splitlines())
        assert (first["text"], first["text_pair"]) == tuple(ROW.values())
        assert others == [first] * 3

    def test_a_row_without_both_texts_is_refused(self, artifact: Artifact, tmp_path: Path) -> None:
        asked_of = Request(artifact.path)
        with pytest.raises(DataError, match="no row of this model"):
            answer(asked_of._replace(rows=["a text alone"]))
        with pytest.raises(DataError, match="a row is a dict with 'text'"):
            answer(asked_of._replace(rows=['{"text": "one"}']))
        with pytest.raises(DataError, match="text_pair of row 1 is empty"):
            answer(asked_of._replace(rows=['{"text": "one", "text_pair": " "}']))
        with pytest.raises(InputError, match="--text-pair names a column"):
            answer(asked_of._replace(pair_column="passage"))
        table = tmp_path / "rows.csv"
        table.write_text("text\none\n", encoding="utf-8")
        with pytest.raises(DataError, match="no column 'text_pair'"):
            answer(asked_of._replace(file=str(table)))

    def test_a_request_asks_pairs(self, predictor: Predictor) -> None:
        for content in (ROW, {"texts": [ROW]}, {**ROW, "top": 2}):
            texts, top = asked(content)
            assert texts == [ROW]
            require_keys(predictor.task, texts)
            said = shown(predictor, texts[0], top)
            assert said.keys() == {"label", "score", *(["top"] if top else [])}
        assert predictor.answer(row_like(predictor.task, "thank you"))

    @pytest.mark.parametrize(
        "content",
        [
            {"text": "one"},
            {"texts": ["one"]},
            {"texts": [{"text": "one"}]},
            {"texts": [{**ROW, "more": "x"}]},
            {"texts": [{"text": "one", "text_pair": ""}]},
            {"texts": [{"text": "one", "text_pair": 7}]},
            {"texts": [{}]},
        ],
    )
    def test_other_requests_are_refused(self, predictor: Predictor, content: Any) -> None:
        with pytest.raises(RefusedError) as caught:
            require_keys(predictor.task, asked(content)[0])
        assert caught.value.status == 400


def test_a_text_model_refuses_pairs(tmp_path: Path) -> None:
    from runtimes.predict import open_predictor

    predictor = open_predictor(tiny_onnx(tmp_path).path)
    with pytest.raises(RefusedError, match="reads text"):
        require_keys(predictor.task, asked(ROW)[0])
    table = tmp_path / "rows.csv"
    table.write_text("text\none\n", encoding="utf-8")
    with pytest.raises(InputError, match="reads one text"):
        answer(Request(tmp_path, file=str(table), pair_column="text"))
