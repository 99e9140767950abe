"""report.json: its round trip, its refusals, what never enters it, and its documentation."""

from __future__ import annotations

import dataclasses
import json
import re
import typing
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from compress.report import schema
from compress.report.redact import redact
from compress.report.schema import Estimate, Report
from compress.report.stored import from_json, read_report, to_json, write_report
from runtimes.errors import InputError
from tests.compress.report import report_fixture as fixture

ESTIMATE = {"value", "lower", "upper", "confidence", "side"}
DOCUMENT = Path(__file__).parents[3] / "docs" / "report.md"


@pytest.mark.parametrize("stages", [1, 5, 12])
def test_round_trip(tmp_path: Path, stages: int) -> None:
    report = fixture.report(stages)
    write_report(tmp_path / "report.json", report)
    assert read_report(tmp_path / "report.json") == report
    assert read_report(tmp_path) == report


def test_an_unfinished_run_is_a_report(tmp_path: Path) -> None:
    report = Report(name="n", created="2026-01-01T00:00:00Z", seed=1, command="c", complete=False)
    write_report(tmp_path / "report.json", report)
    assert read_report(tmp_path) == report


def test_numbers_that_are_not_finite_become_null() -> None:
    nothing = Estimate(float("nan"), float("-inf"), float("inf"))
    rows = (dataclasses.replace(fixture.stage_row(1, True), retention=nothing),)
    content = to_json(dataclasses.replace(fixture.report(1), stages=rows))
    assert content["stages"][0]["retention"] == dict.fromkeys(ESTIMATE)
    json.dumps(content, allow_nan=False)
    assert from_json(content).stages[0].retention == Estimate()


def test_the_keys_that_others_read() -> None:
    content = to_json(fixture.report())
    figures = ("accuracy", "f1_macro", "size_mb", "parameters", "latency_p50_ms", "latency_p90_ms")
    for model in (content["summary"]["teacher"], content["summary"]["model"]):
        assert all(isinstance(model[key], int | float) for key in figures)
    assert {"format", "precision", "runtime"} <= content["summary"]["model"].keys()
    for gain in ("retention", "speedup"):
        assert content["summary"][gain].keys() == ESTIMATE
        assert content["summary"][gain]["side"] == "each"
        assert 0.9 < content["summary"][gain]["confidence"] < 1
    assert content["summary"]["compression"] == pytest.approx(90.9 / 4.8)
    assert {"kind", "name", "settings", "seconds", "cached", "digest", "selected", *figures} <= (
        content["stages"][0].keys()
    )
    assert {"profile", "status", "checks"} <= content["verdicts"][0].keys()
    assert content["schema_version"] == schema.SCHEMA_VERSION


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"seed": "seven"}, "seed"),
        ({"stages": [{}]}, "stages.0.kind"),
        ({"verdicts": [{"profile": "p", "status": "MAYBE"}]}, "verdicts.0.status"),
        ({"summary": {"teacher": {}}}, "summary.teacher.format"),
        ({"schema_version": 99}, "schema_version 99"),
    ],
)
def test_a_broken_report_is_refused_by_key(change: dict[str, Any], said: str) -> None:
    with pytest.raises(InputError, match=re.escape(said)):
        from_json({**to_json(fixture.report()), **change})


@pytest.mark.parametrize("text", ["", "{", "[]", "3", '{"name": 1}', '{"schema_version": NaN}'])
def test_a_foreign_file_is_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / "report.json").write_text(text, encoding="utf-8")
    with pytest.raises(InputError):
        read_report(tmp_path)


@pytest.mark.parametrize("name", ["none.json", "none"])
def test_a_missing_file_says_how_to_make_one(tmp_path: Path, name: str) -> None:
    with pytest.raises(InputError, match="edgepress run"):
        read_report(tmp_path / name)


def test_bytes_that_are_no_text_are_refused(tmp_path: Path) -> None:
    (tmp_path / "report.json").write_bytes(b"\xff\xfe\x00{")
    with pytest.raises(InputError, match="not readable"):
        read_report(tmp_path)


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        (f"run {Path.home()}/models/x", "run ~/models/x"),
        ("/home/ann/models", "~/models"),
        ("/Users/ann/models", "~/models"),
        (r"C:\Users\ann\models", r"~\models"),
        ("--out /root/runs", "--out ~/runs"),
        ("hf_" + "a1" * 17, "***"),
        ("x --token=" + "ghp_" + "Z9" * 18, "x --token=***"),
        ("https://ann:secret@host/model", "https://***@host/model"),
        ("models/rooted /rootless benchmarks/home.toml", None),
    ],
)
def test_redaction(text: str, kept: str | None) -> None:
    assert redact(text) == (text if kept is None else kept)


def test_what_is_redacted_reaches_every_string() -> None:
    secret = "hf_" + "q" * 34
    rows = (dataclasses.replace(fixture.stage_row(0, True), settings={"path": [secret]}),)
    report = dataclasses.replace(
        fixture.report(1),
        stages=rows,
        command=f"edgepress run {Path.home()}/r.toml --token {secret}",
        warnings=(f"{Path.home()}/data.csv has duplicates",),
        tools={secret: secret},
    )
    text = json.dumps(to_json(report))
    assert secret not in text
    assert f"{Path.home()}/" not in text


@given(
    st.recursive(
        st.none() | st.booleans() | st.floats() | st.text(),
        lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
        max_leaves=10,
    )
)
def test_any_settings_make_valid_json(value: object) -> None:
    row = dataclasses.replace(fixture.stage_row(0, True), settings={"value": value})
    content = to_json(dataclasses.replace(fixture.report(1), stages=(row,)))
    from_json(json.loads(json.dumps(content, allow_nan=False)))


def test_every_key_is_documented() -> None:
    text = DOCUMENT.read_text(encoding="utf-8")
    missing = [path for path in _paths(Report) if f"| `{path}` |" not in text]
    assert not missing


def test_nothing_is_documented_that_is_not_there() -> None:
    text = DOCUMENT.read_text(encoding="utf-8")
    documented = re.findall(r"^\| `([^`]+)` \|", text, flags=re.MULTILINE)
    assert sorted(documented) == sorted(set(_paths(Report)))


def _paths(of: type[Any], prefix: str = "", seen: set[type[Any]] | None = None) -> Iterator[str]:
    """Yield each key's path; a class that two keys share is documented where it comes first."""
    seen = {Estimate} if seen is None else seen
    hints = typing.get_type_hints(of)
    for field in dataclasses.fields(of):
        path = f"{prefix}{field.name}"
        inner = _dataclass_in(hints[field.name])
        repeated = "[]" if typing.get_origin(hints[field.name]) is tuple and inner else ""
        yield f"{path}{repeated}"
        if inner is not None and inner not in seen:
            seen.add(inner)
            yield from _paths(inner, f"{path}{repeated}.", seen)
    if of is Report:
        yield from (f"{{estimate}}.{field.name}" for field in dataclasses.fields(Estimate))


def _dataclass_in(hint: Any) -> type[Any] | None:
    options = (hint, *typing.get_args(hint))
    return next((row for row in options if hasattr(row, "__dataclass_fields__")), None)
