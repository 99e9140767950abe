"""Lambda's Runtime API for one sandbox, served on loopback.

The paths, headers and status codes are those of the developer guide's "Using the Lambda runtime API
for custom runtimes" (version 2018-06-01). Extensions and SnapStart are left out.
"""

from __future__ import annotations

import json
import queue
import threading
import time
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Literal

RESPONSE_LIMIT_BYTES = 6 * 2**20 + 100
"""What Lambda takes of a synchronous response: it names 6291556 bytes in its own error."""

VERSION = "/2018-06-01/runtime"
_READ_S = 60.0


@dataclass(frozen=True, slots=True)
class Invocation:
    """Hold an event, and what its headers say."""

    request_id: str
    event: bytes
    deadline_ms: int
    function_arn: str
    trace_id: str


@dataclass(frozen=True, slots=True)
class Said:
    """Hold what a sandbox's process said, and when by `time.perf_counter_ns`.

    `ready` is its request for the next event; `ended` says that the process is gone. `entered_ns`
    is when edgepress's own client was entered; 0 for another one.
    """

    kind: Literal["ready", "response", "error", "init_error", "too_large", "ended"]
    at_ns: int
    request_id: str = ""
    body: bytes = b""
    entered_ns: int = 0


class RuntimeApi:
    """Serve one process's Runtime API; what it says lies in `said`, in order.

    `sent_ns` is when the last event was handed out. Use it as a context manager.
    """

    def __init__(self) -> None:
        self.said: queue.SimpleQueue[Said] = queue.SimpleQueue()
        self.sent_ns = 0
        self.current: Invocation | None = None
        self._events: queue.SimpleQueue[Invocation | None] = queue.SimpleQueue()
        self._server = _Server(("127.0.0.1", 0), _Exchange)
        self._server.api = self
        self._thread = threading.Thread(
            target=self._server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True
        )
        self._thread.start()

    @property
    def address(self) -> str:
        """Return what AWS_LAMBDA_RUNTIME_API says: host and port."""
        return f"127.0.0.1:{self._server.server_address[1]}"

    def offer(self, invocation: Invocation) -> None:
        """Hand an event to the process's waiting request, or else to its next one."""
        self._events.put(invocation)

    def take(self) -> Invocation | None:
        """Wait for the next event; None when the sandbox shuts down."""
        self.current = self._events.get()
        return self.current

    def close(self) -> None:
        """Answer nothing more, and free the port."""
        self._events.put(None)
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def __enter__(self) -> RuntimeApi:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class _Server(ThreadingHTTPServer):
    api: RuntimeApi
    daemon_threads = True
    block_on_close = False  # a request for the next event may wait forever

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say nothing: a process that is killed breaks its connection."""


class _Exchange(BaseHTTPRequestHandler):
    """Answer one request of the process."""

    server: _Server
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    wbufsize = -1  # header and body leave in one piece

    def parse_request(self) -> bool:
        """Note when the request arrived, before its headers are read."""
        self._arrived_ns = time.perf_counter_ns()
        return super().parse_request()

    def do_GET(self) -> None:
        """Answer a request for the next event, once there is one."""
        if self.path != f"{VERSION}/invocation/next":
            return self._refuse(404, "Runtime.NotFound", "no such path")
        api = self.server.api
        named = self.headers.get("User-Agent", "").removeprefix("edgepress/")
        entered_ns = int(named) if named.isdecimal() else 0
        api.said.put(Said("ready", self._arrived_ns, entered_ns=entered_ns))
        invocation = api.take()
        if invocation is None:
            self.close_connection = True
            return None
        headers = {
            "Content-Type": "application/json",
            "Lambda-Runtime-Aws-Request-Id": invocation.request_id,
            "Lambda-Runtime-Deadline-Ms": str(invocation.deadline_ms),
            "Lambda-Runtime-Invoked-Function-Arn": invocation.function_arn,
            "Lambda-Runtime-Trace-Id": invocation.trace_id,
        }
        api.sent_ns = time.perf_counter_ns()
        return self._send(200, invocation.event, headers)

    def do_POST(self) -> None:
        """Take a response, an error of an invocation, or an error of the initialization."""
        count = int(self.headers.get("Content-Length") or 0)
        too_large = count > RESPONSE_LIMIT_BYTES
        body = self._drained(count) if too_large else self.rfile.read(count)
        if self.path == f"{VERSION}/init/error":
            return self._accept("init_error", body)
        current = self.server.api.current
        prefix = f"{VERSION}/invocation/"
        request_id, _, what = self.path.removeprefix(prefix).partition("/")
        if not self.path.startswith(prefix) or what not in ("response", "error"):
            return self._refuse(404, "Runtime.NotFound", "no such path")
        if current is None or request_id != current.request_id:
            return self._refuse(400, "InvalidRequestID", "Invalid request ID")
        if too_large:
            said = f"Exceeded maximum allowed payload size ({RESPONSE_LIMIT_BYTES} bytes)."
            self._say("too_large", said.encode(), request_id)
            return self._refuse(413, "RequestEntityTooLarge", said)
        return self._accept("response" if what == "response" else "error", body, request_id)

    def _drained(self, count: int) -> bytes:
        while count > 0 and (piece := self.rfile.read(min(count, 65_536))):
            count -= len(piece)
        return b""

    def _accept(
        self,
        kind: Literal["response", "error", "init_error"],
        body: bytes,
        request_id: str = "",
    ) -> None:
        self.server.api.current = None
        self._say(kind, body, request_id)  # first: who has the reply may end at once
        self._send(202, b'{"status":"OK"}\n', {"Content-Type": "application/json"})

    def _say(
        self,
        kind: Literal["response", "error", "init_error", "too_large"],
        body: bytes,
        request_id: str,
    ) -> None:
        self.server.api.said.put(Said(kind, self._arrived_ns, request_id, body))

    def _refuse(self, status: int, kind: str, why: str) -> None:
        body = json.dumps({"errorMessage": why, "errorType": kind}).encode()
        self._send(status, body, {"Content-Type": "application/json"})

    def _send(self, status: int, body: bytes, headers: dict[str, str]) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
        self.wfile.flush()

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the library's name
        """Print nothing."""
