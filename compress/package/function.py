"""Answer a serverless platform's events with the bundle beside this file; it runs as handler.py.

An event is a direct call, {"texts": [...]} or {"text": "..."}, or an HTTP request as API Gateway
(payload formats 1.0 and 2.0) and function URLs hand it on. With "top": N every answer names the N
best labels. An event that cannot be answered gets a status of 4xx, and the next one is answered.
The log holds numbers and names, never a text. Nothing is sent anywhere.
"""

from __future__ import annotations

import os
import sys
import time
from _thread import allocate_lock  # the threading module alone is 1 ms of every cold start

BUNDLE = os.path.join(os.path.dirname(os.path.realpath(__file__)), "bundle")
if BUNDLE not in sys.path and os.path.isdir(BUNDLE):  # in a package: its bundle's code answers
    sys.path.insert(0, BUNDLE)

from runtimes.lean_json import dumps  # noqa: E402
from runtimes.lean_typing import TYPE_CHECKING  # noqa: E402
from runtimes.request_body import RefusedError, asked, check_size, parsed, require_keys, shown  # noqa: E402

if TYPE_CHECKING:
    from typing import Any

MB_PER_CPU = 1769
"""Lambda grants one vCPU at this much memory, and shares in proportion (its developer guide)."""

CPU_MAX = "/sys/fs/cgroup/cpu.max"
"""The CPU time that a container gets in each period (control groups, version 2)."""

_HEADERS = {"content-type": "application/json"}
_METHODS = "POST"


class Model:
    """Open the bundle at the first event that needs it, once."""

    def __init__(self, folder: str) -> None:
        self._folder = folder
        self._lock = allocate_lock()
        self._predictor: Any = None

    @property
    def is_open(self) -> bool:
        """Tell whether an earlier event has opened it."""
        return self._predictor is not None

    def predictor(self) -> Any:
        """Return the opened bundle; only the first events wait for the lock."""
        if self._predictor is None:
            with self._lock:
                if self._predictor is None:
                    self._predictor = self._opened()
        return self._predictor

    def _opened(self) -> Any:
        began = time.perf_counter()
        from runtimes.manifest import read_manifest
        from runtimes.predict import open_predictor

        # With its manifest given, the files are not hashed again: the platform has checked the
        # package's digest, and reading 20 MB twice is time of every cold start.
        predictor = open_predictor(
            self._folder,
            threads=granted_threads(),
            manifest=read_manifest(self._folder),
            bundled=True,
        )
        log("opened", open_ms=_since(began), threads=granted_threads())
        return predictor


def granted_threads() -> int:
    """Return the whole CPUs that are granted: by Lambda's memory size, else by the control group.

    The visible cores say nothing: Lambda shows two to a function that is granted a tenth of one.
    1 where nothing is said.
    """
    granted = os.environ.get("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "")
    if granted.isdecimal():
        return max(1, int(granted) // MB_PER_CPU)
    try:
        with open(CPU_MAX, encoding="ascii") as stream:
            quota, period = stream.read().split()
        return max(1, int(quota) // int(period))
    except (OSError, ValueError):  # no control group, or "max": no limit
        return 1


def log(event: str, **values: object) -> None:
    """Write one line of JSON to the log."""
    _write(dumps({"event": event, **values}) + "\n")


def _write(line: str) -> None:
    """Write a whole line at once; `print` would write its end apart."""
    out = sys.stdout
    out.write(line)
    out.flush()


MODEL = Model(BUNDLE)


def handler(event: Any, context: Any) -> dict[str, Any]:
    """Answer one event; an HTTP request gets an HTTP response, a direct call its content."""
    began, cold = time.perf_counter(), not MODEL.is_open
    http = _is_http(event)
    try:
        content = _requested(event) if http else _answered(event)
        status, count = 200, len(content.get("answers", ()))
    except RefusedError as error:
        status, content, count = error.status, {"error": str(error)}, 0
    except Exception as error:  # whatever a library raises: the next event is answered
        status, content, count = 500, {"error": "the model failed on this event"}, 0
        log("failed", kind=type(error).__name__)
    request = getattr(context, "aws_request_id", None)
    named = "null" if request is None else dumps(request)
    duration_ms = (time.perf_counter() - began) * 1e3
    # Written out here: to encode a dictionary would take as long as all the checks.
    _write(
        f'{{"event": "answered", "request": {named}, "status": {status}, "rows": {count},'
        f' "cold": {"true" if cold else "false"}, "duration_ms": {duration_ms:.3f}}}\n'
    )
    if not http:
        return {"statusCode": status, **content}
    body = dumps(content, ascii_only=False)
    headers = {**_HEADERS, **({"allow": _METHODS} if status == 405 else {})}
    return {"statusCode": status, "headers": headers, "body": body, "isBase64Encoded": False}


def _requested(event: dict[str, Any]) -> dict[str, Any]:
    if _asks_health(event):
        MODEL.predictor()
        return {"status": "ok"}
    return _answered(_content(event))


def _answered(content: Any) -> dict[str, Any]:
    texts, top = asked(content)
    predictor = MODEL.predictor()
    require_keys(predictor.task, texts)
    return {"answers": [shown(predictor, text, top) for text in texts]}


def _is_http(event: Any) -> bool:
    return isinstance(event, dict) and ("httpMethod" in event or "rawPath" in event)


def _method(event: dict[str, Any]) -> Any:
    """Return a request's method; format 2.0 has it in its context, format 1.0 beside the path."""
    context = event.get("requestContext")
    http = context.get("http") if isinstance(context, dict) else None
    return event.get("httpMethod") or (http.get("method") if isinstance(http, dict) else None)


def _asks_health(event: dict[str, Any]) -> bool:
    path = event.get("rawPath") or event.get("path")
    named = isinstance(path, str) and path.rstrip("/").endswith("/health")
    return named and bool(_method(event) == "GET")


def _content(event: dict[str, Any]) -> Any:
    """Return the JSON that a request was sent with."""
    if _method(event) != "POST":
        raise RefusedError(405, "send a POST request with JSON, or GET /health")
    return parsed(_body(event))


def _body(event: dict[str, Any]) -> bytes:
    body = event.get("body")
    if not isinstance(body, str) or not body:
        raise RefusedError(400, "the request has no body")
    check_size(len(body) * (3 / 4 if event.get("isBase64Encoded") else 1))
    try:
        if event.get("isBase64Encoded"):
            from base64 import b64decode

            return b64decode(body, validate=True)
        return body.encode("utf-8")
    except ValueError:  # what base64 and UTF-8 raise, for a lone surrogate too
        raise RefusedError(400, "the body is neither UTF-8 nor base64 of it") from None


def _since(began: float) -> float:
    return round((time.perf_counter() - began) * 1e3, 3)
