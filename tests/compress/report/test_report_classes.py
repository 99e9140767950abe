"""The classes that keep least, in report.json, report.html, report.md and `edgepress validate`."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from compress.cli.main import run
from compress.report import html, markdown
from compress.report.schema import ClassRow, Estimate
from compress.report.stored import from_json, to_json
from tests.compress.brief_tier import shorten
from tests.compress.exported import data, exported
from tests.compress.report import report_fixture as fixture
from tests.compress.tiny_models import LABELS

ROWS = (
    ClassRow(
        label="card_arrival",
        rows=40,
        teacher_right=38,
        right=30,
        lost=9,
        gained=1,
        retention=Estimate(0.789, 0.668, 0.892),
        confused={"card_delivery_estimate": 5, "lost_or_stolen_card": 3, "pin_blocked": 1},
    ),
    ClassRow(
        label="<b>|rare</b>",
        rows=3,
        teacher_right=0,
        right=1,
        lost=0,
        gained=1,
        retention=Estimate(),
    ),
)


def test_classes_survive_a_round_trip() -> None:
    report = fixture.report(classes=ROWS)
    assert from_json(json.loads(json.dumps(to_json(report)))) == report


def test_a_report_from_before_there_were_classes_is_read() -> None:
    content = to_json(fixture.report())
    del content["classes"]
    assert from_json(content).classes == ()
    assert "Classes that keep least" not in html.render(from_json(content))
    assert "Classes that keep least" not in markdown.render(from_json(content))


def test_the_page_and_the_comment_show_them() -> None:
    report = fixture.report(classes=ROWS)
    page, text = html.render(report), markdown.render(report)
    for shown in (page, text.replace("\\", "")):
        assert "Classes that keep least" in shown
        assert "card_arrival" in shown
        assert "card_delivery_estimate 5, lost_or_stolen_card 3" in shown
        assert "78.9 %" in shown
    assert "<b>|rare" not in page
    assert "<b>|rare" not in text


def test_validate_prints_them(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    shorten(monkeypatch)
    model, rows = exported("onnx"), data().test
    file = tmp_path / "test.csv"
    lines = [f'"{text}",{LABELS[n]}' for text, n in zip(rows.inputs, rows.targets, strict=True)]
    file.write_text("text,label\n" + "\n".join(lines), encoding="utf-8")
    line = ["validate", str(model.path), "--reference", str(model.path), "--data", str(file)]
    run([*line, "--tier", "quick", "--json", "-q"])
    classes = json.loads(capsys.readouterr().out)["classes"]
    assert {row["label"] for row in classes} == set(LABELS)
    assert all(row["retention"]["value"] == 1 for row in classes)
