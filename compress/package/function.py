"""Answer a serverless platform's events with the bundle beside this file; it runs as handler.py.

An event is a direct call, {"texts": [...]} or {"text": "..."}, or an HTTP request as API Gateway
(payload formats 1.0 and 2.0) and function URLs hand it on. With "top": N every answer names the N
best labels. An event that cannot be answered gets a status of 4xx, and the next one is answered.
The log holds numbers and names, never a text. Nothing is sent anywhere.
"""

from __future__ import annotations

import base64
import binascii
import json
import os
import re
import sys
import threading
import time
from pathlib import Path
from typing import Any, NamedTuple

FOLDER = Path(os.path.realpath(__file__)).parent
BUNDLE = FOLDER / "bundle"

MB_PER_CPU = 1769
"""Lambda grants one vCPU at this much memory, and shares in proportion (its developer guide)."""

MOST_BYTES = 1_000_000
MOST_TEXTS = 100
MOST_CHARACTERS = 50_000
MOST_TOP = 1_000

_REFUSED = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")
"""Control characters but tab, line feed and carriage return: a text has none."""

_HEADERS = {"content-type": "application/json"}
_METHODS = "POST"


class RefusedError(Exception):
    """Say why an event is not answered, without a word of its texts."""

    def __init__(self, status: int, why: str) -> None:
        super().__init__(why)
        self.status = status


class Asked(NamedTuple):
    """Hold the checked content of an event."""

    texts: list[str]
    top: int = 0
    health: bool = False


class Model:
    """Open the bundle at the first event that needs it, once."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._lock = threading.Lock()
        self._predictor: Any = None

    @property
    def is_open(self) -> bool:
        """Tell whether an earlier event has opened it."""
        return self._predictor is not None

    def predictor(self) -> Any:
        """Return the opened bundle."""
        with self._lock:
            if self._predictor is None:
                self._predictor = self._opened()
        return self._predictor

    def _opened(self) -> Any:
        began = time.perf_counter()
        if str(self._folder) not in sys.path:  # an event that failed may have put it there
            sys.path.insert(0, str(self._folder))
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
    """Return the threads for the CPU share that the memory size grants; 1 where none is named.

    The visible cores say nothing: Lambda shows two to a function that is granted a tenth of one.
    """
    granted = os.environ.get("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "")
    return max(1, int(granted) // MB_PER_CPU) if granted.isdecimal() else 1


def log(event: str, **values: object) -> None:
    """Write one line of JSON to the log."""
    print(json.dumps({"event": event, **values}), flush=True)


MODEL = Model(BUNDLE)


def handler(event: Any, context: Any) -> dict[str, Any]:
    """Answer one event; an HTTP request gets an HTTP response, a direct call its content."""
    began, cold = time.perf_counter(), not MODEL.is_open
    http = _is_http(event)
    try:
        asked = _asked_by_http(event) if http else _asked(event)
        status, content = 200, _answered(asked)
        count = len(asked.texts)
    except RefusedError as error:
        status, content, count = error.status, {"error": str(error)}, 0
    except Exception as error:  # whatever a library raises: the next event is answered
        status, content, count = 500, {"error": "the model failed on this event"}, 0
        log("failed", kind=type(error).__name__)
    request = getattr(context, "aws_request_id", None)
    numbers = {"status": status, "rows": count, "cold": cold, "duration_ms": _since(began)}
    log("answered", request=request, **numbers)
    if not http:
        return {"statusCode": status, **content}
    body = json.dumps(content, ensure_ascii=False)
    headers = {**_HEADERS, **({"allow": _METHODS} if status == 405 else {})}
    return {"statusCode": status, "headers": headers, "body": body, "isBase64Encoded": False}


def _answered(asked: Asked) -> dict[str, Any]:
    predictor = MODEL.predictor()
    if asked.health:
        return {"status": "ok"}
    answers = [_shown(predictor, text, asked.top) for text in asked.texts]
    return {"answers": answers}


def _shown(predictor: Any, text: str, top: int) -> dict[str, Any]:
    shown: dict[str, Any] = predictor.task.shown(predictor.answer(text), text, top)
    shown.pop("text", None)  # the caller has it
    return shown


def _is_http(event: Any) -> bool:
    return isinstance(event, dict) and ("httpMethod" in event or "rawPath" in event)


def _asked_by_http(event: dict[str, Any]) -> Asked:
    """Read a request; format 2.0 has the method in its context, format 1.0 beside the path."""
    context = event.get("requestContext")
    http = context.get("http") if isinstance(context, dict) else None
    method = event.get("httpMethod") or (http.get("method") if isinstance(http, dict) else None)
    path = event.get("rawPath") or event.get("path")
    if method == "GET" and isinstance(path, str) and path.rstrip("/").endswith("/health"):
        return Asked([], health=True)
    if method != "POST":
        raise RefusedError(405, "send a POST request with JSON, or GET /health")
    return _asked(_parsed(_body(event)))


def _body(event: dict[str, Any]) -> bytes:
    body = event.get("body")
    if not isinstance(body, str) or not body:
        raise RefusedError(400, "the request has no body")
    _check_size(len(body) * (3 / 4 if event.get("isBase64Encoded") else 1))
    try:
        if event.get("isBase64Encoded"):
            return base64.b64decode(body, validate=True)
        return body.encode("utf-8")
    except (binascii.Error, ValueError):  # a lone surrogate is a ValueError
        raise RefusedError(400, "the body is neither UTF-8 nor base64 of it") from None


def _check_size(count: float) -> None:
    if count > MOST_BYTES:
        raise RefusedError(413, f"the texts are larger than {MOST_BYTES:,} bytes")


def _parsed(body: bytes) -> Any:
    _check_size(len(body))
    try:
        return json.loads(body.decode("utf-8"))
    except UnicodeDecodeError:
        raise RefusedError(400, "the body is not UTF-8") from None
    except (ValueError, RecursionError):
        raise RefusedError(400, "the body is not JSON, or lies too deep") from None


def _asked(content: Any) -> Asked:
    """Check the types and the sizes of what is asked."""
    if not isinstance(content, dict):
        raise RefusedError(400, 'expected an object: {"texts": ["..."]} or {"text": "..."}')
    if ("texts" in content) == ("text" in content):
        raise RefusedError(400, 'expected either "texts" or "text"')
    texts = content["texts"] if "texts" in content else [content["text"]]
    if not isinstance(texts, list) or not texts:
        raise RefusedError(400, '"texts" is not a list of texts')
    if len(texts) > MOST_TEXTS:
        raise RefusedError(413, f"{len(texts):,} texts; at most {MOST_TEXTS} at once")
    top = content.get("top", 0)
    if type(top) is not int or not 0 <= top <= MOST_TOP:
        raise RefusedError(400, f'"top" is not a whole number from 0 to {MOST_TOP:,}')
    _check_size(sum(_checked(number, text) for number, text in enumerate(texts, 1)))
    return Asked(texts, top)


def _checked(number: int, text: Any) -> int:
    """Return a text's size in bytes; refuse what is no text that a person wrote."""
    if not isinstance(text, str):
        raise RefusedError(400, f"text {number} is not a text")
    if len(text) > MOST_CHARACTERS:
        raise RefusedError(413, f"text {number} has more than {MOST_CHARACTERS:,} characters")
    if not text.strip():
        raise RefusedError(400, f"text {number} is empty")
    if _REFUSED.search(text):
        raise RefusedError(400, f"text {number} has a control character")
    try:
        return len(text.encode("utf-8"))
    except UnicodeEncodeError:
        raise RefusedError(400, f"text {number} has half a surrogate pair") from None


def _since(began: float) -> float:
    return round((time.perf_counter() - began) * 1e3, 3)
