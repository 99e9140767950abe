"""The Runtime API that a sandbox serves to its one process."""

from __future__ import annotations

import urllib.request
from typing import Any

import pytest

from compress.serverless import runtime_api
from compress.serverless.runtime_api import VERSION, RuntimeApi


def test_what_a_process_said_is_known_before_it_has_the_reply(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A process may end as soon as it has the reply: its end must not come before its words."""
    known: list[int] = []
    send = runtime_api._Exchange._send

    def counted(handler: Any, *reply: Any) -> None:
        known.append(handler.server.api.said.qsize())
        send(handler, *reply)

    monkeypatch.setattr(runtime_api._Exchange, "_send", counted)
    with RuntimeApi() as api:
        url = f"http://{api.address}{VERSION}/init/error"
        with urllib.request.urlopen(url, data=b"{}", timeout=10) as reply:
            assert reply.status == 202
        assert known == [1]
        assert api.said.get(timeout=10).kind == "init_error"
