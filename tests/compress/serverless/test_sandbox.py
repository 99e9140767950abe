"""A function lives as on Lambda, with edgepress's client of the Runtime API and with AWS's own."""

from __future__ import annotations

import json
import os
import time
from pathlib import Path

import pytest

from compress.serverless.runtime_api import RESPONSE_LIMIT_BYTES
from compress.serverless.sandbox import EVENT_LIMIT_BYTES
from runtimes.errors import BackendError
from runtimes.predict import open_predictor
from tests.compress.serverless.conftest import Open
from tests.runtimes.tiny import TEXTS

ECHO = "def handler(event, context):\n    return {'event': event, 'id': context.aws_request_id}\n"
SLOW = """
import os, time
STARTED = time.time()
def handler(event, context):
    if event == "sleep":
        time.sleep(60)
    if event == "exit":
        os._exit(3)
    if event == "raise":
        raise ValueError("no such thing")
    if event == "much":
        return "a" * 7_000_000
    if event == "set":
        return {1, 2}
    if event == "quit":
        raise SystemExit
    return {"pid": os.getpid(), "left": context.get_remaining_time_in_millis(),
            "memory": context.memory_limit_in_mb, "name": context.function_name}
"""


def event(content: object) -> bytes:
    """Return an event as the Invoke API takes it."""
    return json.dumps(content).encode()


def test_events_are_answered_as_by_the_pipeline(open_sandbox: Open, tiny_bundle: Path) -> None:
    predictor = open_predictor(tiny_bundle, bundled=True)
    sandbox = open_sandbox()
    for number, text in enumerate(TEXTS):
        invoked = sandbox.invoke(event({"text": text}))
        (answer,) = json.loads(invoked.payload)["answers"]
        assert {**answer, "text": text} == predictor.task.shown(predictor.answer(text), text, 0)
        assert (invoked.status, invoked.error) == (200, "")
        assert (invoked.init_ms is not None) == (number == 0)
        assert invoked.duration_ms > 0


def test_an_event_arrives_as_it_was_sent(open_sandbox: Open) -> None:
    sandbox = open_sandbox(ECHO)
    for content in ("Où est ma carte ?", {"a": [1, None, "\N{GRINNING FACE}"]}, 7, None):
        answer = json.loads(sandbox.invoke(event(content)).payload)
        assert answer["event"] == content
        assert len(answer["id"]) == 36
    large = {"text": "é" * 1_000_000}
    assert json.loads(sandbox.invoke(event(large)).payload)["event"] == large


def test_the_context_and_the_variables_are_the_platforms(open_sandbox: Open) -> None:
    answer = json.loads(open_sandbox(SLOW, memory_mb=512, timeout_s=9).invoke(b"1").payload)
    assert (int(answer["memory"]), answer["name"]) == (512, "edgepress")
    assert 8_000 < answer["left"] <= 9_000


@pytest.mark.parametrize(
    ("what", "error", "kind"),
    [
        ("raise", "Unhandled", "ValueError"),
        ("set", "Unhandled", "Runtime.MarshalError"),
    ],
)
def test_an_error_is_told_and_the_process_goes_on(
    open_sandbox: Open, what: str, error: str, kind: str
) -> None:
    sandbox = open_sandbox(SLOW)
    pid = json.loads(sandbox.invoke(b"1").payload)["pid"]
    invoked = sandbox.invoke(event(what))
    assert (invoked.error, json.loads(invoked.payload)["errorType"]) == (error, kind)
    assert json.loads(sandbox.invoke(b"1").payload)["pid"] == pid


@pytest.mark.parametrize("what", ["exit", "quit", "sleep"])
def test_a_process_that_ends_or_hangs_is_replaced(open_sandbox: Open, what: str) -> None:
    sandbox = open_sandbox(SLOW, timeout_s=2)
    pid = json.loads(sandbox.invoke(b"1").payload)["pid"]
    began = time.monotonic()
    invoked = sandbox.invoke(event(what))
    assert invoked.error == ("Sandbox.Timedout" if what == "sleep" else "Runtime.ExitError")
    assert (time.monotonic() - began > 1.9) == (what == "sleep")
    assert not Path(f"/proc/{pid}").exists()
    again = sandbox.invoke(b"1")
    assert json.loads(again.payload)["pid"] != pid
    assert again.init_ms is not None


def test_a_response_that_is_too_large_is_an_error(open_sandbox: Open) -> None:
    sandbox = open_sandbox(SLOW)
    invoked = sandbox.invoke(event("much"))
    assert invoked.error == "Function.ResponseSizeTooLarge"
    assert str(RESPONSE_LIMIT_BYTES) in invoked.payload.decode()
    assert sandbox.invoke(b"1").error == ""


def test_the_platform_refuses_what_no_function_sees(open_sandbox: Open) -> None:
    sandbox = open_sandbox(ECHO)
    large = event("a" * EVENT_LIMIT_BYTES)
    deep = b"[" * 100_000 + b"]" * 100_000
    for sent, status in ((large, 413), (b"{", 400), (b"\xff", 400), (deep, 400)):
        assert sandbox.invoke(sent).status == status
    assert sandbox.pid is None


def test_a_failing_initialization_is_told(open_sandbox: Open) -> None:
    sandbox = open_sandbox("import nothing_of_this_name\n")
    invoked = sandbox.invoke(b"1")
    assert invoked.error == "Runtime.InitError"
    assert "ImportModuleError" in invoked.payload.decode()
    with pytest.raises(BackendError, match="initialization failed"):
        sandbox.start()


def test_a_slow_initialization_is_stopped(open_sandbox: Open) -> None:
    sandbox = open_sandbox("import time\ntime.sleep(60)\n", init_limit_s=1)
    with pytest.raises(BackendError, match="took more than 1 s"):
        sandbox.start()
    assert sandbox.pid is None


def test_a_shutdown_ends_the_process_and_what_it_started(open_sandbox: Open) -> None:
    source = (
        "import subprocess\nCHILD = subprocess.Popen(['sleep', '60'])\n"
        "def handler(event, context):\n    return CHILD.pid\n"
    )
    sandbox = open_sandbox(source)
    child = int(sandbox.invoke(b"1").payload)
    pid = sandbox.pid
    sandbox.close()
    assert not Path(f"/proc/{pid}").exists()
    deadline = time.monotonic() + 5
    while time.monotonic() < deadline and _runs(child):
        time.sleep(0.01)
    assert not _runs(child)


def _runs(pid: int) -> bool:
    try:
        os.kill(pid, 0)
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False
