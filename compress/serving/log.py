"""The server's log: a line of JSON an event, on stderr, with numbers and names, never a text."""

from __future__ import annotations

import json
import logging
import sys
from typing import Any

_LOGGER = "uvicorn"


def log(event: str, **values: object) -> None:
    """Write one line to the log."""
    print(json.dumps({"event": event, **values}), file=sys.stderr, flush=True)


class _Lines(logging.Handler):
    """Write the HTTP library's own warnings as lines of the log."""

    def emit(self, record: logging.LogRecord) -> None:
        """Write what happened without its arguments, which may hold what a client sent."""
        kind = record.exc_info[0].__name__ if record.exc_info and record.exc_info[0] else None
        values: dict[str, Any] = {"kind": kind} if kind else {}
        log("http", level=record.levelname.lower(), message=str(record.msg).strip(), **values)


def log_http_warnings() -> None:
    """Send the HTTP library's warnings and errors to the log, and nothing else of it."""
    logger = logging.getLogger(_LOGGER)
    logger.handlers = [_Lines()]
    logger.propagate = False
    logger.setLevel(logging.WARNING)
