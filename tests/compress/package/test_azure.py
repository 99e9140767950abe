"""The function app answers the platform's own requests, behind the platform's own routes."""

from __future__ import annotations

import importlib
import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from compress.package.azure import APP
from compress.package.layout import Laid
from tests.absent import needs
from tests.runtimes.tiny import LABELS

Ask = Callable[..., Any]


@pytest.fixture
def app(laid: Laid, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Import the function app as the platform's worker does."""
    needs("azure.functions")
    folder = laid.paths[0]
    source = Path(__file__).parents[3] / "compress/package" / APP
    (folder / APP).write_bytes(source.read_bytes())
    monkeypatch.syspath_prepend(str(folder))
    yield importlib.import_module("function_app")
    for name in ("function_app", "handler"):
        sys.modules.pop(name, None)


def _request(method: str, path: str, body: bytes) -> Any:
    from azure.functions import HttpRequest

    return HttpRequest(method=method, url=f"https://example.org/{path}", body=body)


def test_its_routes_are_those_of_the_other_targets(app: Any) -> None:
    found = {}
    for function in app.app.get_functions():
        trigger = function.get_trigger()
        methods = [getattr(method, "value", method) for method in trigger.methods]
        found[trigger.route] = (function.get_function_name(), methods)
        assert trigger.auth_level.value.lower() == "function"
    assert found == {"predict": ("predict", ["POST"]), "health": ("health", ["GET"])}


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b'{"text": "my card is lost"}', 200),
        (b"", 400),
        (b"{", 400),
        (b"\xff", 400),
        (b'{"text": "\\ud800"}', 422),
        (b'{"text": 7}', 400),
        (json.dumps({"text": "a" * 10_000_000}).encode(), 413),
    ],
)
def test_requests_are_answered(app: Any, body: bytes, status: int) -> None:
    predict = app.predict.build().get_user_function()
    reply = predict(_request("POST", "predict", body))
    said = json.loads(reply.get_body())
    assert reply.status_code == status
    assert reply.headers["content-type"] == "application/json"
    if status == 200:
        assert said["answers"][0]["label"] in LABELS
    else:
        assert set(said) == {"error"}


def test_health(app: Any) -> None:
    reply = app.health.build().get_user_function()(_request("GET", "health", b""))
    assert (reply.status_code, json.loads(reply.get_body())) == (200, {"status": "ok"})
