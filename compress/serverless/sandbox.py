"""One execution environment of Lambda: a fresh process of a function, behind the Runtime API.

It lives as on the platform (developer guide, "Understanding the Lambda execution environment
lifecycle"): the initialization may take 10 s, and is done again within the invocation where it
failed; a function that exceeds its time is killed, and the next event starts it anew; without
extensions a shutdown is SIGKILL at once.
"""

from __future__ import annotations

import dataclasses
import json
import os
import queue
import signal
import subprocess
import tempfile
import threading
import time
import uuid
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from compress.serverless.runtime_api import Invocation, RuntimeApi, Said
from runtimes.errors import BackendError

EVENT_LIMIT_BYTES = 6 * 2**20
"""What the Invoke API takes of a synchronous event (Lambda quotas: 6 MB)."""

INIT_LIMIT_S = 10.0
_ARN = "arn:aws:lambda:us-east-1:000000000000:function:edgepress"
_STARTS = 2


@dataclass(frozen=True, slots=True)
class Settings:
    """Say what a function is configured with; `handler` as in its template."""

    memory_mb: int = 1_769
    timeout_s: float = 30.0
    handler: str = "handler.handler"
    init_limit_s: float = INIT_LIMIT_S


@dataclass(frozen=True, slots=True)
class Invoked:
    """Hold how an event ended: `status` is what the Invoke API answers.

    `error` is the platform's or the runtime's name of what went wrong, empty for an answer;
    `payload` is the answer or the error as JSON. `duration_ms` is from the event's hand-over to
    its response, which is what is billed; `ended_ns` is when that came; `init_ms` is that of the
    initialization before it, if there was one. `log` is what a process wrote that ended.
    """

    status: int
    payload: bytes
    error: str = ""
    duration_ms: float = 0.0
    init_ms: float | None = None
    ended_ns: int = 0
    log: str = ""


class Sandbox:
    """Run one function's process at a time; use it as a context manager.

    `command` starts the runtime's client in `folder`, the function's. `hold` is called with each
    process's id as soon as there is one. `variables` are added to the platform's.
    """

    def __init__(
        self,
        folder: Path,
        command: Sequence[str],
        settings: Settings,
        *,
        variables: dict[str, str] | None = None,
        hold: Callable[[int], None] = lambda _pid: None,
    ) -> None:
        self._folder = folder
        self._command = command
        self._settings = settings
        self._variables = variables or {}
        self._hold = hold
        self._life: _Life | None = None

    @property
    def pid(self) -> int | None:
        """Return the process's id, None where none runs."""
        return self._life.process.pid if self._life else None

    @property
    def spawned_ns(self) -> int:
        """Return when the running process was started, by `time.perf_counter_ns`."""
        assert self._life is not None
        return self._life.spawned_ns

    @property
    def entered_ns(self) -> int:
        """Return when the process came to edgepress's own client; 0 for another client."""
        assert self._life is not None
        return self._life.entered_ns

    def log(self) -> str:
        """Return what the running process has written."""
        return self._life.log() if self._life else ""

    def start(self) -> float:
        """Initialize a fresh process; return how long it took, in ms.

        Raises BackendError where it fails or takes longer than the platform allows.
        """
        self.close()
        life = self._life = self._spawned()
        said = life.wait(time.monotonic() + self._settings.init_limit_s, ("ready", "init_error"))
        if said is not None and said.kind == "ready":
            life.waits = True
            life.entered_ns = said.entered_ns
            return (said.at_ns - life.spawned_ns) / 1e6
        why = _why_not_ready(said, self._settings.init_limit_s)
        log = self.log().strip()[-600:]
        self.close()
        raise BackendError(
            f"the function's initialization {why}",
            expected="a runtime that asks for the first event",
            available=log or "nothing in its log",
            action="run `edgepress package verify`, and read the log",
        )

    def invoke(self, event: bytes) -> Invoked:
        """Hand one event to the function, in a fresh process where none runs."""
        if refused := _refused(event):
            return refused
        init_ms = None
        if not self._is_waiting():
            try:
                init_ms = self._started()
            except BackendError as error:
                return _failed("Runtime.InitError", error.received)
        assert self._life is not None
        life, settings = self._life, self._settings
        invocation = _invocation(event, settings.timeout_s)
        deadline = time.monotonic() + settings.timeout_s
        life.waits = False
        life.api.offer(invocation)
        said = life.wait(deadline, ("response", "error", "too_large"), invocation.request_id)
        return self._ended(said, invocation, init_ms)

    def _is_waiting(self) -> bool:
        """Tell whether a process waits for an event; one that ended after its answer does not."""
        if self._life is None or self._life.waits:
            return self._life is not None
        said = self._life.wait(time.monotonic() + self._settings.timeout_s, ("ready",))
        return said is not None and said.kind == "ready"

    def _started(self) -> float:
        """Initialize, once more where it failed: the platform does so within the invocation."""
        for left in range(_STARTS - 1, -1, -1):
            try:
                return self.start()
            except BackendError:
                if not left:
                    raise
        raise AssertionError

    def _ended(self, said: Said | None, event: Invocation, init_ms: float | None) -> Invoked:
        assert self._life is not None
        if said is None:
            self.close()
            seconds = f"{self._settings.timeout_s:.2f}"
            text = f"{event.request_id} Task timed out after {seconds} seconds"
            return _failed("Sandbox.Timedout", text)
        if said.kind == "ended":
            code, log = self._life.process.returncode, self.log().strip()
            self.close()
            how = f"signal: {signal.Signals(-code).name}" if code < 0 else f"exit status {code}"
            ended = _failed("Runtime.ExitError", f"Runtime exited with error: {how}")
            return dataclasses.replace(ended, log=log)
        duration_ms = (said.at_ns - self._life.api.sent_ns) / 1e6
        if said.kind == "too_large":
            return _failed("Function.ResponseSizeTooLarge", said.body.decode())
        error = "Unhandled" if said.kind == "error" else ""
        return Invoked(200, said.body, error, duration_ms, init_ms, said.at_ns)

    def close(self) -> None:
        """Shut down: kill the process and all that it started."""
        if self._life is not None:
            self._life.close()
            self._life = None

    def __enter__(self) -> Sandbox:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _spawned(self) -> _Life:
        api = RuntimeApi()
        variables = environment(self._settings, self._folder, api.address)
        life = _Life(self._command, self._folder, {**variables, **self._variables}, api)
        with suppress(ProcessLookupError):  # it has ended, and its end is told
            self._hold(life.process.pid)
        return life


class _Life:
    """Hold one process, its Runtime API and its log; `waits` once it is seen to wait."""

    waits = False
    entered_ns = 0

    def __init__(
        self, command: Sequence[str], folder: Path, variables: dict[str, str], api: RuntimeApi
    ) -> None:
        self.api = api
        self._log = tempfile.TemporaryFile()  # noqa: SIM115 - closed in close()
        self.spawned_ns = time.perf_counter_ns()
        try:
            self.process = subprocess.Popen(
                command,
                cwd=folder,
                env=variables,
                stdin=subprocess.DEVNULL,
                stdout=self._log,
                stderr=self._log,
                start_new_session=True,
            )
        except OSError as error:
            self._log.close()
            api.close()
            raise BackendError(
                f"{command[0]}: the function's process cannot be started ({error.strerror})",
                action="name another Python by --interpreter",
            ) from None
        self._watcher = threading.Thread(target=self._watch, daemon=True)
        self._watcher.start()

    def wait(self, until: float, kinds: Sequence[str], request_id: str = "") -> Said | None:
        """Return the next word of one of the `kinds`, or that of the end; None when it is late."""
        while True:
            try:
                said = self.api.said.get(timeout=max(until - time.monotonic(), 0.0))
            except queue.Empty:
                return None
            if said.kind == "ended" or (said.kind in kinds and said.request_id == request_id):
                return said

    def log(self) -> str:
        """Return what the process has written."""
        size = os.fstat(self._log.fileno()).st_size
        return os.pread(self._log.fileno(), size, 0).decode(errors="replace")

    def close(self) -> None:
        """Kill the process group, and free port and log."""
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()
        self._watcher.join()
        self.api.close()
        self._log.close()

    def _watch(self) -> None:
        self.process.wait()
        self.api.said.put(Said("ended", time.perf_counter_ns()))


def environment(settings: Settings, folder: Path, address: str) -> dict[str, str]:
    """Return the variables that Lambda defines for a function; there are no credentials here."""
    return {
        "AWS_LAMBDA_FUNCTION_NAME": "edgepress",
        "AWS_LAMBDA_FUNCTION_VERSION": "$LATEST",
        "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": str(settings.memory_mb),
        "AWS_LAMBDA_INITIALIZATION_TYPE": "on-demand",
        "AWS_LAMBDA_LOG_GROUP_NAME": "/aws/lambda/edgepress",
        "AWS_LAMBDA_LOG_STREAM_NAME": "local",
        "AWS_LAMBDA_RUNTIME_API": address,
        "AWS_REGION": "us-east-1",
        "AWS_DEFAULT_REGION": "us-east-1",
        "LAMBDA_TASK_ROOT": str(folder),
        "_HANDLER": settings.handler,
        "LANG": "en_US.UTF-8",
        "PATH": "/usr/local/bin:/usr/bin:/bin",
        "TZ": ":UTC",
    }


def _invocation(event: bytes, timeout_s: float) -> Invocation:
    trace = f"Root=1-{int(time.time()):08x}-{uuid.uuid4().hex[:24]};Sampled=0"
    deadline_ms = int((time.time() + timeout_s) * 1e3)
    return Invocation(str(uuid.uuid4()), event, deadline_ms, _ARN, trace)


def _refused(event: bytes) -> Invoked | None:
    """Refuse what the Invoke API itself refuses: the function never sees it."""
    if len(event) > EVENT_LIMIT_BYTES:
        said = f"Request must be smaller than {EVENT_LIMIT_BYTES} bytes for the InvokeFunction"
        return _failed("RequestTooLargeException", said, 413)
    try:
        json.loads(event)
    except (ValueError, RecursionError):
        said = "Could not parse request body into json"
        return _failed("InvalidRequestContentException", said, 400)
    return None


def _failed(error: str, message: str, status: int = 200) -> Invoked:
    payload = json.dumps({"errorType": error, "errorMessage": message}).encode()
    return Invoked(status, payload, error)


def _why_not_ready(said: Said | None, limit_s: float) -> str:
    if said is None:
        return f"took more than {limit_s:g} s"
    if said.kind == "ended":
        return "failed: the process ended before it asked for an event"
    try:
        content = json.loads(said.body)
        return f"failed: {content['errorType']}: {content['errorMessage']}"
    except (ValueError, KeyError, TypeError):
        return "failed, and said nothing that can be read"
