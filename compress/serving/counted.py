"""Count every request of an ASGI application, and log it where asked."""

from __future__ import annotations

import time

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from compress.serving.log import log
from compress.serving.metrics import Metrics

_OTHER = "other"
"""The path of requests to paths that are not there: a client must not make new metrics."""

_REASONS = {
    **dict.fromkeys((400, 422), "bad_request"),
    404: "no_such_path",
    405: "method",
    408: "slow_body",
    413: "too_large",
    429: "queue_full",
    500: "model_failed",
    503: "timeout",
}


class Counted:
    """Pass requests on to an application; count their statuses and times."""

    def __init__(
        self, app: ASGIApp, metrics: Metrics, paths: frozenset[str], *, access_log: bool
    ) -> None:
        self._app = app
        self._metrics = metrics
        self._paths = paths
        self._access_log = access_log

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        began, status = time.perf_counter(), 500

        async def noting(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        try:
            await self._app(scope, receive, noting)
        finally:
            self._count(scope, status, time.perf_counter() - began)

    def _count(self, scope: Scope, status: int, seconds: float) -> None:
        path = scope["path"] if scope["path"] in self._paths else _OTHER
        self._metrics.requests.labels(path, status).inc()
        self._metrics.request_seconds.labels(path).observe(seconds)
        if path == "/predict" and status in _REASONS:
            self._metrics.rejected.labels(_REASONS[status]).inc()
        if self._access_log:
            log("answered", path=path, status=status, duration_ms=round(seconds * 1e3, 3))
