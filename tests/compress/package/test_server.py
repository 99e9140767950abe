"""The server of a container answers real HTTP requests, and ends gracefully."""

from __future__ import annotations

import http.client
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from compress.package import server
from compress.package.layout import Laid
from tests.runtimes.tiny import LABELS

Service = tuple[subprocess.Popen[str], int]

WAITING = """
import json, os, sys, time
class MODEL:
    predictor = staticmethod(lambda: None)
def log(event, **more):
    sys.stdout.write(json.dumps({"event": event, **more}) + "\\n")
    sys.stdout.flush()
def handler(event, context):
    if event["rawPath"] == "/predict":
        log("begun")
        while not os.path.exists(os.path.join(os.path.dirname(__file__), "go")):
            time.sleep(0.01)
    return {"statusCode": 200, "body": "{}", "headers": {}}
"""
"""A handler whose model takes until the file `go` is there."""


@pytest.fixture
def service(laid: Laid) -> Iterator[Service]:
    """Start the server in a process of its own, with nothing but the package."""
    with _started(laid.paths[0]) as service:
        yield service


@pytest.fixture
def waiting(tmp_path: Path) -> Iterator[Service]:
    """Start the server with a model that takes until the file `go` is in the folder."""
    (tmp_path / "handler.py").write_text(WAITING)
    with _started(tmp_path) as service:
        yield service


@contextmanager
def _started(folder: Path) -> Iterator[Service]:
    shutil.copyfile(str(server.__file__), folder / "main.py")
    started = subprocess.Popen(
        [sys.executable, "-I", "-S", "-u", str(folder / "main.py")],
        env={"PORT": "0"},
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        yield started, _port(started)
    finally:
        started.kill()
        started.communicate()


def _port(started: subprocess.Popen[str]) -> int:
    assert started.stdout
    for line in started.stdout:
        said = json.loads(line)
        if said["event"] == "listening":
            return int(said["port"])
    raise AssertionError("it does not listen")


def _ask(port: int, method: str, path: str, body: Any = None) -> tuple[int, Any]:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    try:
        connection.request(method, path, body)
        reply = connection.getresponse()
        return reply.status, json.loads(reply.read())
    finally:
        connection.close()


def test_it_answers_and_refuses(service: Service) -> None:
    _, port = service
    assert _ask(port, "GET", "/health") == (200, {"status": "ok"})
    status, said = _ask(port, "POST", "/predict", json.dumps({"texts": ["my card is lost"]}))
    assert status == 200
    assert said["answers"][0]["label"] in LABELS
    wrong = [
        ("GET", "/predict", None, 405),
        ("POST", "/elsewhere", "{}", 404),
        ("POST", "/predict", "no JSON", 400),
        ("POST", "/predict", b"\xff\xfe", 400),
        ("POST", "/predict", '{"text": "\\ud800"}', 422),
        ("POST", "/predict", "[" * 100_000, 400),
        ("POST", "/predict", json.dumps({"text": "a" * 2_000_000}), 413),
    ]
    for method, path, body, status in wrong:
        assert _ask(port, method, path, body)[0] == status, (path, body and body[:20])
    assert _ask(port, "POST", "/predict", '{"text": "thank you"}')[0] == 200


def test_a_body_that_is_too_large_is_not_read(service: Service) -> None:
    _, port = service
    with socket.create_connection(("127.0.0.1", port), timeout=60) as one:
        one.sendall(b"POST /predict HTTP/1.1\r\nContent-Length: 99999999999\r\n\r\n")
        assert b" 413 " in one.recv(100)
    with socket.create_connection(("127.0.0.1", port), timeout=60) as one:
        one.sendall(b"POST /predict HTTP/1.1\r\n\r\n")
        assert b" 411 " in one.recv(100)


def test_what_has_begun_is_answered_at_sigterm(service: Service) -> None:
    started, port = service
    body = json.dumps({"texts": ["thank you"]}).encode()
    replies: list[bytes] = []

    def slow() -> None:
        with socket.create_connection(("127.0.0.1", port), timeout=60) as one:
            head = f"POST /predict HTTP/1.1\r\nContent-Length: {len(body)}\r\n\r\n"
            one.sendall(head.encode() + body[:5])
            time.sleep(1)
            os.kill(started.pid, signal.SIGTERM)
            time.sleep(1)
            one.sendall(body[5:])
            replies.append(one.recv(100))

    asking = threading.Thread(target=slow)
    asking.start()
    asking.join()
    assert b" 200 " in replies[0]
    assert started.wait(timeout=60) == 0
    assert started.stdout
    lines = [json.loads(line) for line in started.stdout.read().splitlines()]
    assert lines[-1]["event"] == "stopped"


def _connected(port: int) -> socket.socket:
    """Send a request, and wait for nothing."""
    one = socket.create_connection(("127.0.0.1", port), timeout=60)
    one.sendall(b"POST /predict HTTP/1.1\r\nContent-Length: 2\r\n\r\n{}")
    return one


def _status(one: socket.socket) -> int:
    with one:
        return int(one.recv(100).split()[1])


def _begun(started: subprocess.Popen[str], count: int) -> None:
    """Wait until so many requests are with the model."""
    assert started.stdout
    for _ in range(count):
        assert json.loads(started.stdout.readline())["event"] == "begun"


def test_more_at_once_than_there_is_room_for_are_refused(waiting: Service, tmp_path: Path) -> None:
    started, port = waiting
    asked = [_connected(port) for _ in range(server._AT_ONCE)]
    _begun(started, len(asked))
    with _connected(port) as one:
        refused = one.recv(1000)
    assert b" 429 " in refused
    assert b"retry-after: 1" in refused
    assert _ask(port, "GET", "/health")[0] == 200
    (tmp_path / "go").touch()
    assert {_status(one) for one in asked} == {200}
    assert _ask(port, "POST", "/predict", "{}")[0] == 200


def test_whoever_has_connected_is_answered_at_sigterm(waiting: Service, tmp_path: Path) -> None:
    """Also those who wait in the kernel's queue, behind connections that say nothing yet."""
    started, port = waiting
    asked = [_connected(port) for _ in range(server._AT_ONCE)]
    _begun(started, len(asked))
    silent = [
        socket.create_connection(("127.0.0.1", port), timeout=60)
        for _ in range(server._CONNECTIONS - len(asked))
    ]
    late = [_connected(port) for _ in range(20)]
    started.send_signal(signal.SIGTERM)
    time.sleep(0.2)
    for one in silent:
        one.close()
    (tmp_path / "go").touch()
    assert {_status(one) for one in asked} == {200}
    assert {_status(one) for one in late} <= {200, 429}
    assert started.wait(timeout=60) == 0


def test_a_client_that_sends_nothing_does_not_keep_it(waiting: Service) -> None:
    started, port = waiting
    with socket.create_connection(("127.0.0.1", port), timeout=60) as one:
        one.sendall(b"POST /predict HTTP/1.1\r\nContent-Length: 2\r\n\r\n")
        began = time.monotonic()
        started.send_signal(signal.SIGTERM)
        assert started.wait(timeout=60) in (0, server._LEFT)
    assert time.monotonic() - began < server._SILENT_S
