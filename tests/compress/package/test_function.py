"""Events of every shape are answered, and malformed ones refused without an end."""

from __future__ import annotations

import base64
import json
import sys
import types
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from compress.package import function
from runtimes.predict import open_predictor
from tests.runtimes.tiny import LABELS, TEXTS

Ask = Callable[[Any], dict[str, Any]]

DEEP = "[" * 100_000 + "]" * 100_000


@pytest.fixture
def ask(tiny_bundle: Path, monkeypatch: pytest.MonkeyPatch) -> Ask:
    """Answer events with the tiny bundle; each test starts cold."""
    monkeypatch.setattr(sys, "path", list(sys.path))
    monkeypatch.setattr(function, "MODEL", function.Model(str(tiny_bundle)))
    return lambda event: function.handler(event, None)


def post(body: Any, **more: Any) -> dict[str, Any]:
    """Return a request as a function URL hands it on (payload format 2.0)."""
    http = {"method": "POST", "path": "/"}
    return {
        "version": "2.0",
        "rawPath": "/",
        "requestContext": {"http": http},
        "body": body,
        **more,
    }


def test_a_direct_call_is_answered_as_by_the_pipeline(ask: Ask, tiny_bundle: Path) -> None:
    predictor = open_predictor(tiny_bundle, bundled=True)
    wanted = [predictor.task.shown(predictor.answer(text), text, 0) for text in TEXTS]
    reply = ask({"texts": list(TEXTS)})
    assert reply["statusCode"] == 200
    assert [
        {**one, "text": text} for one, text in zip(reply["answers"], TEXTS, strict=True)
    ] == wanted
    assert ask({"text": TEXTS[0]})["answers"] == reply["answers"][:1]


def test_the_best_labels_are_named(ask: Ask) -> None:
    (answer,) = ask({"text": TEXTS[0], "top": 2})["answers"]
    assert len(answer["top"]) == 2
    assert {one["label"] for one in answer["top"]} <= set(LABELS)


@pytest.mark.parametrize(
    "event",
    [
        post('{"text": "my card is lost"}'),
        post(base64.b64encode(b'{"text": "my card is lost"}').decode(), isBase64Encoded=True),
        {"httpMethod": "POST", "path": "/predict", "body": '{"text": "my card is lost"}'},
    ],
)
def test_requests_of_both_formats_are_answered(ask: Ask, event: Any) -> None:
    reply = ask(event)
    assert (reply["statusCode"], reply["isBase64Encoded"]) == (200, False)
    assert reply["headers"] == {"content-type": "application/json"}
    assert json.loads(reply["body"])["answers"] == ask({"text": "my card is lost"})["answers"]


@pytest.mark.parametrize(
    "event",
    [
        {"httpMethod": "GET", "path": "/health"},
        {"rawPath": "/prod/health", "requestContext": {"http": {"method": "GET"}}},
    ],
)
def test_health_says_that_the_model_opens(ask: Ask, event: Any) -> None:
    assert json.loads(ask(event)["body"]) == {"status": "ok"}
    assert function.MODEL.is_open


REFUSED: dict[str, tuple[Any, int]] = {
    "no object": ([], 400),
    "nothing": (None, 400),
    "no text": ({}, 400),
    "both": ({"text": "a", "texts": ["a"]}, 400),
    "an empty list": ({"texts": []}, 400),
    "a text for a list": ({"texts": "my card"}, 400),
    "a number": ({"texts": ["a", 7]}, 400),
    "null": ({"text": None}, 400),
    "an empty text": ({"text": " \n"}, 400),
    "a control character": ({"text": "a\x00b"}, 400),
    "an escape": ({"text": "\x1b[31mred"}, 400),
    "a lone surrogate": ({"text": "a\ud800"}, 422),
    "a long text": ({"text": "a" * 50_001}, 413),
    "10 MB": ({"text": "a" * 10_000_000}, 413),
    "many texts": ({"texts": ["a"] * 101}, 413),
    "many bytes": ({"texts": ["é" * 10_000] * 51}, 413),
    "top as a text": ({"text": "a", "top": "2"}, 400),
    "top as true": ({"text": "a", "top": True}, 400),
    "no JSON": (post("{"), 400),
    "no body": (post(None), 400),
    "a body of another type": (post({"text": "a"}), 400),
    "no base64": (post("{}", isBase64Encoded=True), 400),
    "no UTF-8": (post(base64.b64encode(b"\xff\xfe").decode(), isBase64Encoded=True), 400),
    "a lone surrogate in the body": (post('{"text": "\ud800"}'), 400),
    "an escaped one": (post('{"text": "\\ud800"}'), 422),
    "deep": (post(DEEP), 400),
    "a deep text": (post('{"text": ' + DEEP + "}"), 400),
    "10 MB of body": (post('"' + "a" * 10_000_000 + '"'), 413),
    "another method": ({"httpMethod": "PUT", "path": "/", "body": "{}"}, 405),
    "a request without a context": ({"rawPath": "/", "body": "{}"}, 405),
    "a context that is none": ({"rawPath": "/", "requestContext": 3}, 405),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_cannot_be_answered_is_refused_and_the_next_event_works(ask: Ask, name: str) -> None:
    event, status = REFUSED[name]
    reply = ask(event)
    assert reply["statusCode"] == status
    assert json.loads(json.dumps(reply)) == reply
    assert ("allow" in reply.get("headers", {})) == (status == 405)
    assert ask({"text": "thank you"})["statusCode"] == 200


def test_a_failing_model_is_told_and_the_next_event_tries_again(
    ask: Ask, tiny_bundle: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(function, "MODEL", function.Model(str(tmp_path / "nothing")))
    assert ask({"text": "thank you"})["statusCode"] == 500
    monkeypatch.setattr(function.MODEL, "_folder", tiny_bundle)
    assert ask({"text": "thank you"})["statusCode"] == 200


@pytest.mark.parametrize(
    ("text", "status"),
    [
        (" \n\t", 400),
        ("\x1c", 400),
        ("", 400),
        ("two\nlines\tand a tab\r", 200),
        ("Où est ma carte\u202f?\u200b", 200),
        ("a\x7f", 400),
        ("é\x85", 200),
        ("\U0001f600" * 50_000, 200),
        ("a\n\udc80", 422),
    ],
)
def test_a_text_is_refused_by_what_it_holds_and_not_by_how_it_is_checked(
    ask: Ask, text: str, status: int
) -> None:
    assert ask({"text": text})["statusCode"] == status


def test_bytes_are_counted_and_not_characters(ask: Ask) -> None:
    fits, exceeds = ["\U0001f600" * 50_000] * 5, ["é" * 50_000] * 10
    assert ask({"texts": fits})["statusCode"] == 200
    assert ask({"texts": [*exceeds, "a"]})["statusCode"] == 413
    assert (
        ask({"texts": [*fits[:4], "é" * 50_000, "é\n" * 25_000, "a" * 25_001]})["statusCode"] == 413
    )


def test_the_log_line_is_json_for_any_request_id(
    ask: Ask, capsys: pytest.CaptureFixture[str]
) -> None:
    named = types.SimpleNamespace(aws_request_id='8f50"\n\ud800')
    function.handler({"text": "thank you"}, named)
    line = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert line == {
        "event": "answered",
        "request": named.aws_request_id,
        "status": 200,
        "rows": 1,
        "cold": True,
        "duration_ms": line["duration_ms"],
    }
    assert type(line["duration_ms"]) is float


def test_the_log_is_json_and_holds_no_text(ask: Ask, capsys: pytest.CaptureFixture[str]) -> None:
    for event in ({"text": "secretword"}, {"text": "secretword\x00"}, post('{"secretword": 1}')):
        ask(event)
    said = capsys.readouterr().out
    lines = [json.loads(line) for line in said.splitlines()]
    assert [line["event"] for line in lines] == ["opened", "answered", "answered", "answered"]
    assert [line["cold"] for line in lines[1:]] == [True, False, False]
    assert [line["status"] for line in lines[1:]] == [200, 400, 400]
    assert "secret" not in said


@pytest.mark.parametrize(
    ("memory", "threads"),
    [("128", 1), ("1769", 1), ("3537", 1), ("3538", 2), ("10240", 5), ("", 1), ("-1", 1), ("x", 1)],
)
def test_threads_follow_the_granted_share(
    memory: str, threads: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", memory)
    assert function.granted_threads() == threads


@pytest.mark.parametrize(
    ("said", "threads"),
    [
        ("400000 100000\n", 4),
        ("250000 100000\n", 2),
        ("50000 100000\n", 1),
        ("max 100000\n", 1),
        ("", 1),
        ("\xff", 1),
        (None, 1),
    ],
)
def test_a_container_has_the_threads_of_its_control_group(
    said: str | None, threads: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", raising=False)
    monkeypatch.setattr(function, "CPU_MAX", tmp_path / "cpu.max")
    if said is not None:
        (tmp_path / "cpu.max").write_text(said, encoding="latin-1")
    assert function.granted_threads() == threads
