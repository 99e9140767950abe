"""Speak Lambda's Runtime API for the handler that _HANDLER names: bootstrap.py starts it.

It stands in place of AWS's own client (awslambdaric), which takes longer to import. A container
image starts it as its entry point; a managed Python runtime does so by a wrapper script that
AWS_LAMBDA_EXEC_WRAPPER names. A runtime without Python (provided.al2023) cannot. Extensions,
SnapStart and X-Ray's own segments are left out.
"""

from __future__ import annotations

import time

_ENTERED_NS = time.perf_counter_ns()

import _socket  # noqa: E402 - the socket module alone would take several ms of every cold start
import os  # noqa: E402 - the clock above starts before the imports
import sys  # noqa: E402

_BUNDLE = os.path.join(os.path.dirname(os.path.realpath(__file__)), "bundle")
if os.path.isdir(_BUNDLE):  # in a package: the bundle has modules that are imported faster
    sys.path.insert(0, _BUNDLE)

try:
    from runtimes.lean_json import dumps, loads
except ImportError:  # a function of other code
    from json import dumps, loads  # type: ignore[assignment]

TYPE_CHECKING = False  # typing alone would take several ms; type checkers take it for true
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import Any

    Handler = Callable[[Any, Any], Any]

VERSION = "/2018-06-01/runtime"
_READ_BYTES = 65_536


class Closed(Exception):  # noqa: N818 - what happened, in the words of the protocol
    """Say that the platform closed the connection: nothing more will come."""


class MarshalError(Exception):
    """Say that a handler returned what is no JSON; `kind` is the platform's name for it."""

    kind = "Runtime.MarshalError"


class Reply:
    """Hold what the platform answered; the names of the headers are in lower case."""

    def __init__(self, status: int, headers: dict[str, str], body: bytes) -> None:
        self.status = status
        self.headers = headers
        self.body = body


class Connection:
    """Exchange HTTP/1.1 requests over one connection that stays open."""

    def __init__(self, address: str) -> None:
        host, _, port = address.rpartition(":")
        self._host = address
        self._socket = _socket.socket(_socket.AF_INET, _socket.SOCK_STREAM)
        self._socket.connect((host, int(port or 80)))
        self._socket.setsockopt(_socket.IPPROTO_TCP, _socket.TCP_NODELAY, 1)
        self._read = b""

    def get(self, path: str) -> Reply:
        """Return the reply to a GET request; it may take as long as the platform likes.

        `User-Agent` says when Python came to this file, for who measures a start on this machine.
        """
        head = f"GET {VERSION}{path} HTTP/1.1\r\nHost: {self._host}\r\n"
        return self._exchange(f"{head}User-Agent: edgepress/{_ENTERED_NS}\r\n\r\n", b"")

    def post(self, path: str, body: bytes, headers: Sequence[tuple[str, str]] = ()) -> Reply:
        """Return the reply to a POST request with a JSON body."""
        own = "".join(f"{name}: {value}\r\n" for name, value in headers)
        head = f"POST {VERSION}{path} HTTP/1.1\r\nHost: {self._host}\r\n{own}"
        head += f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
        return self._exchange(head, body)

    def _exchange(self, head: str, body: bytes) -> Reply:
        self._socket.sendall(head.encode("latin-1") + body)
        while True:
            status = int(self._line().split()[1])
            headers = {}
            while line := self._line():
                name, _, value = line.partition(b":")
                headers[name.decode("latin-1").lower()] = value.strip().decode("utf-8", "replace")
            if status >= 200:  # 100 says: go on
                return Reply(status, headers, self._body(headers))

    def _body(self, headers: dict[str, str]) -> bytes:
        if headers.get("transfer-encoding", "").lower() != "chunked":
            return self._exactly(int(headers.get("content-length", 0)))
        chunks = []
        while size := int(self._line().split(b";")[0], 16):
            chunks.append(self._exactly(size))
            self._line()
        while self._line():  # trailers
            pass
        return b"".join(chunks)

    def _line(self) -> bytes:
        while b"\r\n" not in self._read:
            self._more()
        line, _, self._read = self._read.partition(b"\r\n")
        return line

    def _exactly(self, count: int) -> bytes:
        chunks, have = [self._read], len(self._read)
        while have < count:
            self._read = b""
            self._more()
            chunks.append(self._read)
            have += len(self._read)
        whole = b"".join(chunks)
        self._read = whole[count:]
        return whole[:count]

    def _more(self) -> None:
        received = self._socket.recv(_READ_BYTES)
        if not received:
            raise Closed
        self._read += received


class Context:
    """Tell a handler about its invocation, by the names that AWS's client uses."""

    identity = None
    client_context = None

    def __init__(self, headers: dict[str, str]) -> None:
        self.aws_request_id = headers["lambda-runtime-aws-request-id"]
        self.invoked_function_arn = headers.get("lambda-runtime-invoked-function-arn")
        self.function_name = os.environ.get("AWS_LAMBDA_FUNCTION_NAME")
        self.function_version = os.environ.get("AWS_LAMBDA_FUNCTION_VERSION")
        self.memory_limit_in_mb = os.environ.get("AWS_LAMBDA_FUNCTION_MEMORY_SIZE")
        self.log_group_name = os.environ.get("AWS_LAMBDA_LOG_GROUP_NAME")
        self.log_stream_name = os.environ.get("AWS_LAMBDA_LOG_STREAM_NAME")
        self._deadline_ms = int(headers.get("lambda-runtime-deadline-ms", 0))

    def get_remaining_time_in_millis(self) -> int:
        """Return how long the invocation may still take."""
        return max(self._deadline_ms - int(time.time() * 1000), 0)


def described(error: BaseException, kind: str, request_id: str = "") -> bytes:
    """Return an error as the platform takes it, without the lines that raised it."""
    content = {"errorMessage": str(error), "errorType": kind}
    return dumps({**content, "requestId": request_id, "stackTrace": []}).encode()


def invoke(connection: Connection, handler: Handler, reply: Reply) -> None:
    """Answer one event: its result or its error goes to the platform."""
    context = Context(reply.headers)
    place = f"/invocation/{context.aws_request_id}"
    try:
        answer = marshalled(handler(loads(reply.body.decode("utf-8", "surrogatepass")), context))
    except Exception as error:  # whatever a handler raises: the next event is answered
        log_error(error)
        kind = getattr(error, "kind", type(error).__name__)
        header = [("Lambda-Runtime-Function-Error-Type", "Unhandled")]
        connection.post(f"{place}/error", described(error, kind, context.aws_request_id), header)
    else:
        connection.post(f"{place}/response", answer)


def marshalled(answer: Any) -> bytes:
    """Return an answer as JSON; raise MarshalError for what is none."""
    try:
        return dumps(answer).encode()
    except (TypeError, ValueError, RecursionError) as error:
        raise MarshalError(f"the handler's answer is no JSON: {error}") from None


def log_error(error: BaseException) -> None:
    """Write the error's kind to the log: its message may hold a text."""
    print(dumps({"event": "failed", "kind": type(error).__name__}), flush=True)


def load(name: str) -> Handler:
    """Return the handler of a name such as `handler.handler`."""
    module, _, attribute = name.rpartition(".")
    place = module.replace("/", ".")
    __import__(place)
    handler: Handler = getattr(sys.modules[place], attribute)
    return handler


def main() -> None:
    """Answer events until the platform ends the process."""
    root = os.environ.get("LAMBDA_TASK_ROOT", os.path.dirname(os.path.abspath(__file__)))
    if root not in sys.path:
        sys.path.insert(0, root)
    connection = Connection(os.environ["AWS_LAMBDA_RUNTIME_API"])
    try:
        handler = load(os.environ.get("_HANDLER", "handler.handler"))
    except BaseException as error:
        log_error(error)
        failed = isinstance(error, ImportError)
        kind = "Runtime.ImportModuleError" if failed else type(error).__name__
        header = [("Lambda-Runtime-Function-Error-Type", kind)]
        connection.post("/init/error", described(error, kind), header)
        raise
    while True:
        reply = connection.get("/invocation/next")
        trace = reply.headers.get("lambda-runtime-trace-id")
        if trace:
            os.environ["_X_AMZN_TRACE_ID"] = trace
        invoke(connection, handler, reply)


def run() -> None:
    """Answer events; end without an error where the platform is gone."""
    try:
        main()
    except (Closed, ConnectionError):
        sys.exit(0)
