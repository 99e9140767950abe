"""Answer HTTP requests on $PORT with the handler beside this file; it runs as main.py.

POST /predict takes and answers what the handler does, GET /health says "ok". The model is opened
before the port is: who can connect is answered. At SIGTERM what has begun is answered, and the
process ends.
"""

from __future__ import annotations

import base64
import os
import signal
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

_FOLDER = str(Path(os.path.realpath(__file__)).parent)
_PREDICT, _HEALTH = "/predict", "/health"
_PORT = "8080"
_SILENT_S = 30
_MOST_BODY_BYTES = 8_000_000
"""More than the handler takes: it answers what is too large; more is not even read."""


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
            self._answer(base64.b64encode(body).decode("ascii"))

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
        for name, value in (headers or {"content-type": "application/json"}).items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)


class Server(ThreadingHTTPServer):
    """Wait, at its end, for the requests that have begun."""

    daemon_threads = False
    request_queue_size = 128


def serve(port: int) -> None:
    """Answer requests until SIGTERM or SIGINT."""
    import handler

    handler.MODEL.predictor()
    with Server(("", port), Requests) as server:

        def stop(*_: object) -> None:
            threading.Thread(target=server.shutdown).start()  # it waits for serve_forever's end

        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, stop)
        handler.log("listening", port=server.server_port)
        server.serve_forever()
    handler.log("stopped")


if __name__ == "__main__":
    sys.path.insert(0, _FOLDER)
    serve(int(os.environ.get("PORT", _PORT)))
