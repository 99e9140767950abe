"""The HTTP application: its paths, what each answers, and how a refusal is told."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import ASGIApp

from compress.serving.answering import Answering, ModelFailedError, QueueFullError
from compress.serving.counted import Counted
from compress.serving.log import log
from compress.serving.metrics import CONTENT_TYPE, Metrics
from compress.serving.openapi import DOCS_HEADERS, docs_page, document
from runtimes.request_body import MOST_BYTES, RefusedError, asked, check_size, parsed

BODY_S = 5.0
"""How long the body of a request may take to arrive."""

_DISCARDED_BYTES = 32 * MOST_BYTES
"""So much of a body that is too large is read: a client hears no answer while it sends."""

_CLOSE = {"connection": "close"}


@dataclass(slots=True)
class State:
    """Hold what the endpoints share: `example` is an answer, `keys` are those of a row.

    `draining` is set by a stop.
    """

    answering: Answering
    metrics: Metrics
    example: Mapping[str, Any]
    keys: Sequence[str]
    access_log: bool = False
    draining: bool = False


def application(state: State) -> ASGIApp:
    """Return the ASGI application of an opened model."""
    endpoints = _Endpoints(state)
    routes = [
        Route("/predict", endpoints.predict, methods=["POST"]),
        Route("/health", endpoints.health),
        Route("/ready", endpoints.ready),
        Route("/metrics", endpoints.metrics),
        Route("/openapi.json", endpoints.openapi),
        Route("/docs", endpoints.docs),
    ]
    handlers: Mapping[Any, Any] = {
        RefusedError: lambda _, error: _refused(error.status, str(error)),
        QueueFullError: lambda _, error: _refused(429, str(error), _retry(error.retry_s)),
        TimeoutError: lambda *_: _refused(503, "not answered in time", _retry(1)),
        ModelFailedError: _model_failed,
        ClientDisconnect: lambda *_: Response(status_code=400),  # nobody reads it
        HTTPException: _no_such_path,
    }
    app = Starlette(routes=routes, exception_handlers=handlers)
    app.router.redirect_slashes = False
    paths = frozenset(route.path for route in routes)
    return Counted(app, state.metrics, paths, access_log=state.access_log)


class _Endpoints:
    """Answer the requests to each path."""

    def __init__(self, state: State) -> None:
        self._state = state
        self._document = document(state.example, state.keys)

    async def predict(self, request: Request) -> Response:
        """Answer a request's texts."""
        rows, top = asked(parsed(await _body(request)))
        self._state.answering.require_keys(rows)
        return _json({"answers": await self._state.answering.answers(rows, top)})

    async def health(self, request: Request) -> Response:
        """Say that the process lives: it answers also while it ends."""
        return _json({"status": "ok"})

    async def ready(self, request: Request) -> Response:
        """Say whether new requests are welcome; none are once a stop was asked for."""
        if self._state.draining:
            return _json({"status": "ending"}, 503)
        return _json({"status": "ok"})

    async def metrics(self, request: Request) -> Response:
        """Return what was counted, as Prometheus reads it."""
        return Response(self._state.metrics.text(), headers={"content-type": CONTENT_TYPE})

    async def openapi(self, request: Request) -> Response:
        """Return the OpenAPI document."""
        return _json(self._document)

    async def docs(self, request: Request) -> Response:
        """Return the page for people."""
        return Response(docs_page(self._document), headers=DOCS_HEADERS)


async def _body(request: Request) -> bytes:
    """Return a request's body; raise RefusedError for one that is too large or too slow."""
    chunks: list[bytes] = []
    size = 0
    try:
        async with asyncio.timeout(BODY_S):
            async for chunk in request.stream():
                size += len(chunk)
                if size > _DISCARDED_BYTES:
                    break
                if size <= MOST_BYTES:
                    chunks.append(chunk)
    except TimeoutError:
        raise RefusedError(408, f"the body did not arrive within {BODY_S:.0f} s") from None
    check_size(size)
    return b"".join(chunks)


def _json(content: Mapping[str, Any], status: int = 200) -> Response:
    body = json.dumps(content, ensure_ascii=False).encode("utf-8")
    return Response(body, status, {"content-type": "application/json"})


def _refused(status: int, why: str, headers: Mapping[str, str] | None = None) -> Response:
    """Return a refusal; what is left of a body that was not read goes with its connection."""
    response = _json({"error": why}, status)
    response.headers.update(headers or (_CLOSE if status in (408, 413) else {}))
    return response


def _retry(seconds: int) -> dict[str, str]:
    return {"retry-after": str(seconds)}


def _model_failed(_: Request, error: Exception) -> Response:
    assert isinstance(error, ModelFailedError)
    log("failed", kind=error.kind)
    return _refused(500, str(error))


def _no_such_path(request: Request, error: Exception) -> Response:
    """Answer for a path or a method that is not here; OPTIONS asks which ones are."""
    assert isinstance(error, HTTPException)
    if error.status_code == 405 and request.method == "OPTIONS":
        return Response(status_code=204, headers=error.headers)
    why = {404: "no such path; see /docs", 405: "this path takes another method"}
    return _refused(error.status_code, why.get(error.status_code, error.detail), error.headers)
