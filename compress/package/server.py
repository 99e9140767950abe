"""Answer HTTP requests on $PORT with the handler beside this file; it runs as main.py.

POST /predict takes and answers what the handler does, GET /health says "ok". The model is opened
before the port is: who can connect is answered. More requests at once than Cloud Run sends get 429.
At SIGTERM whoever has connected is answered, and the process ends with 0, or with 5 where that
takes longer than platforms wait.
"""

from __future__ import annotations

import base64
import os
import signal
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

_FOLDER = str(Path(os.path.realpath(__file__)).parent)
_PREDICT, _HEALTH = "/predict", "/health"
_PORT = "8080"
_SILENT_S = 30
_AT_ONCE = 80
"""Requests that are answered at the same time: Cloud Run sends an instance no more by default."""

_CONNECTIONS = 3 * _AT_ONCE
"""Further ones wait in the kernel's queue: each has a thread."""

_GRACE_S = 8
"""Cloud Run kills 10 s after SIGTERM, and so does Docker."""

_LEFT = 5
_MOST_BODY_BYTES = 8_000_000
"""More than the handler takes: it answers what is too large; more is not even read."""

_JSON = {"content-type": "application/json"}
_BUSY = {**_JSON, "retry-after": "1"}
_ROOM = threading.BoundedSemaphore(_AT_ONCE)


class Requests(BaseHTTPRequestHandler):
    """Hand each request to the handler as the event of a function URL."""

    timeout = _SILENT_S
    server_version = "edgepress"
    sys_version = ""

    def do_POST(self) -> None:
        """Answer /predict."""
        length = self.headers.get("Content-Length", "")
        if not length.isdecimal():
            self._say(411, '{"error": "the request has no Content-Length"}')
        elif int(length) > _MOST_BODY_BYTES:
            self._say(413, '{"error": "the request is too large"}')
        else:
            body = self.rfile.read(int(length))
            if not _ROOM.acquire(blocking=False):
                self._say(429, '{"error": "too many requests at once"}', _BUSY)
                return
            try:
                self._answer(base64.b64encode(body).decode("ascii"))
            finally:
                _ROOM.release()

    def do_GET(self) -> None:
        """Answer /health."""
        self._answer("")

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - http.server's name
        """Log nothing: the handler logs each request, and no path."""

    def _answer(self, body: str) -> None:
        import handler

        path = self.path.partition("?")[0]
        if path not in (_PREDICT, _HEALTH):
            self._say(404, '{"error": "there are POST /predict and GET /health"}')
            return
        http = {"method": self.command}
        event = {"rawPath": path, "requestContext": {"http": http}}
        reply = handler.handler({**event, "body": body, "isBase64Encoded": True}, None)
        self._say(reply["statusCode"], reply["body"], reply["headers"])

    def _say(self, status: int, body: str, headers: dict[str, str] | None = None) -> None:
        content = body.encode("utf-8")
        self.send_response(status)
        for name, value in (headers or _JSON).items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)


class Server(ThreadingHTTPServer):
    """Answer each connection on a thread of its own, and all of them before the end."""

    daemon_threads = False
    request_queue_size = 128
    timeout = 0  # of handle_request

    def __init__(self, port: int) -> None:
        super().__init__(("", port), Requests)
        self._free = threading.BoundedSemaphore(_CONNECTIONS)
        self._all_taken = False

    def process_request(self, request: Any, client_address: Any) -> None:
        """Start a connection's thread, as soon as there may be one more."""
        self._free.acquire()
        super().process_request(request, client_address)

    def process_request_thread(self, request: Any, client_address: Any) -> None:
        """Answer a connection."""
        try:
            super().process_request_thread(request, client_address)
        finally:
            self._free.release()

    def handle_timeout(self) -> None:
        """Remember that nobody waits to be accepted."""
        self._all_taken = True

    def accept_the_rest(self) -> None:
        """Take the connections that the kernel has accepted: closing the port would reset them."""
        while not self._all_taken:
            self.handle_request()


def serve(port: int) -> None:
    """Answer requests until SIGTERM or SIGINT."""
    import handler

    handler.MODEL.predictor()
    with Server(port) as server:

        def leave() -> None:
            handler.log("stopped", within_s=_GRACE_S)
            os._exit(_LEFT)

        def stop(*_: object) -> None:
            threading.Thread(target=server.shutdown).start()  # it waits for serve_forever's end
            last = threading.Timer(_GRACE_S, leave)
            last.daemon = True
            last.start()

        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, stop)
        handler.log("listening", port=server.server_port)
        server.serve_forever()
        server.accept_the_rest()
    handler.log("stopped")


if __name__ == "__main__":
    sys.path.insert(0, _FOLDER)
    serve(int(os.environ.get("PORT", _PORT)))
